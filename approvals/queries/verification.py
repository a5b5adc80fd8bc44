"""Proving an approval again at the moment of use: the commit engine sends nothing that this does not verify."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from approvals.models import Decision, Route
from approvals.policies import EXCLUSION_LABELS
from approvals.presentation import PURPOSE as PRESENTATION_PURPOSE
from approvals.routing import ROUTE_PURPOSE
from approvals.states import DecisionKind, StepState
from identity.models import Agent, Grant
from identity.queries import excluded_people
from kernel.canonical import digest_of_bytes
from proposals.models import Proposal
from proposals.states import ProposalState

ACTION_PURPOSE = "countersign.action/1"


@dataclass(frozen=True, slots=True)
class Verified:
    """The approval stands: by these people, or by an automatic row."""

    approvers: tuple[int, ...]
    is_automatic: bool


@dataclass(frozen=True, slots=True)
class Problem:
    """The approval does not stand, and why."""

    code: str
    reason: str


def verify_route(proposal: Proposal, now: datetime) -> Verified | Problem:
    """Return whether the approval of one proposal stands now; see `verify_routes`."""
    return verify_routes([proposal], now)[proposal.pk]


def verify_routes(proposals: Sequence[Proposal], now: datetime) -> dict[uuid.UUID, Verified | Problem]:
    """Return, for each proposal, whether its approval stands now.

    It stands when the proposal is approved, the stored action has the digest that everybody decided on, every step has its
    approvals by different people, nobody refused, the pages they saw have their digests, and none of them is excluded today: an
    approver who became the agent's owner since is. A constant number of statements per agent among the proposals.
    """
    keys = [proposal.pk for proposal in proposals]
    routes = {
        route.pk: route
        for route in Route.objects.select_related("policy", "row").prefetch_related("steps", "exclusions").filter(pk__in=keys)
    }
    decisions: dict[uuid.UUID, list[Decision]] = {key: [] for key in keys}
    for decision in Decision.objects.select_related("presentation").filter(proposal_id__in=keys).order_by("decided_at"):
        decisions[decision.proposal_id].append(decision)
    excluded = _Exclusions(proposals, routes, now)
    return {proposal.pk: _verify(proposal, routes.get(proposal.pk), decisions[proposal.pk], excluded) for proposal in proposals}


def _verify(proposal: Proposal, route: Route | None, decisions: Sequence[Decision], excluded: _Exclusions) -> Verified | Problem:
    if proposal.state != ProposalState.APPROVED:
        return Problem("not_approved", f"The proposal is {proposal.state}, not approved.")
    if route is None:
        return Problem("route_missing", "The proposal has no route.")
    if digest_of_bytes(ACTION_PURPOSE, bytes(proposal.action_bytes)) != proposal.payload_digest:
        return Problem("action_altered", "The stored action is not the one with the proposal's digest.")
    if digest_of_bytes(ROUTE_PURPOSE, bytes(route.snapshot_bytes)) != route.digest:
        return Problem("route_altered", "The stored route is not the one with the route's digest.")
    if route.snapshot["payload_digest"] != proposal.payload_digest:
        return Problem("route_of_another_payload", "The route was given to another payload.")
    if route.is_automatic:
        is_row_automatic = route.row.is_automatic and route.snapshot["row"]["automatic"]
        return Verified((), is_automatic=True) if is_row_automatic else Problem("not_automatic", "The row is not automatic.")
    problem = _steps_problem(route, decisions) or _decisions_problem(proposal, decisions)
    if problem is not None:
        return problem
    for decision in decisions:
        reasons = excluded.reasons(proposal, route, decision.user_id)
        if reasons:
            listed = ", ".join(EXCLUSION_LABELS.get(reason, reason) for reason in sorted(reasons))
            return Problem("approver_excluded", f"Person {decision.user_id} approved but {listed} (segregation of duties).")
    return Verified(tuple(decision.user_id for decision in decisions), is_automatic=False)


def _steps_problem(route: Route, decisions: Sequence[Decision]) -> Problem | None:
    planned = [(step["position"], step["min_approvals"]) for step in route.snapshot["steps"]]
    steps = list(route.steps.all())
    if not planned or [(step.position, step.min_approvals) for step in steps] != planned:
        return Problem("route_altered", "The steps are not those that the proposal was routed to.")
    for step in steps:
        people = {item.user_id for item in decisions if item.step_id == step.pk and item.kind == DecisionKind.APPROVE}
        if step.state != StepState.SATISFIED or len(people) < step.min_approvals:
            return Problem("step_not_satisfied", f"Step {step.position} has {len(people)} of {step.min_approvals} approvals.")
    return None


def _decisions_problem(proposal: Proposal, decisions: Sequence[Decision]) -> Problem | None:
    if len({decision.user_id for decision in decisions}) != len(decisions):
        return Problem("person_twice", "One person decided more than once.")
    for decision in decisions:
        if decision.kind != DecisionKind.APPROVE:
            return Problem("refused_by_person", "One of the people refused.")
        if decision.payload_digest != proposal.payload_digest:
            return Problem("decision_on_another_payload", "A decision was made on another payload.")
        page = decision.presentation
        if page.proposal_id != proposal.pk or digest_of_bytes(PRESENTATION_PURPOSE, bytes(page.stored_bytes)) != page.digest:
            return Problem("page_altered", "A page that was decided on is not the one with its digest.")
    return None


class _Exclusions:
    """Who is excluded today, asked once per agent, grant and credential."""

    def __init__(self, proposals: Sequence[Proposal], routes: Mapping[uuid.UUID, Route], now: datetime) -> None:
        agents = {proposal.agent_id for proposal in proposals}
        self._agents = Agent.objects.in_bulk(agents)
        used = {route.snapshot["grant"] for route in routes.values()}
        self._grants = list(Grant.objects.filter(Q(pk__in=used) | Q(agent_id__in=agents, revoked_at=None, valid_until__gt=now)))
        self._found: dict[tuple[uuid.UUID, str, uuid.UUID | None], list[tuple[int, str]]] = {}

    def reasons(self, proposal: Proposal, route: Route, user_id: int) -> frozenset[str]:
        """Return why this person may not have decided; empty when nothing speaks against it."""
        reasons = {item.reason for item in route.exclusions.all() if item.user_id == user_id}
        if route.policy.author_id == user_id:
            reasons.add("policy_author")
        if proposal.on_behalf_of_id == user_id:
            reasons.add("asked")
        grants: list[Grant | None] = [None]
        for grant in self._grants:
            is_open = grant.agent_id == proposal.agent_id and grant.tool == proposal.tool and grant.revoked_at is None
            if is_open or str(grant.pk) == route.snapshot["grant"]:
                grants.append(grant)
        for item in grants:
            found = self._people(proposal.agent_id, proposal.credential_thumbprint, item)
            reasons.update(reason for person, reason in found if person == user_id)
        return frozenset(reasons)

    def _people(self, agent_id: uuid.UUID, thumbprint: str, grant: Grant | None) -> list[tuple[int, str]]:
        key = (agent_id, thumbprint, grant.pk if grant else None)
        if key not in self._found:
            self._found[key] = [
                (person, str(reason)) for person, reason in excluded_people(self._agents[agent_id], None, grant, thumbprint)
            ]
        return self._found[key]
