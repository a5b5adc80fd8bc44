"""The forms of the pages about trusted issuers and federated credentials: texts into values; every rule lives in the services."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User

from identity.federation.kinds import IssuerKind
from identity.federation.models import ALGORITHMS, KeysFrom
from identity.federation.queries import issuers_for
from identity.federation.services.issuers import AUDIENCE_LENGTH_MAX, NAME_LENGTH_MAX, TrustTerms
from identity.forms import Refusable, day_field, end_of, several_field, text_field
from identity.models import Agent
from identity.permissions import Permission, companies_with
from identity.tokens.resources import issuer as installation
from kernel.canonical import parse_json
from kernel.errors import NotCanonical

PASTED_LENGTH_MAX = 60_000
CLAIMS_LENGTH_MAX = 8_000
CREDENTIAL_DAYS = 180
CLAIMS_EXAMPLE = '{"kubernetes.io": {"serviceaccount": {"uid": "…"}}}'


def json_field(label: str, *, help_text: str, length: int, rows: int) -> forms.CharField:
    """Return a field for pasted JSON, which may stay empty."""
    attributes = {"rows": rows, "class": "mono", "spellcheck": "false", "autocomplete": "off"}
    return forms.CharField(label=label, help_text=help_text, max_length=length, required=False, widget=forms.Textarea(attrs=attributes))


def value_of(text: object, otherwise: object) -> object:
    """Return the value of pasted JSON; raises forms.ValidationError saying what is wrong with it."""
    if not str(text).strip():
        return otherwise
    try:
        return parse_json(str(text))
    except NotCanonical as error:
        raise forms.ValidationError(f"This is not plain JSON. {error.detail}") from error


class IssuerForm(Refusable):
    """Whose tokens are to be trusted, for whom, and by which keys."""

    name = text_field("Name", length=NAME_LENGTH_MAX, help_text="For example: Kubernetes, cluster finance-1.")
    kind = forms.ChoiceField(label="Platform", choices=IssuerKind.choices, help_text="It says which claims a credential must list.")
    issuer = text_field("Issuer", length=500, help_text="The tokens' iss, exactly; for SPIFFE the trust domain, e.g. prod.example.com.")
    audience = text_field(
        "Audience", length=AUDIENCE_LENGTH_MAX, help_text="The tokens' aud, exactly and alone. Workloads ask their platform for it."
    )
    companies = several_field("Companies", help_text="Only agents of these companies can rest on it.")
    algorithms = several_field("Algorithms", help_text="Those the issuer signs with; no more than it does.")
    keys_from = forms.ChoiceField(label="Its keys", choices=KeysFrom.choices)
    keys_url = text_field(
        "Address of the keys",
        length=500,
        is_required=False,
        help_text="https. For discovery it may stay empty. A public address must be listed in COUNTERSIGN_OUTBOUND_ALLOW_PUBLIC.",
    )
    pinned_keys = json_field("Pinned keys", help_text="A JWKS, for pinned keys only.", length=PASTED_LENGTH_MAX, rows=5)

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        """Offer the companies the person may speak for."""
        companies = sorted(companies_with(person, Permission.ISSUER_TRUST))
        initial = {"algorithms": ["RS256"], "audience": installation(), "companies": companies if len(companies) == 1 else []}
        super().__init__(*args, **kwargs | {"initial": initial})
        self.fields["companies"].choices = [(company, company) for company in companies]  # type: ignore[attr-defined]
        self.fields["algorithms"].choices = [(name, name) for name in ALGORITHMS]  # type: ignore[attr-defined]

    def clean_pinned_keys(self) -> object:
        """Return the pasted keys; whether they are any is asked by the service."""
        return value_of(self.cleaned_data["pinned_keys"], ())

    def terms(self) -> TrustTerms:
        """Return what the person entered."""
        data = self.cleaned_data
        chosen = {"companies": tuple(data["companies"]), "algorithms": tuple(data["algorithms"])}
        return TrustTerms(**{**data, **chosen})

    def forget(self) -> None:
        """Drop what was pasted, so that the page can't repeat it: it might be a private key by mistake."""
        if self.is_bound:
            kept: Any = self.data
            kept = kept.copy()
            kept.pop("pinned_keys", None)
            self.data = kept


class FederatedForm(Refusable):
    """Which subject of which issuer stands for the agent."""

    issuer = forms.ChoiceField(label="Issuer", help_text="Active issuers that are trusted for all of the agent's companies.")
    subject = text_field("Subject", length=600, help_text="The tokens' sub, exactly.")
    claims = json_field(
        "Claims that must match",
        help_text=f"Parts of the token that must be just so, written as in the token: {CLAIMS_EXAMPLE}. What the platform needs is said "
        "if it is missing.",
        length=CLAIMS_LENGTH_MAX,
        rows=6,
    )
    not_after = day_field("Good until", help_text="A year ahead at most.")

    def __init__(self, *args: Any, agent: Agent, today: date, **kwargs: Any) -> None:
        """Offer the issuers the agent can rest on, and half a year."""
        super().__init__(*args, **kwargs | {"initial": {"not_after": today + timedelta(days=CREDENTIAL_DAYS)}})
        self.issuers = {row.public_id: row for row in issuers_for(agent)}
        choices = [(key, f"{row.name} · {row.get_kind_display()}") for key, row in self.issuers.items()]
        self.fields["issuer"].choices = [("", "Choose an issuer"), *choices]  # type: ignore[attr-defined]

    def clean_claims(self) -> object:
        """Return the pasted claims; whether they are enough is asked by the service."""
        found = value_of(self.cleaned_data["claims"], {})
        if not isinstance(found, dict):
            raise forms.ValidationError("A JSON object is needed.")
        return found

    def end(self) -> datetime:
        """Return the end of the last day."""
        return end_of(self.cleaned_data["not_after"])
