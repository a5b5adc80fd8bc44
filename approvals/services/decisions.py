"""Deciding: one transaction that locks, checks everything again, writes one decision and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from approvals import presentation as page
from approvals.errors import (
    CheckNotHolding,
    ProposalExpired,
    ReasonRequired,
    StalePage,
    StalePayload,
    refusal_of,
)
from approvals.events import ApprovalEvent
from approvals.gate import gate_facts
from approvals.models import Decision, Opening, Presentation, Route, RouteStep
from approvals.queries.authority import exclusions_now, may_decide
from approvals.services.pages import checks_now
from approvals.states import STEP_TRANSITIONS, DecisionKind, StepState
from audit.records import Subject
from audit.services import record, record_denial
from gateway.preconditions import Check, Severity
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.errors import DomainError, FieldError, InvalidIdentifier, ValidationFailed
from kernel.ids import Prefix, decode
from kernel.queue import wake
from kernel.transitions import advance
from kernel.verdicts import Denied
from proposals.events import ProposalEvent
from proposals.models import Proposal
from proposals.queries import get_proposal_for_person, lock_proposal
from proposals.services import FeedbackNote, expire_due, resolve
from proposals.states import ProposalState
from proposals.subjects import subject_of

REASON_CODE_PATTERN = re.compile(r"^[a-z][a-z0-9_]{1,39}$")
COMMENT_LENGTH_MAX = 2_000

# What a refusal of the database means, for the races that get past the lock.
CONSTRAINTS = {
    "approvals_one_decision_per_person": Denied("already_decided", "You have already decided on this proposal."),
    "approvals_guard_pending": Denied("proposal_not_pending", "This proposal is no longer open for decisions."),
    "approvals_guard_expired": Denied("proposal_expired", "This proposal was not decided in time and has expired."),
    "approvals_guard_step": Denied("proposal_not_pending", "This step of the route is no longer open."),
    "approvals_guard_member": Denied("not_a_member", "You are not, or no longer, a member of the group that this step asks."),
    "approvals_guard_limit": Denied("over_limit", "The amount is above your limit."),
    "approvals_guard_excluded": Denied("sod_excluded", "You are excluded from deciding on this proposal (segregation of duties)."),
}


@dataclass(frozen=True, slots=True)
class Submitted:
    """What the form carried."""

    kind: DecisionKind
    payload_digest: str
    presentation_digest: str
    shown_at: datetime
    reason_code: str
    comment: str
    authentication: tuple[str, ...]


def decide(
    *,
    user: User,
    proposal_id: str,
    kind: str,
    payload_digest: str,
    presentation_digest: str,
    shown_at: datetime,
    actor: Actor,
    now: datetime,
    reason_code: str = "",
    comment: str = "",
    authentication: Sequence[str] = (),
) -> Decision:
    """One person's decision stands, and with the last one needed the proposal is approved; or it ends by this one.

    The checks are asked again before the transaction, the page is computed again inside it: a decision counts only for the page
    that the person has before them. Raises NotVisible, ProposalExpired (the proposal is expired then), StalePayload, StalePage,
    CheckNotHolding, ReasonRequired, and what `approvals.policies.may_decide` denies. A refusal changes nothing and leaves one
    `approval:refused`.
    """
    try:
        submitted = _submitted(kind, payload_digest, presentation_digest, shown_at, reason_code, comment, authentication)
        proposal = get_proposal_for_person(user, proposal_id)
        standing = may_decide(user, proposal, now)
        if isinstance(standing, Denied):
            raise refusal_of(standing)
        checks = checks_now(proposal)
        return _decide(user, proposal, submitted, checks, actor, now)
    except DomainError as error:
        if isinstance(error, ProposalExpired):
            expire_due(now=now)
        record_denial(
            kind=ApprovalEvent.REFUSED, actor=actor, subject=_subject_of_refusal(proposal_id), now=now, error=error
        )
        raise


def _submitted(
    kind: str,
    payload_digest: str,
    presentation_digest: str,
    shown_at: datetime,
    reason_code: str,
    comment: str,
    authentication: Sequence[str],
) -> Submitted:
    """Return the form's content; raises ValidationFailed or ReasonRequired for what no state could make acceptable."""
    if kind not in DecisionKind.values:
        acceptable = ", ".join(DecisionKind.values)
        raise ValidationFailed(
            detail=f"{kind[:40]!r} is not a decision.", errors=(FieldError("/kind", "not a decision", acceptable),)
        )
    comment = comment.strip()
    if reason_code and not REASON_CODE_PATTERN.match(reason_code):
        raise ValidationFailed(
            detail="The reason code has another form.",
            errors=(FieldError("/reason_code", "not a reason code", "lower-case words joined by underscores"),),
        )
    if len(comment) > COMMENT_LENGTH_MAX:
        raise ValidationFailed(
            detail=f"The comment is longer than {COMMENT_LENGTH_MAX} characters.",
            errors=(FieldError("/comment", f"{len(comment)} characters", f"up to {COMMENT_LENGTH_MAX} characters"),),
        )
    if kind != DecisionKind.APPROVE:
        _require_reason(reason_code, comment, "Rejecting and requesting changes need")
    return Submitted(
        kind=DecisionKind(kind),
        payload_digest=payload_digest,
        presentation_digest=presentation_digest,
        shown_at=shown_at,
        reason_code=reason_code,
        comment=comment,
        authentication=tuple(authentication),
    )


def _require_reason(reason_code: str, comment: str, what: str) -> None:
    given = {"reason_code": reason_code, "comment": comment}
    missing = tuple(
        FieldError(f"/{name}", "empty", "a reason code" if name == "reason_code" else "a sentence")
        for name, value in given.items()
        if not value
    )
    if missing:
        raise ReasonRequired(detail=f"{what} a reason code and a comment.", errors=missing)


def _decide(
    user: User, seen: Proposal, submitted: Submitted, checks: Sequence[Check], actor: Actor, now: datetime
) -> Decision:
    try:
        with transaction.atomic():
            proposal = lock_proposal(seen.pk)
            standing = may_decide(user, proposal, now)
            if isinstance(standing, Denied):
                raise refusal_of(standing)
            route = Route.objects.select_related("policy", "row").get(pk=proposal.pk)
            presentation, shown_at = _page_decided_on(user, proposal, route, submitted, checks, now)
            step = route.steps.select_for_update().get(state=StepState.OPEN)
            decision = Decision.objects.create(
                proposal=proposal,
                step=step,
                user=user,
                kind=submitted.kind,
                payload_digest=submitted.payload_digest,
                presentation=presentation,
                reason_code=submitted.reason_code,
                comment=submitted.comment,
                authentication=list(submitted.authentication),
                shown_at=shown_at,
                decided_at=now,
            )
            _record(decision, proposal, route, actor, now)
            _follow_up(decision, proposal, route, step, actor, now)
            return decision
    except IntegrityError as error:
        raise _refusal_of_database(error) from error


def _page_decided_on(
    user: User, proposal: Proposal, route: Route, submitted: Submitted, checks: Sequence[Check], now: datetime
) -> tuple[Presentation, datetime]:
    """Return the page decided on and when it was shown; raises unless it is exactly the page of this moment."""
    if submitted.payload_digest != proposal.payload_digest:
        raise StalePayload(
            detail="The page shows another payload than this proposal has; load it again and decide on what it shows.",
            data={"payload_digest": proposal.payload_digest, "submitted": submitted.payload_digest[:80]},
        )
    presentation = Presentation.objects.filter(proposal=proposal, digest=submitted.presentation_digest).first()
    opening = Opening.objects.filter(presentation=presentation, user=user).first() if presentation else None
    if presentation is None or opening is None:
        raise StalePage(
            detail="This page was never shown to you as it was sent; load it again and decide on what it shows.",
            data={"changes": []},
        )
    facts = page.build(proposal, route, checks, presentation.locale)
    digest = page.stored(facts)[1]
    if digest != presentation.digest:
        changes = page.what_changed(presentation.facts, facts)
        listed = "; ".join(f"{item['label']}: was {item['was']}, now {item['now']}" for item in changes[:3])
        raise StalePage(detail=f"Since you loaded the page: {listed}. Nothing was decided.", data={"changes": changes})
    if submitted.kind == DecisionKind.APPROVE:
        _require_sound(facts, checks, submitted)
    if submitted.shown_at > now:
        raise ValidationFailed(
            detail="The page can't have been shown later than now.",
            errors=(FieldError("/shown_at", wire_time(submitted.shown_at), f"up to {wire_time(now)}"),),
        )
    return presentation, max(submitted.shown_at, opening.opened_at)


def _require_sound(facts: dict[str, object], checks: Sequence[Check], submitted: Submitted) -> None:
    broken = [check.precondition for check in checks if not check.is_holding and check.precondition.severity is Severity.HARD]
    if broken:
        listed = "; ".join(item.label for item in broken)
        raise CheckNotHolding(
            detail=f"This can't be approved, because it could not be committed. It no longer holds that: {listed}.",
            data={"checks": [{"code": item.code, "label": item.label} for item in broken]},
        )
    if page.needs_reason(facts):
        _require_reason(submitted.reason_code, submitted.comment, "Approving over a warning needs")


def _record(decision: Decision, proposal: Proposal, route: Route, actor: Actor, now: datetime) -> None:
    record(
        kind=ApprovalEvent.DECIDED,
        actor=actor,
        subject=subject_of(proposal),
        now=now,
        action_digest=proposal.payload_digest,
        gate=_gate(proposal, route),
        human={
            "decision": str(decision.kind),
            "decision_id": decision.public_id,
            "step": decision.step.position,
            "reason_code": decision.reason_code,
            "shown_at": wire_time(decision.shown_at),
            "decided_at": wire_time(decision.decided_at),
            "payload_digest": decision.payload_digest,
            "presentation_digest": decision.presentation.digest,
        },
        payload={"comment": decision.comment} if decision.comment else None,
    )


def _gate(proposal: Proposal, route: Route) -> dict[str, object]:
    required = sum(step["min_approvals"] for step in route.snapshot["steps"])
    return gate_facts(route, required=required, excluded=exclusions_now(proposal, route))


def _follow_up(
    decision: Decision, proposal: Proposal, route: Route, step: RouteStep, actor: Actor, now: datetime
) -> None:
    """Open the next step or end the route, as the decision and those before it demand."""
    if decision.kind != DecisionKind.APPROVE:
        _end(decision, proposal, route, actor, now)
        return
    approvals = step.decisions.filter(kind=DecisionKind.APPROVE).count()
    if approvals < step.min_approvals:
        return
    advance(step, StepState.SATISFIED, transitions=STEP_TRANSITIONS, satisfied_at=now)
    following = route.steps.filter(state=StepState.WAITING).order_by("position").first()
    if following is not None:
        advance(following, StepState.OPEN, transitions=STEP_TRANSITIONS, opened_at=now)
        return
    resolve(
        proposal=proposal,
        to=ProposalState.APPROVED,
        actor=actor,
        now=now,
        kind=ApprovalEvent.GRANTED,
        gate={**_gate(proposal, route), "outcome": "approved"},
    )
    wake("approved")


def _end(decision: Decision, proposal: Proposal, route: Route, actor: Actor, now: datetime) -> None:
    """One reject or request for changes ends the route, whatever the others said."""
    for step in route.steps.filter(state__in=[StepState.OPEN, StepState.WAITING]):
        advance(step, StepState.ENDED, transitions=STEP_TRANSITIONS)
    is_rejection = decision.kind == DecisionKind.REJECT
    resolve(
        proposal=proposal,
        to=ProposalState.REJECTED if is_rejection else ProposalState.CHANGES_REQUESTED,
        actor=actor,
        now=now,
        kind=ProposalEvent.REJECTED if is_rejection else ProposalEvent.CHANGES_REQUESTED,
        outcome={"code": decision.reason_code},
        gate={**_gate(proposal, route), "outcome": str(decision.kind)},
        feedback=FeedbackNote(code=decision.reason_code, comment=decision.comment),
    )


def _refusal_of_database(error: IntegrityError) -> DomainError:
    """Return what a constraint or the guard says in words; an unknown one is a defect and is raised as it is."""
    name = str(getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or "")
    if name == "approvals_guard_digest":
        return StalePayload(detail="The page shows another payload than this proposal has.")
    if name not in CONSTRAINTS:
        raise error
    return refusal_of(CONSTRAINTS[name])


def _subject_of_refusal(proposal_id: str) -> Subject:
    """Return the proposal as subject, or only the text that was sent when there is no such proposal."""
    try:
        proposal = Proposal.objects.filter(pk=decode(Prefix.PROPOSAL, proposal_id)).first()
    except InvalidIdentifier:
        proposal = None
    return Subject(kind="proposal", id=proposal_id[:80]) if proposal is None else subject_of(proposal)
