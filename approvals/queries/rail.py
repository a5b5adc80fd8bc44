"""The right rail of the proposal page: the route with names and states, why this route, and my own standing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User

from approvals.models import Decision, RouteStep
from approvals.policies import EXCLUSION_LABELS
from approvals.queries.authority import Standing, standing_of, step_title
from approvals.states import DecisionKind, StepState
from kernel.money import Money
from kernel.verdicts import Verdict
from proposals.models import Proposal
from proposals.states import ProposalState


@dataclass(frozen=True, slots=True)
class DecisionView:
    """One decision as the rail names it."""

    id: str
    name: str
    kind: DecisionKind
    decided_at: datetime
    shown_at: datetime
    reason_code: str
    comment: str
    authentication: tuple[str, ...]
    is_signed: bool = False
    has_second_factor: bool = False


@dataclass(frozen=True, slots=True)
class StepView:
    """One step: whom it asks, where it stands, who could still decide, who has decided."""

    position: int
    group: str
    min_approvals: int
    approvals: int
    state: StepState
    possible: tuple[str, ...]
    decisions: tuple[DecisionView, ...]
    opened_at: datetime | None
    satisfied_at: datetime | None
    due_at: datetime | None
    fallback: str
    is_escalated: bool


@dataclass(frozen=True, slots=True)
class ExclusionView:
    """Somebody who may not decide, and why in words."""

    name: str
    reason: str
    label: str


@dataclass(frozen=True, slots=True)
class RouteView:
    """The route of one proposal for one person."""

    policy_version: int
    policy_title: str
    policy_id: str
    row_title: str
    row_priority: int
    reason: str
    routed: Money
    is_automatic: bool
    due_at: datetime
    steps: tuple[StepView, ...]
    current_position: int
    exclusions: tuple[ExclusionView, ...]
    standing: Verdict


def name_of(user: User) -> str:
    """Return how a person is named on screen."""
    return user.get_full_name() or user.get_username()


def route_view(proposal: Proposal, user: User, now: datetime, found: Standing | None = None) -> RouteView:
    """Return the route with names and states, as of now; the number of queries does not grow with steps or people.

    `found` is where the person stands now, for whoever has asked already.
    """
    standing = found or standing_of(user, proposal, now)
    route, excluded = standing.route, standing.excluded
    names = {key: name_of(person) for key, person in standing.people.items()}
    views = tuple(
        _step_view(step, step_title(route, step), proposal, standing.decisions, standing.able_in(step), names) for step in standing.steps
    )
    return RouteView(
        policy_version=route.policy.version,
        policy_title=route.policy.title,
        policy_id=route.policy.public_id,
        row_title=route.row.title,
        row_priority=route.row.priority,
        reason=route.reason,
        routed=route.routed(proposal),
        is_automatic=route.is_automatic,
        due_at=proposal.expires_at,
        steps=views,
        current_position=next((view.position for view in views if view.state == StepState.OPEN), 0),
        exclusions=tuple(
            ExclusionView(names.get(item.user_id, ""), item.reason, EXCLUSION_LABELS.get(item.reason, item.reason)) for item in excluded
        ),
        standing=standing.verdict,
    )


def _step_view(
    step: RouteStep,
    title: str,
    proposal: Proposal,
    decisions: Sequence[Decision],
    possible: frozenset[int],
    names: dict[int, str],
) -> StepView:
    own = [decision for decision in decisions if decision.step_id == step.pk]
    state = StepState(step.state)
    # A proposal that left the gate otherwise (withdrawn, expired, voided) leaves its steps as they were: that is derived here.
    if proposal.state != ProposalState.PENDING and state in {StepState.OPEN, StepState.WAITING}:
        state = StepState.ENDED
    is_ahead = state in {StepState.OPEN, StepState.WAITING}
    return StepView(
        position=step.position,
        group=title,
        min_approvals=step.min_approvals,
        approvals=sum(decision.kind == DecisionKind.APPROVE for decision in own),
        state=state,
        possible=tuple(sorted(names[user_id] for user_id in possible)) if is_ahead else (),
        decisions=tuple(
            DecisionView(
                id=decision.public_id,
                name=name_of(decision.user) + (f" for {name_of(decision.acting_for)}" if decision.acting_for else ""),
                kind=DecisionKind(decision.kind),
                decided_at=decision.decided_at,
                shown_at=decision.shown_at,
                reason_code=decision.reason_code,
                comment=decision.comment,
                authentication=tuple(str(method) for method in decision.authentication),
                is_signed=decision.signature_id is not None,
                has_second_factor=decision.second_factor_at is not None,
            )
            for decision in own
        ),
        opened_at=step.opened_at,
        satisfied_at=step.satisfied_at,
        due_at=step.due_at,
        fallback=step.fallback_group.title if step.fallback_group else "",
        is_escalated=step.escalated_at is not None,
    )
