"""The one form of the page: the digest of the set, and the passkey's answer where the browser could ask for it."""

from __future__ import annotations

from django import forms

from approvals.services.signing import Answer


class ConfirmForm(forms.Form):
    """What one person says about the whole set."""

    set_digest = forms.CharField(max_length=71)
    ceremony = forms.CharField(max_length=64, required=False)
    credential = forms.JSONField(required=False)

    def answer(self) -> Answer | None:
        """Return the passkey's answer, or None when there is none."""
        credential = self.cleaned_data["credential"]
        return Answer(self.cleaned_data["ceremony"], credential) if isinstance(credential, dict) else None
