"""Deciding: one transaction that locks, checks everything again, writes one decision and what follows from it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from approvals import presentation as page
from approvals.calendars.queries import due_of
from approvals.delegation.models import Delegation
from approvals.errors import (
    CheckNotHolding,
    ProposalExpired,
    StalePage,
    StalePayload,
    StepUpRequired,
    refusal_of,
)
from approvals.events import ApprovalEvent
from approvals.gate import gate_facts
from approvals.models import Decision, Opening, Presentation, Route, RouteStep
from approvals.oversight.queries import evidence_opened
from approvals.queries.authority import Excluded, standing_of
from approvals.queries.quorum import is_satisfied
from approvals.services import signing
from approvals.services.forms import Submitted, plain_words, require_form, require_reason
from approvals.services.pages import checks_now
from approvals.services.strength import Strength, statement_of, strength_of
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

# What a refusal of the database means, for the races that get past the lock.
CONSTRAINTS = {
    "approvals_one_decision_per_person": Denied("already_decided", "You have already decided on this proposal."),
    "approvals_guard_pending": Denied("proposal_not_pending", "This proposal is no longer open for decisions."),
    "approvals_guard_expired": Denied("proposal_expired", "This proposal was not decided in time and has expired."),
    "approvals_guard_step": Denied("proposal_not_pending", "This step of the route is no longer open."),
    "approvals_guard_member": Denied("not_a_member", "You are not, or no longer, a member of the group that this step asks."),
    "approvals_guard_limit": Denied("over_limit", "The amount is above your limit."),
    "approvals_guard_step_up": Denied("step_up_required", "This decision needs a strong second factor newer than its page."),
    "approvals_guard_reason": Denied("reason_required", "Approving over a warning needs a reason code and a comment."),
    "approvals_approval_excluded": Denied(
        "approver_excluded",
        "Somebody who approved earlier is excluded now (segregation of duties), so this can't be approved; reject it or request changes.",
    ),
    "approvals_one_decision_per_right": Denied("already_decided", "This right has been used on this proposal already."),
    "approvals_guard_delegation": Denied("not_a_member", "The delegation that you would decide by is no longer in force."),
    "approvals_guard_excluded": Denied("sod_excluded", "You are excluded from deciding on this proposal (segregation of duties)."),
}


def decide(
    *,
    user: User,
    proposal_id: str,
    kind: str,
    payload_digest: str,
    presentation_digest: str,
    shown_at: datetime | None,
    actor: Actor,
    now: datetime,
    reason_code: str = "",
    comment: str = "",
    authentication: Sequence[str] = (),
    factors: Sequence[Mapping[str, object]] = (),
    answer: signing.Answer | None = None,
    set_digest: str = "",
    set_signature: str = "",
) -> Decision:
    """Make one person's decision stand; with the last one needed the proposal is approved, and one refusal ends it.

    The checks are asked again before the transaction, the page is computed again inside it: a decision counts only for the page
    that the person has before them. `shown_at` is None when the door can't tell that the page was made for this person: a stale page.
    `set_digest` is the digest of the set that a bulk approval was given on, `set_signature` that of what a passkey signed for it: for the
    event.
    `factors` are the second factors that the person's login recorded, `answer` is their passkey's signature over this very decision.

    Raises StepUpRequired when the policy wants a strong second factor newer than the page and there is none: then nothing is recorded
    here, because nothing is refused yet; the door remembers it (`approvals.services.step_up`). Raises NotVisible, ProposalExpired (the
    proposal is expired then), StalePayload, StalePage, CheckNotHolding, ReasonRequired, SignatureRefused, and what
    `approvals.policies.may_decide` denies. A refusal changes nothing and leaves one `approval:refused`.
    """
    submitted = Submitted(
        kind=kind,
        payload_digest=payload_digest,
        presentation_digest=presentation_digest,
        shown_at=shown_at,
        reason_code=reason_code,
        comment=plain_words(comment),
        authentication=tuple(authentication),
        factors=tuple(factors),
        answer=answer,
        set_digest=set_digest,
        set_signature=set_signature,
    )
    try:
        require_form(submitted)
        proposal = get_proposal_for_person(user, proposal_id)
        standing = standing_of(user, proposal, now)
        if isinstance(standing.verdict, Denied):
            raise refusal_of(standing.verdict)
        checks = checks_now(proposal, now)
        return _decide(proposal.pk, checks, user=user, submitted=submitted, actor=actor, now=now)
    except StepUpRequired:
        raise
    except DomainError as error:
        if isinstance(error, ProposalExpired):
            expire_due(now=now)
        record_denial(kind=ApprovalEvent.REFUSED, actor=actor, subject=_subject_of_refusal(proposal_id), now=now, error=error)
        raise


@dataclass(frozen=True, slots=True)
class _Sitting:
    """One decision under way: the locked proposal and everything around it."""

    proposal: Proposal
    route: Route
    step: RouteStep
    excluded: tuple[Excluded, ...]
    delegation: Delegation | None
    submitted: Submitted
    checks: Sequence[Check]
    user: User
    actor: Actor
    now: datetime

    def gate(self) -> dict[str, object]:
        """Return the `gate` field of the events of this decision."""
        required = sum(step["min_approvals"] for step in self.route.snapshot["steps"])
        return gate_facts(self.route, required=required, excluded=self.excluded, compensates=self.proposal.compensates)


def _decide(proposal_key: uuid.UUID, checks: Sequence[Check], *, user: User, submitted: Submitted, actor: Actor, now: datetime) -> Decision:
    try:
        with transaction.atomic():
            proposal = lock_proposal(proposal_key)
            standing = standing_of(user, proposal, now)
            if isinstance(standing.verdict, Denied) or standing.step is None:
                raise refusal_of(standing.verdict if isinstance(standing.verdict, Denied) else CONSTRAINTS["approvals_guard_step"])
            sitting = _Sitting(
                proposal=proposal,
                route=standing.route,
                step=standing.step,
                excluded=standing.excluded,
                delegation=standing.delegation,
                submitted=submitted,
                checks=checks,
                user=user,
                # Whoever decides by another person's right says so in every event of the decision.
                actor=replace(actor, delegation=standing.delegation.public_id) if standing.delegation else actor,
                now=now,
            )
            presentation, shown_at = _page_decided_on(sitting)
            strength = _strength(sitting, presentation, shown_at)
            decision = Decision.objects.create(
                proposal=proposal,
                step=sitting.step,
                user=user,
                kind=submitted.kind,
                payload_digest=submitted.payload_digest,
                presentation=presentation,
                reason_code=submitted.reason_code,
                comment=submitted.comment,
                authentication=list(submitted.authentication),
                second_factor=strength.factor.as_dict() if strength.factor else None,
                second_factor_at=strength.factor.at if strength.factor else None,
                signature=strength.signature,
                acting_for=sitting.delegation.delegator if sitting.delegation else None,
                delegation=sitting.delegation,
                shown_at=strength.shown_at,
                decided_at=now,
            )
            _record(decision, sitting)
            _follow_up(decision, sitting)
            return decision
    except IntegrityError as error:
        raise _refusal_of_database(error) from error


def _strength(sitting: _Sitting, presentation: Presentation, shown_at: datetime) -> Strength:
    submitted = sitting.submitted
    statement = statement_of(
        proposal=sitting.proposal,
        step=sitting.step.position,
        user=sitting.user,
        kind=submitted.kind,
        reason_code=submitted.reason_code,
        comment=submitted.comment,
        presentation=presentation,
    )
    return strength_of(
        user=sitting.user,
        route=sitting.route,
        presentation=presentation,
        shown_at=shown_at,
        factors=submitted.factors,
        answer=submitted.answer,
        statement=statement,
        now=sitting.now,
    )


def _page_decided_on(sitting: _Sitting) -> tuple[Presentation, datetime]:
    """Return the page decided on and when it was shown; raises unless it is exactly the page of this moment."""
    proposal, submitted = sitting.proposal, sitting.submitted
    if submitted.payload_digest != proposal.payload_digest:
        raise StalePayload(
            detail="The page shows another payload than this proposal has; load it again and decide on what it shows.",
            data={"payload_digest": proposal.payload_digest, "submitted": submitted.payload_digest[:80]},
        )
    digests = {"presentation__proposal": proposal, "presentation__digest": submitted.presentation_digest}
    opening = Opening.objects.select_related("presentation").filter(user=sitting.user, **digests).first()
    if opening is None or submitted.shown_at is None:
        raise StalePage(
            detail="This page was never shown to you as it was sent; load it again and decide on what it shows.",
            data={"changes": []},
        )
    presentation = opening.presentation
    facts = page.build(proposal, sitting.route, sitting.checks, presentation.locale)
    digest = page.stored(facts)[1]
    if digest != presentation.digest:
        changes = page.what_changed(presentation.facts, facts)
        listed = "; ".join(f"{item['label']}: was {item['was']}, now {item['now']}" for item in changes[:3])
        raise StalePage(detail=f"Since you loaded the page: {listed}. Nothing was decided.", data={"changes": changes})
    if submitted.kind == DecisionKind.APPROVE:
        _require_sound(facts, sitting)
    if submitted.shown_at > sitting.now:
        raise ValidationFailed(
            detail="The page can't have been shown later than now.",
            errors=(FieldError("/shown_at", wire_time(submitted.shown_at), f"up to {wire_time(sitting.now)}"),),
        )
    return presentation, max(submitted.shown_at, opening.opened_at)


def _require_sound(facts: dict[str, object], sitting: _Sitting) -> None:
    failed = [check.precondition for check in sitting.checks if not check.is_holding]
    broken = [item for item in failed if item.severity is Severity.HARD]
    if broken:
        listed = "; ".join(item.label for item in broken)
        raise CheckNotHolding(
            detail=f"This can't be approved, because it could not be committed. It no longer holds that: {listed}.",
            data={"checks": [{"code": item.code, "label": item.label} for item in broken]},
        )
    if page.needs_reason(facts):
        require_reason(sitting.submitted, "Approving over a warning needs")


def _record(decision: Decision, sitting: _Sitting) -> None:
    record(
        kind=ApprovalEvent.DECIDED,
        actor=sitting.actor,
        subject=subject_of(sitting.proposal),
        now=sitting.now,
        action_digest=sitting.proposal.payload_digest,
        gate=sitting.gate(),
        human={
            "decision": str(decision.kind),
            "decision_id": decision.public_id,
            "step": decision.step.position,
            "reason_code": decision.reason_code,
            "shown_at": wire_time(decision.shown_at),
            "decided_at": wire_time(decision.decided_at),
            "payload_digest": decision.payload_digest,
            "presentation_digest": decision.presentation.digest,
            "page_digest": decision.presentation.page_digest,
            "evidence_opened": evidence_opened(decision.user, sitting.proposal),
            **_on_whose_right(decision),
            **{name: value for name in ("set_digest", "set_signature") if (value := getattr(sitting.submitted, name))},
            **({"second_factor": decision.second_factor} if decision.second_factor else {}),
            **({"signature": signing.as_event(decision.signature)} if decision.signature else {}),
        },
        payload={"comment": decision.comment} if decision.comment else None,
    )


def _on_whose_right(decision: Decision) -> dict[str, object]:
    """Return for whom a delegate decided, by which delegation; nothing when the person used their own right."""
    if decision.delegation is None:
        return {}
    return {"acting_for": str(decision.acting_for_id), "delegation": decision.delegation.public_id}


def _follow_up(decision: Decision, sitting: _Sitting) -> None:
    """Open the next step or end the route, as the decision and those before it demand."""
    step, now = sitting.step, sitting.now
    if decision.kind != DecisionKind.APPROVE:
        _end(decision, sitting)
        return
    if not is_satisfied(step, sitting.proposal.company):
        return
    advance(step, StepState.SATISFIED, transitions=STEP_TRANSITIONS, satisfied_at=now)
    following = sitting.route.steps.filter(state=StepState.WAITING).order_by("position").first()
    if following is not None:
        due_at = due_of(sitting.proposal, following.due_days, now)
        advance(following, StepState.OPEN, transitions=STEP_TRANSITIONS, opened_at=now, due_at=due_at)
        return
    resolve(
        proposal=sitting.proposal,
        to=ProposalState.APPROVED,
        actor=sitting.actor,
        now=now,
        kind=ApprovalEvent.GRANTED,
        gate={**sitting.gate(), "outcome": "approved"},
    )
    wake("approved")


def _end(decision: Decision, sitting: _Sitting) -> None:
    """End the route by one reject or request for changes, whatever the others said."""
    for step in sitting.route.steps.filter(state__in=[StepState.OPEN, StepState.WAITING]):
        advance(step, StepState.ENDED, transitions=STEP_TRANSITIONS)
    is_rejection = decision.kind == DecisionKind.REJECT
    resolve(
        proposal=sitting.proposal,
        to=ProposalState.REJECTED if is_rejection else ProposalState.CHANGES_REQUESTED,
        actor=sitting.actor,
        now=sitting.now,
        kind=ProposalEvent.REJECTED if is_rejection else ProposalEvent.CHANGES_REQUESTED,
        outcome={"code": decision.reason_code},
        gate={**sitting.gate(), "outcome": str(decision.kind)},
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
    # An address can carry a NUL, which no database keeps.
    return Subject(kind="proposal", id=proposal_id[:80].replace("\0", "")) if proposal is None else subject_of(proposal)
