"""The form of a delegation: days and texts into values; every rule lives in the service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from approvals.delegation.services import NOTE_LENGTH_MAX, Scope
from approvals.queries.authority import deciding_companies, deciding_roles
from gateway.catalogue import write_tools
from identity.forms import Refusable, day_field, people_choices, several_field, text_field
from identity.queries import memberships_of
from kernel.errors import FieldError, ValidationFailed
from kernel.money import CURRENCY_PATTERN, Money


class DelegationForm(Refusable):
    """To whom, for how long, how much."""

    to = forms.ChoiceField(label="To", help_text="Another approver. They inherit your exclusions and keep their own.")
    starts_on = day_field("From")
    ends_on = day_field("Until and including", help_text="It ends by itself at the end of that day, UTC.")
    companies = several_field("Companies")
    groups = several_field("Groups", help_text="None ticked means all of yours.", is_required=False)
    tools = several_field("Tools", help_text="None ticked means all.", is_required=False)
    limit = text_field(
        "Up to",
        length=24,
        help_text="For example 5000.00 EUR. Empty means your own limit; it is never more than that.",
        is_required=False,
        inputmode="text",
    )
    note = text_field("Note", length=NOTE_LENGTH_MAX, is_required=False)

    def __init__(self, data: Mapping[str, Any] | None = None, *, user: User, today: date) -> None:
        """Offer what this person may delegate, and to whom."""
        companies = sorted(deciding_companies(user))
        initial = {"starts_on": today, "ends_on": today + timedelta(days=7), "companies": companies}
        super().__init__(data, initial=initial)
        roles = {"role_assignments__role__in": deciding_roles(), "role_assignments__companies__overlap": companies}
        people = get_user_model().objects.filter(is_active=True, **roles).exclude(pk=user.pk).distinct()
        groups = [(item.group.code, item.group.title) for item in memberships_of(user)]
        self._choose("to", [("", "Choose a person"), *people_choices(people)])
        self._choose("companies", [(company, company) for company in companies])
        self._choose("groups", groups)
        self._choose("tools", [(tool.name, tool.title) for tool in write_tools()])

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def clean_limit(self) -> Money | None:
        """Return the amount, or None for no limit of its own."""
        text = str(self.cleaned_data["limit"]).replace(",", "").strip()
        if not text:
            return None
        amount, _, currency = text.rpartition(" ")
        try:
            if not amount or not CURRENCY_PATTERN.match(currency):
                raise ValidationFailed(errors=(FieldError("/limit", "no amount with a currency"),))
            return Money.parse(amount.strip(), currency)
        except ValidationFailed as error:
            raise forms.ValidationError("Write an amount with its currency, for example 5000.00 EUR.") from error

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        data = self.cleaned_data
        scope = Scope(companies=data["companies"], groups=data["groups"], tools=data["tools"], limit=data["limit"])
        return {
            "to_user_id": int(data["to"]),
            "scope": scope,
            "starts_at": datetime.combine(data["starts_on"], time(), tzinfo=UTC),
            "ends_at": datetime.combine(data["ends_on"] + timedelta(days=1), time(), tzinfo=UTC),
            "note": data["note"],
        }
