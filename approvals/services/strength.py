"""What stands behind a decision beyond the login: a second factor newer than the display that was answered, a signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User

from approvals.factors import Factor, strong_factor
from approvals.models import Presentation, Route, Signature
from approvals.services import signing
from approvals.services.step_up import answered_display, needs_step_up, require_factor
from proposals.models import Proposal

PURPOSE = "decision"


@dataclass(frozen=True, slots=True)
class Strength:
    """The second factor and the signature of one decision, and since when its page was in front of the person."""

    factor: Factor | None
    signature: Signature | None
    shown_at: datetime


def strength_of(
    *,
    user: User,
    route: Route,
    presentation: Presentation,
    shown_at: datetime,
    factors: Sequence[Mapping[str, object]],
    answer: signing.Answer | None,
    statement: Mapping[str, object],
    now: datetime,
) -> Strength:
    """Return what this decision stands on; a signature is a second factor of this very moment.

    Raises StepUpRequired when the policy wants more than there is, and SignatureRefused.
    """
    if answer is not None:
        signature = signing.complete(user=user, statement=statement, answer=answer, now=now)
        factor = Factor(type="webauthn", at=now, authenticator=bytes(signature.credential_id).hex()[:64], signed=True)
        return Strength(factor, signature, shown_at)
    since = answered_display(user=user, purpose=PURPOSE, subject=presentation.digest, shown_at=shown_at, now=now)
    if needs_step_up(route):
        found = require_factor(factors, user=user, purpose=PURPOSE, subject=presentation.digest, shown_at=shown_at, now=now)
        return Strength(found, None, since)
    kept = strong_factor(factors, since=since, until=now)
    return Strength(kept, None, since if kept else shown_at)


def statement_of(
    *, proposal: Proposal, step: int, user: User, kind: str, reason_code: str, comment: str, presentation: Presentation
) -> dict[str, object]:
    """Return what a passkey signs for one decision: who decides what, in which words, on exactly which page."""
    return {
        "proposal": proposal.public_id,
        "revision": proposal.revision,
        "payload_digest": proposal.payload_digest,
        "presentation_digest": presentation.digest,
        "page_digest": presentation.page_digest,
        "step": step,
        "decision": kind,
        "reason_code": reason_code,
        "comment": comment,
        "user": str(user.pk),
    }
