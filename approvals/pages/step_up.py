"""What the decision's form says about the second factor: whether one is needed, which way it is given, whether it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.models import User
from django.urls import reverse

from approvals.factors import strong_factor
from approvals.services import Shown
from approvals.services.step_up import latest_asked, needs_step_up, step_up_from
from approvals.services.strength import PURPOSE
from approvals.states import DecisionKind
from identity import passkeys
from kernel.verdicts import Denied


@dataclass(frozen=True, slots=True)
class StepUpPanel:
    """`sign_url` is empty for somebody without a passkey; `draft` is what they had typed before they left for their second factor."""

    text: str
    sign_url: str = ""
    has_code: bool = False
    enrol_url: str = ""
    is_fresh: bool = False
    draft: Mapping[str, str] = field(default_factory=dict)


def step_up_panel(shown: Shown, user: User, records: Sequence[Mapping[str, object]], now: datetime) -> StepUpPanel | None:
    """Return the panel, or None when this person's decision on this page needs no second factor, or can't be made at all."""
    if isinstance(shown.standing, Denied) or not needs_step_up(shown.route):
        return None
    proposal_url = reverse("approvals:proposal", args=[shown.proposal.public_id])
    asked = latest_asked(user=user, purpose=PURPOSE, subject=shown.presentation_digest, now=now)
    factor = strong_factor(records, since=asked.shown_at, until=now) if asked else None
    draft = {str(name): str(text) for name, text in asked.draft.items()} if asked else {}
    has_passkey, has_code = passkeys.has_passkey(user), is_mfa_enabled(user, [Authenticator.Type.TOTP])
    if factor is not None:
        pressed = _pressed(draft)
        text = f"Your second factor was checked at {factor.at:%H:%M} UTC. Nothing is decided yet: {pressed} once more."
        return StepUpPanel(text, is_fresh=True, draft=draft)
    limit = f"From {step_up_from(shown.route)} on a decision needs your second factor, used after you saw this page"
    if has_passkey:
        text = f"{limit}: your passkey signs exactly what you decide."
        sign_url = reverse("approvals:sign", args=[shown.proposal.public_id])
        return StepUpPanel(text, sign_url=sign_url, has_code=has_code, draft=draft)
    if has_code:
        text = f"{limit}: you will be asked for a code of your authenticator app. What you type here is kept meanwhile."
        return StepUpPanel(text, has_code=True, draft=draft)
    enrol = f"{reverse('approvals:second_factor')}?{urlencode({'next': proposal_url})}"
    return StepUpPanel(f"{limit}. You have none yet.", enrol_url=enrol, draft=draft)


def _pressed(draft: Mapping[str, str]) -> str:
    kind = draft.get("kind", "")
    return f"press “{DecisionKind(kind).label}”" if kind in DecisionKind.values else "press the button"
