"""The forms of the pages about agents: texts into values; every rule lives in the services."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib.auth.models import User

from gateway.catalogue import Tool
from gateway.catalogue.base import ToolKind
from identity.models import Agent, Role, TokenBinding, TokenShape
from identity.queries import companies_as, companies_by_person, people_of
from identity.services import GrantTerms
from identity.services.agents import NAME_LENGTH_MAX, REVIEW_INTERVAL_MAX
from identity.services.grants import COUNT_PER_HOUR_MAX
from identity.tokens.details import DETAILS_LENGTH_MAX
from identity.tokens.details import EXAMPLE as DETAILS_EXAMPLE
from kernel.canonical import parse_json, to_json_text
from kernel.errors import DomainError, FieldError, NotCanonical, ValidationFailed
from kernel.money import CURRENCY_PATTERN, Money

REASON_LENGTH_MAX = 500
REVIEW_DAYS = 180
KEY_DAYS = 365
GRANT_DAYS = 180
LIST_LENGTH_MAX = 2_000
GROUPED_PATTERN = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
AMOUNT_LENGTH_MAX = 20
CEILINGS = {"ceiling_minor": "ceiling", "ceiling_day_minor": "ceiling_day", "ceiling_30_days_minor": "ceiling_30_days"}


class Refusable(forms.Form):
    """A form that shows a service's refusal at the fields it names."""

    # Path in a refusal → field of this form, where they differ.
    names: Mapping[str, str] = {}
    refused_with: HTTPStatus | None = None

    @property
    def status(self) -> int:
        """Return the status of the page: that of the refusal, 422 for a form that was sent and is not valid, else 200."""
        return self.refused_with or (HTTPStatus.UNPROCESSABLE_ENTITY if self.is_bound else HTTPStatus.OK)

    def refuse(self, error: DomainError) -> None:
        """Show the refusal: at its fields, or above the form."""
        self.refused_with = error.status
        placed = False
        for item in error.errors if isinstance(error, ValidationFailed) else ():
            path = item.path.strip("/")
            name = self.names.get(path, path)
            if name in self.fields:
                self.add_error(name, f"{item.message[:1].upper()}{item.message[1:]}{_needed(item)}")
                placed = True
        if not placed:
            self.add_error(None, error.detail or error.title)


def _needed(item: FieldError) -> str:
    end = "" if item.message.endswith((".", "!", "?")) else "."
    return f"{end} Acceptable: {item.acceptable}." if item.acceptable else end


def day_field(label: str, *, help_text: str = "", is_required: bool = True) -> forms.DateField:
    """Return a field for a day."""
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, help_text=help_text, widget=widget, required=is_required)


def text_field(label: str, *, length: int, help_text: str = "", is_required: bool = True, **attributes: object) -> forms.CharField:
    """Return a field for one line of text."""
    widget = forms.TextInput(attrs={"autocomplete": "off", **attributes})
    return forms.CharField(label=label, max_length=length, help_text=help_text, required=is_required, widget=widget)


def several_field(label: str, *, help_text: str = "", is_required: bool = True) -> forms.MultipleChoiceField:
    """Return a field for a choice of several."""
    return forms.MultipleChoiceField(label=label, help_text=help_text, required=is_required, widget=forms.CheckboxSelectMultiple)


def people_choices(people: Iterable[User]) -> list[tuple[str, str]]:
    """Return people as choices, by name."""
    return sorted(((str(person.pk), person.get_full_name() or person.get_username()) for person in people), key=lambda item: item[1])


class DescriptionForm(Refusable):
    """What an agent is, as its owner tells it; and whom it may name as having asked."""

    purpose = forms.CharField(
        label="What it is for",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="One sentence that an approver understands.",
    )
    runtime = text_field("Where it runs", length=120, help_text="For example: Kubernetes, cluster finance-1.")
    model = text_field("Model", length=80, help_text="As you declare it; “No model: a script” for plain code.")
    model_version = text_field("Model version", length=80, is_required=False)
    acts_for = several_field(
        "May act for",
        help_text="People it may name as having asked. Whoever it names can't decide on that proposal. None is usual.",
        is_required=False,
    )

    def __init__(self, *args: Any, companies: Iterable[str], kept: Iterable[int] = (), **kwargs: Any) -> None:
        """Offer the people of these companies, and whoever is in the list already."""
        super().__init__(*args, **kwargs)
        self.fields["acts_for"].choices = people_choices(people_of(companies, also=kept))  # type: ignore[attr-defined]

    def description(self) -> dict[str, Any]:
        """Return the values that both registering and editing take."""
        found = {name: self.cleaned_data[name] for name in ("purpose", "runtime", "model", "model_version")}
        return {**found, "acts_for": [int(key) for key in self.cleaned_data["acts_for"]]}


class RegisterForm(DescriptionForm):
    """A new agent: who it is and who answers for it."""

    names: Mapping[str, str] = {"owner": "owner", "sponsor": "sponsor"}
    name = text_field("Name", length=NAME_LENGTH_MAX, help_text="As approvers will read it, for example “Purchasing agent”. It stays.")
    owner = forms.ChoiceField(label="Owner", help_text="Answers for it, renews it, and never decides on its proposals.")
    sponsor = forms.ChoiceField(
        label="Sponsor", help_text="Answers for it beside the owner: another person, with a role in each of its companies."
    )
    companies = several_field("Companies", help_text="It can never be granted anything elsewhere. They stay.")
    expires_on = day_field("Review by", help_text="Past this day it is suspended until its owner renews it; a year ahead at most.")
    field_order = ("name", "purpose", "owner", "sponsor", "companies", "runtime", "model", "model_version", "expires_on", "acts_for")

    def __init__(self, *args: Any, registrar: User, today: date, **kwargs: Any) -> None:
        """Offer what this person may choose."""
        administered = companies_as(registrar, Role.ADMINISTRATOR)
        owned = companies_as(registrar, Role.AGENT_OWNER)
        companies = sorted(administered or owned)
        initial = {
            "owner": str(registrar.pk),
            "companies": companies if len(companies) == 1 else [],
            "expires_on": today + timedelta(days=REVIEW_DAYS),
        }
        super().__init__(*args, companies=companies, initial=initial, **kwargs)
        people = people_of(companies)
        self.fields["companies"].choices = [(company, company) for company in companies]  # type: ignore[attr-defined]
        self.fields["expires_on"].widget.attrs |= {
            "min": (today + timedelta(days=1)).isoformat(),
            "max": (today + REVIEW_INTERVAL_MAX).isoformat(),
        }
        owners = {key for key, roles in companies_by_person([person.pk for person in people]).items() if Role.AGENT_OWNER in roles}
        chosen = [person for person in people if person.pk in owners] if administered else [registrar]
        self.fields["owner"].choices = people_choices(chosen)  # type: ignore[attr-defined]
        if not administered:
            self.fields["owner"].widget = forms.HiddenInput()
        others = [person for person in people if administered or person.pk != registrar.pk]
        self.fields["sponsor"].choices = [("", "Choose a person"), *people_choices(others)]  # type: ignore[attr-defined]

    def registration(self) -> dict[str, Any]:
        """Return the values that the service takes as they are."""
        data = self.cleaned_data
        return {
            **self.description(),
            "name": data["name"],
            "owner_id": int(data["owner"]),
            "sponsor_id": int(data["sponsor"]),
            "companies": data["companies"],
            "expires_on": data["expires_on"],
        }


class EditForm(DescriptionForm):
    """The agent described anew."""

    def __init__(self, *args: Any, agent: Agent, **kwargs: Any) -> None:
        """Begin with what is registered."""
        initial = {name: getattr(agent, name) for name in ("purpose", "runtime", "model", "model_version")}
        initial["acts_for"] = [str(key) for key in agent.acts_for]
        super().__init__(*args, companies=agent.companies, kept=agent.acts_for, initial=initial, **kwargs)


class RenewForm(Refusable):
    """A new review date."""

    expires_on = day_field("Review by", help_text="A year ahead at most.")

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        """Offer half a year."""
        super().__init__(*args, **kwargs | {"initial": {"expires_on": today + timedelta(days=REVIEW_DAYS)}})
        self.fields["expires_on"].widget.attrs["max"] = (today + REVIEW_INTERVAL_MAX).isoformat()


class ReasonForm(Refusable):
    """Why; it becomes part of the record."""

    reason = forms.CharField(
        label="Reason",
        max_length=REASON_LENGTH_MAX,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="It becomes part of the record.",
    )


class DecommissionForm(ReasonForm):
    """Why, and the agent's name typed once more: this can't be undone."""

    confirmed_name = text_field("Type the agent's name to confirm", length=NAME_LENGTH_MAX)

    def __init__(self, *args: Any, agent: Agent, **kwargs: Any) -> None:
        """Keep the name to compare with."""
        super().__init__(*args, **kwargs)
        self.agent = agent

    def clean_confirmed_name(self) -> str:
        """Return the name; it is the agent's own."""
        name = str(self.cleaned_data["confirmed_name"]).strip()
        if name != self.agent.name:
            raise forms.ValidationError(f"This is not the agent's name: {self.agent.name}.")
        return name


class TokenTermsForm(Refusable):
    """How the agent's tokens are made."""

    token_binding = forms.ChoiceField(
        label="Binding", choices=TokenBinding.choices, help_text="Bearer is a downgrade for runtimes that know no DPoP."
    )
    token_shape = forms.ChoiceField(
        label="Shape", choices=TokenShape.choices, help_text="Several actions in one token is a downgrade for runtimes that ask once."
    )
    is_strict = forms.BooleanField(
        label="Strict", required=False, help_text="Each proof must cover the request's body. Only tokens bound to a key have proofs."
    )
    default_details = forms.CharField(
        label="What a token is for when the agent does not say",
        required=False,
        max_length=DETAILS_LENGTH_MAX,
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", "spellcheck": "false"}),
        help_text=f"Authorization details, for example {DETAILS_EXAMPLE}",
    )

    def __init__(self, *args: Any, agent: Agent, **kwargs: Any) -> None:
        """Begin with what holds now."""
        initial: dict[str, Any] = {name: getattr(agent, name) for name in ("token_binding", "token_shape", "is_strict")}
        initial["default_details"] = to_json_text(agent.default_details) if agent.default_details else ""
        super().__init__(*args, **kwargs | {"initial": initial})

    def clean_default_details(self) -> list[object]:
        """Return the entries; whether they are authorization details is asked by the service."""
        text = str(self.cleaned_data["default_details"]).strip()
        if not text:
            return []
        try:
            value = parse_json(text)
        except NotCanonical as error:
            raise forms.ValidationError(f"This is not plain JSON. {error.detail}") from error
        if not isinstance(value, list):
            raise forms.ValidationError("A JSON array is needed.")
        return value


class KeyForm(Refusable):
    """A public key, pasted. It is never shown again as it was pasted: it might be a private one by mistake."""

    names: Mapping[str, str] = {"jwk": "key"}
    key = forms.CharField(
        label="Public key",
        max_length=16_384,
        widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false", "autocomplete": "off"}),
        help_text="PEM text that begins with -----BEGIN PUBLIC KEY-----, or a JWK.",
    )
    not_after = day_field("Good until", help_text="Two years ahead at most. Rotate before: two keys may be live at once.")
    algorithm = forms.ChoiceField(
        label="Algorithm",
        choices=[("", "The key's own"), ("PS256", "PS256 (RSA)"), ("RS256", "RS256 (RSA)")],
        required=False,
        help_text="To be chosen for RSA keys only.",
    )

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        """Offer a year."""
        super().__init__(*args, **kwargs | {"initial": {"not_after": today + timedelta(days=KEY_DAYS)}})

    def end(self) -> datetime:
        """Return the end of the last day."""
        return end_of(self.cleaned_data["not_after"])

    def forget(self) -> None:
        """Drop what was pasted, so that the page can't repeat it."""
        self.data = {name: value for name, value in self.data.items() if name != "key"}


class ReadGrantForm(Refusable):
    """Where an agent may read with one tool, and until when."""

    companies = several_field("Companies")
    valid_until = day_field("Valid until", help_text="That day included; two years ahead at most.")

    def __init__(self, *args: Any, agent: Agent, today: date, **kwargs: Any) -> None:
        """Offer the agent's companies and half a year."""
        initial = {"companies": agent.companies, "valid_until": today + timedelta(days=GRANT_DAYS), **self.first(agent)}
        super().__init__(*args, **kwargs | {"initial": initial})
        self.fields["companies"].choices = [(company, company) for company in agent.companies]  # type: ignore[attr-defined]

    def first(self, _agent: Agent) -> dict[str, Any]:
        """Return what stands in the other fields at first."""
        return {}

    def terms(self) -> GrantTerms:
        """Return the terms; raises ValidationFailed naming a field."""
        return GrantTerms(companies=tuple(self.cleaned_data["companies"]), valid_until=end_of(self.cleaned_data["valid_until"]))


class WriteGrantForm(ReadGrantForm):
    """What an agent may propose with one tool: where, how much, how often, for whom, from when until when."""

    names: Mapping[str, str] = CEILINGS
    currency = text_field("Currency", length=3, help_text="Of its ceilings and proposals.")
    ceiling = text_field("Each write", length=AMOUNT_LENGTH_MAX, help_text="At most this much, e.g. 10000.00.", inputmode="decimal")
    ceiling_day = text_field("In 24 hours", length=AMOUNT_LENGTH_MAX, help_text="All proposals together, rolling.", inputmode="decimal")
    ceiling_30_days = text_field("In 30 days", length=AMOUNT_LENGTH_MAX, help_text="All proposals together, rolling.", inputmode="decimal")
    count_per_hour = forms.IntegerField(label="Proposals an hour", min_value=1, max_value=COUNT_PER_HOUR_MAX)
    valid_from = day_field("Valid from", help_text="From now on when left empty.", is_required=False)
    vendors = text_field(
        "Only these vendors",
        length=LIST_LENGTH_MAX,
        help_text="Or customers; separated by commas.",
        is_required=False,
    )
    accounts = text_field("Only these accounts", length=LIST_LENGTH_MAX, help_text="Separated by commas.", is_required=False)
    cost_centres = text_field("Only these cost centres", length=LIST_LENGTH_MAX, help_text="Separated by commas.", is_required=False)
    field_order = (
        "companies", "ceiling", "ceiling_day", "ceiling_30_days", "currency", "count_per_hour", "valid_until",
        "valid_from", "vendors", "accounts", "cost_centres",
    )  # fmt: skip

    def first(self, agent: Agent) -> dict[str, Any]:
        """Return the currency of the agent's latest write grant, and a modest rate."""
        latest = agent.grants.filter(tool_kind="write").order_by("-created_at").values_list("currency", flat=True).first()
        return {"currency": latest or "EUR", "count_per_hour": 60}

    def terms(self) -> GrantTerms:
        """Return the terms; raises ValidationFailed naming a field."""
        data = self.cleaned_data
        currency = str(data["currency"]).strip().upper()
        beginning = data["valid_from"]
        return GrantTerms(
            companies=tuple(data["companies"]),
            valid_from=datetime.combine(beginning, time(), tzinfo=UTC) if beginning else None,
            valid_until=end_of(data["valid_until"]),
            vendors=_listed(data["vendors"]),
            accounts=_listed(data["accounts"]),
            cost_centres=_listed(data["cost_centres"]),
            currency=currency,
            ceiling_minor=_minor(data["ceiling"], currency, "/ceiling"),
            ceiling_day_minor=_minor(data["ceiling_day"], currency, "/ceiling_day"),
            ceiling_30_days_minor=_minor(data["ceiling_30_days"], currency, "/ceiling_30_days"),
            count_per_hour=data["count_per_hour"],
        )


def grant_form(tool: Tool) -> type[ReadGrantForm]:
    """Return the form for a grant of this tool."""
    return WriteGrantForm if tool.kind is ToolKind.WRITE else ReadGrantForm


def end_of(day: date) -> datetime:
    """Return the end of a day."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for part in text.replace(",", " ").split() if part))


def _minor(text: str, currency: str, path: str) -> int:
    """Return an amount as people write it, 10000.00 or 10,000.00, in minor units; another grouping is refused, not guessed at."""
    plain = text.strip()
    if GROUPED_PATTERN.fullmatch(plain):
        plain = plain.replace(",", "")
    try:
        return Money.parse(plain, currency, path=path).minor
    except ValidationFailed as error:
        named = error.errors[0] if error.errors else FieldError(path, error.detail, "an amount such as 10000.00")
        # The currency is a field of its own: say so there.
        where = path if CURRENCY_PATTERN.match(currency) else "/currency"
        raise ValidationFailed(detail=error.detail, errors=(FieldError(where, named.message, named.acceptable),)) from error
