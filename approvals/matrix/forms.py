"""The forms of the matrix: texts into values; every rule lives in the services."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.http import QueryDict

from approvals.matrix.flaws import MIN_APPROVALS_MAX
from approvals.matrix.tester import Trial
from approvals.models import Policy, PolicyRow
from approvals.routing import StepRule, groups_of, step_rules
from approvals.rules.catalogue import BY_CODE, GATE_CODES
from approvals.services.matrix import RowDraft
from approvals.states import RollingKey, StepRuleKind
from gateway.catalogue import TOOLS
from gateway.catalogue.base import ToolKind
from identity.forms import GROUPED_PATTERN, Refusable
from identity.models import Agent, ApprovalGroup
from kernel.errors import DomainError, ValidationFailed
from kernel.money import CURRENCY_PATTERN, Money

STEPS_MAX = 6
AMOUNT_LENGTH_MAX = 20
AMOUNTS = {
    "from_amount": "from_minor",
    "up_to": "up_to_minor",
    "bulk_up_to": "bulk_up_to_minor",
    "step_up_from": "step_up_from_minor",
}
STEP_PATH = re.compile(r"^/steps/(\d+)/(\w+)")
STEP_FIELDS = {
    "group": "groups",
    "further_groups": "groups",
    "min_approvals": "number",
    "rule": "rule",
    "due_days": "days",
    "fallback": "fallback",
}


def write_tools() -> list[tuple[str, str]]:
    """Return the writes that may be granted, by name."""
    return [(name, tool.title) for name, tool in sorted(TOOLS.items()) if tool.kind is ToolKind.WRITE and tool.is_grantable]


def flag_choices() -> list[tuple[str, str]]:
    """Return the rules that can strike at submission."""
    return [(code, f"{code} {BY_CODE[code].title}") for code in GATE_CODES]


class DraftForm(Refusable):
    """The title of a new version, and what it begins with."""

    title = forms.CharField(max_length=120, help_text="What this version is about, for those who review it")
    copy_of = forms.ChoiceField(required=False, label="Begin with the rows of", help_text="Rows you leave alone stay their writers'")

    def __init__(self, *args: Any, policies: Sequence[Policy], **kwargs: Any) -> None:
        """Offer these versions to copy."""
        super().__init__(*args, **kwargs)
        field = self.fields["copy_of"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "None: an empty matrix"), *((policy.public_id, str(policy)) for policy in policies)]


class ImportForm(Refusable):
    """A CSV file whose rows become those of the draft."""

    file = forms.FileField(label="CSV file", help_text="UTF-8, with the heading that an export has; up to 1 MB")


class CurrencyForm(Refusable):
    """The currency of one company's books."""

    company = forms.ChoiceField()
    currency = forms.CharField(min_length=3, max_length=3, help_text="ISO 4217, e.g. EUR")

    def __init__(self, *args: Any, companies: Iterable[str], **kwargs: Any) -> None:
        """Offer these companies."""
        super().__init__(*args, **kwargs)
        field = self.fields["company"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(company, company) for company in sorted(companies)]


class RateForm(Refusable):
    """What one unit of a currency is worth in another."""

    from_currency = forms.CharField(min_length=3, max_length=3, label="One", help_text="e.g. USD")
    rate = forms.CharField(max_length=30, label="is worth", help_text='Decimal, e.g. "0.9213"')
    to_currency = forms.CharField(min_length=3, max_length=3, label="of", help_text="e.g. EUR")
    rate_on = forms.DateField(label="On", widget=forms.DateInput(attrs={"type": "date"}))
    source = forms.CharField(max_length=80, label="Source", help_text="e.g. ECB reference rates")


class TrialForm(forms.Form):
    """A write to try the routing with; read from the address, so that a trial can be sent to somebody."""

    tool = forms.ChoiceField()
    company = forms.CharField(max_length=12)
    amount = forms.CharField(max_length=AMOUNT_LENGTH_MAX)
    currency = forms.CharField(min_length=3, max_length=3, initial="EUR")
    cost_centre = forms.CharField(max_length=40, required=False)
    account = forms.CharField(max_length=40, required=False)
    counterparty = forms.CharField(max_length=40, required=False, label="Vendor, customer or item")
    vendor_class = forms.CharField(max_length=40, required=False)
    earlier = forms.CharField(
        max_length=AMOUNT_LENGTH_MAX, required=False, label="Proposed before", help_text="For rows with a rolling sum"
    )
    agent = forms.ChoiceField(required=False, help_text="Whose people are excluded")
    flags = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple, label="Rules that struck", choices=flag_choices)

    def __init__(self, data: QueryDict | None, *, agents: Sequence[Agent], company: str) -> None:
        """Offer the writes and these agents."""
        super().__init__(data, initial={"company": company, "currency": "EUR"})
        self._agents = {agent.public_id: agent for agent in agents}
        for name, choices in (("tool", write_tools()), ("agent", [("", "Nobody in particular")])):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices if name == "tool" else [*choices, *((key, agent.name) for key, agent in self._agents.items())]

    def clean(self) -> dict[str, Any]:
        """Turn the amounts into money."""
        values = super().clean() or {}
        currency = str(values.get("currency", "")).upper()
        if not CURRENCY_PATTERN.match(currency):
            self.add_error("currency", "An ISO 4217 code, e.g. EUR.")
            return values
        values["currency"] = currency
        for name in ("amount", "earlier"):
            values[name] = _amount(self, name, values.get(name, ""), currency)
        if values["amount"] is not None and values["amount"] < 0:
            self.add_error("amount", "0 or more.")
        return values

    def trial(self) -> Trial:
        """Return the write to try."""
        values = self.cleaned_data
        return Trial(
            tool=values["tool"],
            company=values["company"],
            amount=Money(values["amount"], values["currency"]),
            cost_centre=values["cost_centre"],
            account=values["account"],
            counterparty=values["counterparty"],
            vendor_class=values["vendor_class"],
            flags=frozenset(values["flags"]),
            earlier_minor=values["earlier"] or 0,
            agent=self._agents.get(values["agent"]),
        )


class RowForm(Refusable):
    """One row of a draft; its steps stand below in blocks of their own."""

    names: Mapping[str, str] = {path: name for name, path in AMOUNTS.items()} | {"steps": "automatic", "is_automatic": "automatic"}

    priority = forms.IntegerField(min_value=1, max_value=2**31 - 1, label="Number", help_text="Rows are tried from the lowest number on")
    title = forms.CharField(max_length=120, help_text="Named on every proposal that this row routes")
    tool = forms.ChoiceField()
    company = forms.CharField(max_length=12, required=False, help_text="Empty: every company")
    cost_centre = forms.CharField(max_length=120, required=False, help_text="Patterns, e.g. 41*, 4200")
    account = forms.CharField(max_length=120, required=False, help_text="Patterns; one account of the write is enough")
    counterparty = forms.CharField(max_length=120, required=False, label="Vendor, customer or item", help_text="Patterns of numbers")
    vendor_class = forms.CharField(max_length=120, required=False, help_text="Patterns of the ERP's classes, where it tells them")
    currency = forms.CharField(min_length=3, max_length=3, help_text="The company's currency")
    from_amount = forms.CharField(max_length=AMOUNT_LENGTH_MAX, required=False, label="From", help_text="Inclusive")
    up_to = forms.CharField(max_length=AMOUNT_LENGTH_MAX, required=False, label="Up to", help_text="Inclusive; empty: no end")
    rolling_days = forms.IntegerField(
        min_value=0, max_value=365, required=False, label="Rolling sum over days", help_text="0: the single amount"
    )
    rolling_by = forms.ChoiceField(choices=RollingKey.choices, required=False, label="Sum per agent and")
    bulk_up_to = forms.CharField(
        max_length=AMOUNT_LENGTH_MAX, required=False, label="In bulk up to", help_text="Empty: never approved in bulk"
    )
    step_up_from = forms.CharField(
        max_length=AMOUNT_LENGTH_MAX, required=False, label="Second factor from", help_text="Empty: the login is enough"
    )
    flags_required = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="Only when these rules struck", choices=flag_choices
    )
    flags_forbidden = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="Only when these rules did not strike", choices=flag_choices
    )
    automatic = forms.BooleanField(
        required=False,
        label="Approve without a person",
        help_text="Only for writes that can be reversed, up to the end of the band, and never beyond the agent's grant",
    )
    seen = forms.CharField(required=False, max_length=71, widget=forms.HiddenInput)
    step_count = forms.IntegerField(min_value=1, max_value=STEPS_MAX, widget=forms.HiddenInput)

    def __init__(self, data: QueryDict | None, *, initial: Mapping[str, Any], step_count: int) -> None:
        """Show this many blocks of steps."""
        super().__init__(data, initial={**initial, "step_count": step_count})
        field = self.fields["tool"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = write_tools()
        groups = list(ApprovalGroup.objects.order_by("title").values_list("code", "title"))
        self.step_numbers = range(1, step_count + 1)
        for number in self.step_numbers:
            self.fields |= _step_fields(number, groups)

    @property
    def steps(self) -> list[tuple[int, list[forms.BoundField]]]:
        """Return the fields of each step, by its number."""
        return [(number, [self[name] for name in self.fields if name.startswith(f"step_{number}_")]) for number in self.step_numbers]

    @property
    def main(self) -> list[forms.BoundField]:
        """Return the fields above the steps, without what is hidden."""
        own = [name for name in self.fields if not re.match(r"^step_\d+_", name)]
        return [self[name] for name in own if not self.fields[name].widget.is_hidden]

    def clean(self) -> dict[str, Any]:
        """Turn the amounts into minor units of the row's currency."""
        values = super().clean() or {}
        currency = str(values.get("currency", "")).upper()
        if not CURRENCY_PATTERN.match(currency):
            self.add_error("currency", "An ISO 4217 code, e.g. EUR.")
            return values
        values["currency"] = currency
        for name in AMOUNTS:
            values[name] = _amount(self, name, values.get(name, ""), currency)
        return values

    def draft(self) -> RowDraft:
        """Return the row as the service takes it."""
        values = self.cleaned_data
        return RowDraft(
            priority=values["priority"],
            title=values["title"],
            tool=values["tool"],
            currency=values["currency"],
            steps=() if values["automatic"] else tuple(self._steps()),
            company=values["company"],
            cost_centre=values["cost_centre"],
            from_minor=values["from_amount"] or 0,
            up_to_minor=values["up_to"],
            rolling_days=values["rolling_days"] or 0,
            is_automatic=values["automatic"],
            account=values["account"],
            counterparty=values["counterparty"],
            flags_required=tuple(values["flags_required"]),
            flags_forbidden=tuple(values["flags_forbidden"]),
            rolling_by=values["rolling_by"] or RollingKey.COUNTERPARTY.value,
            bulk_up_to_minor=values["bulk_up_to"],
            step_up_from_minor=values["step_up_from"],
            vendor_class=values["vendor_class"],
        )

    def refuse(self, error: DomainError) -> None:
        """Show the refusal at its fields; those of a step at its block."""
        super().refuse(error)
        for item in error.errors if isinstance(error, ValidationFailed) else ():
            found = STEP_PATH.match(item.path)
            if found is None:
                continue
            name = f"step_{self._asking()[int(found[1])]}_{STEP_FIELDS.get(found[2], 'groups')}"
            self.add_error(name, f"{item.message[:1].upper()}{item.message[1:]}. Acceptable: {item.acceptable}.")

    def _asking(self) -> list[int]:
        """Return the numbers of the blocks that ask somebody: an empty block is no step."""
        return [number for number in self.step_numbers if self.cleaned_data.get(f"step_{number}_groups")]

    def _steps(self) -> Iterable[StepRule]:
        for number in self._asking():
            values = {
                name: self.cleaned_data[f"step_{number}_{name}"] for name in ("groups", "rule", "number", "shared", "days", "fallback")
            }
            first, *further = values["groups"]
            step: StepRule = {"group": first, "min_approvals": values["number"] or 1}
            if values["rule"] and values["rule"] != StepRuleKind.QUORUM:
                step["rule"] = values["rule"]
            if further:
                step["further_groups"] = further
            if values["shared"] and values["rule"] == StepRuleKind.PER_GROUP:
                step["is_distinct"] = False
            if values["days"]:
                step["due_days"] = values["days"]
            if values["fallback"]:
                step["fallback"] = values["fallback"]
            yield step


def row_initial(row: PolicyRow) -> dict[str, Any]:
    """Return what the form of a row begins with."""
    values: dict[str, Any] = {name: getattr(row, name) for name in ("priority", "title", "tool", "company", "cost_centre", "account")}
    values |= {name: getattr(row, name) for name in ("counterparty", "vendor_class", "currency", "rolling_days", "rolling_by")}
    values |= {"flags_required": row.flags_required, "flags_forbidden": row.flags_forbidden, "automatic": row.is_automatic}
    for name, column in AMOUNTS.items():
        minor = getattr(row, column)
        values[name] = "" if minor is None else Money(minor, row.currency).decimal_text()
    for number, rule in enumerate(step_rules(row), start=1):
        values |= {
            f"step_{number}_groups": groups_of(rule),
            f"step_{number}_rule": rule.get("rule", StepRuleKind.QUORUM.value),
            f"step_{number}_number": rule["min_approvals"],
            f"step_{number}_shared": not rule.get("is_distinct", True),
            f"step_{number}_days": rule.get("due_days"),
            f"step_{number}_fallback": rule.get("fallback", ""),
        }
    return values


def _step_fields(number: int, groups: list[tuple[str, str]]) -> dict[str, forms.Field]:
    rules = [(StepRuleKind.QUORUM.value, StepRuleKind.QUORUM.label), *(item for item in StepRuleKind.choices if item[0] != "quorum")]
    fields: dict[str, forms.Field] = {
        "groups": forms.MultipleChoiceField(
            required=False, choices=groups, widget=forms.CheckboxSelectMultiple, label="Groups", help_text="None: this step is left out"
        ),
        "rule": forms.ChoiceField(required=False, choices=rules, label="Who has to approve"),
        "number": forms.IntegerField(required=False, min_value=1, max_value=MIN_APPROVALS_MAX, label="How many", initial=1),
        "days": forms.IntegerField(required=False, min_value=1, max_value=60, label="Business days", help_text="Until it is overdue"),
        "fallback": forms.ChoiceField(required=False, choices=[("", "Nobody"), *groups], label="When overdue also ask"),
        "shared": forms.BooleanField(
            required=False, label="One person may count for several groups", help_text="Only for so many of each group"
        ),
    }
    return {f"step_{number}_{name}": field for name, field in fields.items()}


def _amount(form: forms.Form, name: str, text: object, currency: str) -> int | None:
    """Return the amount in minor units, None for an empty text; what is no amount is said at the field."""
    written = str(text or "").strip()
    if GROUPED_PATTERN.fullmatch(written):
        written = written.replace(",", "")
    if not written:
        return None
    try:
        return Money.parse(written, currency).minor
    except ValidationFailed as error:
        form.add_error(name, error.detail or "A plain amount, e.g. 25000.00.")
        return None
