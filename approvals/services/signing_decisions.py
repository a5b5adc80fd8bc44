"""The first half of a signed decision: the challenge, made of exactly what will be sent after it."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User

from approvals.errors import ProposalNotPending, StalePage, refusal_of
from approvals.models import Opening
from approvals.queries.authority import standing_of
from approvals.services import signing
from approvals.services.forms import Submitted, plain_words, require_form, require_reason
from approvals.services.strength import statement_of
from approvals.states import DecisionKind
from kernel.verdicts import Denied
from proposals.queries import get_proposal_for_person


def begin_signature(
    *, user: User, proposal_id: str, kind: str, presentation_digest: str, reason_code: str, comment: str, now: datetime
) -> signing.Begun:
    """Return the challenge for this decision on this page; nothing is decided, and everything is checked again when it is.

    Raises NotVisible, StalePage for a page that was never shown to this person, ReasonRequired, SignatureRefused and what
    `approvals.policies.may_decide` denies: whoever could not decide anyway need not touch their passkey first.
    """
    submitted = Submitted(kind, "", presentation_digest, None, reason_code, plain_words(comment), ())
    require_form(submitted)
    proposal = get_proposal_for_person(user, proposal_id)
    standing = standing_of(user, proposal, now)
    if isinstance(standing.verdict, Denied):
        raise refusal_of(standing.verdict)
    if standing.step is None:
        raise ProposalNotPending(detail="No step of the route is open.")
    shown = {"presentation__proposal": proposal, "presentation__digest": presentation_digest}
    opening = Opening.objects.select_related("presentation").filter(user=user, **shown).first()
    if opening is None:
        raise StalePage(detail="This page was never shown to you as it was sent; load it again.", data={"changes": []})
    if kind == DecisionKind.APPROVE and opening.presentation.needs_reason:
        require_reason(submitted, "Approving over a warning needs")
    statement = statement_of(
        proposal=proposal,
        step=standing.step.position,
        user=user,
        kind=kind,
        reason_code=reason_code,
        comment=submitted.comment,
        presentation=opening.presentation,
    )
    return signing.begin(user=user, statement=statement, now=now)
