"""The one form of the proposal page: three buttons, and the digests of exactly what stands on the page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.core import signing

from approvals.pages.words import REASONS
from approvals.services.signing import Answer
from approvals.states import DecisionKind
from kernel.errors import ValidationFailed

SALT = "countersign.approvals.shown"


def seal_shown(*, proposal_id: str, user_id: int, shown_at: datetime) -> str:
    """Return when the page was shown, signed for this person and this proposal."""
    return signing.dumps([proposal_id, user_id, shown_at.isoformat()], salt=SALT)


def open_shown(text: str, *, proposal_id: str, user_id: int) -> datetime | None:
    """Return when the page was shown, or None for a value that was not sealed for this person and this proposal."""
    try:
        sealed_for, sealed_user, instant = signing.loads(text, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return datetime.fromisoformat(instant) if (sealed_for, sealed_user) == (proposal_id, user_id) else None


class DecisionForm(forms.Form):
    """What one person says about one page."""

    kind = forms.ChoiceField(choices=DecisionKind.choices, required=True)
    payload_digest = forms.CharField(max_length=71, widget=forms.HiddenInput)
    presentation_digest = forms.CharField(max_length=71, widget=forms.HiddenInput)
    shown_at = forms.CharField(max_length=400, widget=forms.HiddenInput)
    ceremony = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)
    credential = forms.JSONField(required=False, widget=forms.HiddenInput)
    reason_code = forms.ChoiceField(choices=[("", "Choose a reason"), *REASONS.items()], required=False)
    comment = forms.CharField(required=False, max_length=2_000, strip=True, widget=forms.Textarea(attrs={"rows": 3}), label="Comment")

    def values(self) -> dict[str, Any]:
        """Return the cleaned values that the service takes as they are."""
        names = ("kind", "payload_digest", "presentation_digest", "reason_code", "comment")
        return {name: self.cleaned_data[name] for name in names}

    def answer(self) -> Answer | None:
        """Return the passkey's answer, or None for a decision that was not signed."""
        credential = self.cleaned_data["credential"]
        return Answer(self.cleaned_data["ceremony"], credential) if isinstance(credential, dict) else None

    def refuse(self, error: ValidationFailed) -> None:
        """Show a refusal of the service at the fields it names."""
        for item in error.errors:
            name = item.path.strip("/")
            known = name if name in self.fields and not self.fields[name].widget.is_hidden else None
            said = "Missing" if item.message == "empty" else f"{item.message}; needed"
            self.add_error(known, f"{said}: {item.acceptable}." if item.acceptable else item.message)
        # The page opens where something is missing: on a phone that is far below its top.
        for name in list(self.errors)[:1]:
            if name in self.fields:
                self.fields[name].widget.attrs["autofocus"] = True
        if not error.errors:
            self.add_error(None, error.detail)
