"""Proving an approval again at the moment of use: the commit engine sends nothing that this does not verify.

One statement per kind of fact for a whole batch; steps, decisions and people are asked only where people decided.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, cast

from django.db.models import Q

from approvals.finality import activated, granted, is_weighty
from approvals.models import Decision, Exclusion, Route, RouteStep
from approvals.policies import EXCLUSION_LABELS
from approvals.presentation import PURPOSE as PRESENTATION_PURPOSE
from approvals.routing import ROUTE_PURPOSE
from approvals.states import DecisionKind, StepState
from audit.finality import Fact
from identity.models import Agent, Grant
from identity.queries import excluded_people
from kernel.canonical import digest_of_bytes, parse_json
from kernel.ids import Prefix, encode
from proposals.models import Proposal
from proposals.states import ProposalState

ACTION_PURPOSE = "countersign.action/1"


@dataclass(frozen=True, slots=True)
class Verified:
    """The approval stands: by these people, or by an automatic row."""

    approvers: tuple[int, ...]
    is_automatic: bool
    route_digest: str = ""
    # What has to be sealed before anything is sent on this approval.
    leans_on: tuple[Fact, ...] = ()

    def as_gate(self) -> dict[str, object]:
        """Return the `gate` field of an event: what the commit engine verified before it sent."""
        return {
            "route_digest": self.route_digest,
            "automatic": self.is_automatic,
            "approvers": sorted({str(person) for person in self.approvers}),
        }


@dataclass(frozen=True, slots=True)
class Problem:
    """The approval does not stand, and why."""

    code: str
    reason: str


class _Step(NamedTuple):
    pk: int
    position: int
    min_approvals: int
    state: str


class _Decided(NamedTuple):
    user_id: int
    step_id: int
    kind: str
    payload_digest: str
    page_proposal_id: uuid.UUID
    page_bytes: bytes
    page_digest: str
    acting_for_id: int | None


@dataclass(slots=True)
class _Route:
    """A stored route, its snapshot read once, and what people did with it."""

    policy: str
    stored: bytes
    digest: str
    is_automatic: bool
    is_row_automatic: bool
    authors: frozenset[int]
    snapshot: dict[str, Any]
    steps: list[_Step] = field(default_factory=list)
    decisions: list[_Decided] = field(default_factory=list)
    exclusions: list[tuple[int, str]] = field(default_factory=list)


def verify_route(proposal: Proposal, now: datetime) -> Verified | Problem:
    """Return whether the approval of one proposal stands now; see `verify_routes`."""
    return verify_routes([proposal], now)[proposal.pk]


def verify_routes(proposals: Sequence[Proposal], now: datetime) -> dict[uuid.UUID, Verified | Problem]:
    """Return, for each proposal, whether its approval stands now.

    It stands when the proposal is approved, the stored action has the digest that everybody decided on, every step has its
    approvals by different people, nobody refused, the pages they saw have their digests, and none of them is excluded today: an
    approver who became the agent's owner since is. A constant number of statements per agent among the proposals.
    """
    routes = _routes([proposal.pk for proposal in proposals])
    by_people = [proposal for proposal in proposals if (route := routes.get(proposal.pk)) and not route.is_automatic]
    if by_people:
        _add_what_people_did({proposal.pk: routes[proposal.pk] for proposal in by_people})
    excluded = _Exclusions(by_people, routes, now)
    return {proposal.pk: _verify(proposal, routes.get(proposal.pk), excluded) for proposal in proposals}


def _routes(keys: Sequence[uuid.UUID]) -> dict[uuid.UUID, _Route]:
    rows = Route.objects.filter(pk__in=keys).values_list(
        "pk", "policy_id", "snapshot_bytes", "digest", "is_automatic", "row__is_automatic", "policy__author_id", "row__author_id"
    )
    return {
        key: _Route(
            policy=encode(Prefix.POLICY, policy_id),
            stored=bytes(stored),
            digest=route_digest,
            is_automatic=is_automatic,
            is_row_automatic=is_row_automatic,
            authors=frozenset({author_id, row_author_id or author_id}),
            snapshot=cast("dict[str, Any]", parse_json(bytes(stored))),
        )
        for key, policy_id, stored, route_digest, is_automatic, is_row_automatic, author_id, row_author_id in rows
    }


def _add_what_people_did(routes: Mapping[uuid.UUID, _Route]) -> None:
    keys = list(routes)
    steps = RouteStep.objects.filter(route_id__in=keys).order_by("position")
    for route_id, key, position, min_approvals, state in steps.values_list("route_id", "pk", "position", "min_approvals", "state"):
        routes[route_id].steps.append(_Step(key, position, min_approvals, state))
    decisions = Decision.objects.filter(proposal_id__in=keys).order_by("decided_at")
    wanted = (
        "proposal_id", "user_id", "step_id", "kind", "payload_digest", "presentation__proposal_id",
        "presentation__stored_bytes", "presentation__digest", "acting_for_id",
    )  # fmt: skip
    for row in decisions.values_list(*wanted):
        proposal_id, user_id, step_id, kind, payload_digest, of_proposal, page_bytes, page_digest, acting_for = row
        decided = _Decided(user_id, step_id, kind, payload_digest, of_proposal, bytes(page_bytes), page_digest, acting_for)
        routes[proposal_id].decisions.append(decided)
    for route_id, user_id, reason in Exclusion.objects.filter(route_id__in=keys).values_list("route_id", "user_id", "reason"):
        routes[route_id].exclusions.append((user_id, reason))


def _verify(proposal: Proposal, route: _Route | None, excluded: _Exclusions) -> Verified | Problem:
    if proposal.state != ProposalState.APPROVED:
        return Problem("not_approved", f"The proposal is {proposal.state}, not approved.")
    if route is None:
        return Problem("route_missing", "The proposal has no route.")
    if digest_of_bytes(ACTION_PURPOSE, bytes(proposal.action_bytes)) != proposal.payload_digest:
        return Problem("action_altered", "The stored action is not the one with the proposal's digest.")
    if digest_of_bytes(ROUTE_PURPOSE, route.stored) != route.digest:
        return Problem("route_altered", "The stored route is not the one with the route's digest.")
    if route.snapshot["payload_digest"] != proposal.payload_digest:
        return Problem("route_of_another_payload", "The route was given to another payload.")
    if route.is_automatic:
        is_row_automatic = route.is_row_automatic and route.snapshot["row"]["automatic"]
        if not is_row_automatic:
            return Problem("not_automatic", "The row is not automatic.")
        return Verified((), is_automatic=True, route_digest=route.digest, leans_on=_leans_on(proposal, route))
    problem = _steps_problem(route) or _decisions_problem(proposal, route.decisions)
    if problem is not None:
        return problem
    for decision in route.decisions:
        # A delegate answers for both: themselves and the person whose right they used.
        reasons = excluded.reasons(proposal, route, decision.user_id)
        if decision.acting_for_id is not None:
            reasons |= excluded.reasons(proposal, route, decision.acting_for_id)
        if reasons:
            listed = ", ".join(EXCLUSION_LABELS.get(reason, reason) for reason in sorted(reasons))
            return Problem("approver_excluded", f"Person {decision.user_id} approved but {listed} (segregation of duties).")
    approvers = tuple(decision.user_id for decision in route.decisions)
    return Verified(approvers, is_automatic=False, route_digest=route.digest, leans_on=_leans_on(proposal, route))


def _leans_on(proposal: Proposal, route: _Route) -> tuple[Fact, ...]:
    threshold = route.snapshot["row"].get("step_up_from_minor")
    policy = activated(route.policy)
    if is_weighty(route.snapshot["routed_minor"], threshold, proposal.compensates):
        return (granted(proposal.public_id), policy)
    return (policy,)


def _steps_problem(route: _Route) -> Problem | None:
    planned = [(step["position"], step["min_approvals"]) for step in route.snapshot["steps"]]
    if not planned or [(step.position, step.min_approvals) for step in route.steps] != planned:
        return Problem("route_altered", "The steps are not those that the proposal was routed to.")
    for step in route.steps:
        people = {item.user_id for item in route.decisions if item.step_id == step.pk and item.kind == DecisionKind.APPROVE}
        if step.state != StepState.SATISFIED or len(people) < step.min_approvals:
            return Problem("step_not_satisfied", f"Step {step.position} has {len(people)} of {step.min_approvals} approvals.")
    return None


def _decisions_problem(proposal: Proposal, decisions: Sequence[_Decided]) -> Problem | None:
    if len({decision.user_id for decision in decisions}) != len(decisions):
        return Problem("person_twice", "One person decided more than once.")
    for decision in decisions:
        if decision.kind != DecisionKind.APPROVE:
            return Problem("refused_by_person", "One of the people refused.")
        if decision.payload_digest != proposal.payload_digest:
            return Problem("decision_on_another_payload", "A decision was made on another payload.")
        page_digest = digest_of_bytes(PRESENTATION_PURPOSE, decision.page_bytes)
        if decision.page_proposal_id != proposal.pk or page_digest != decision.page_digest:
            return Problem("page_altered", "A page that was decided on is not the one with its digest.")
    return None


class _Exclusions:
    """Who is excluded today, asked once per agent, grant and credential."""

    def __init__(self, proposals: Sequence[Proposal], routes: Mapping[uuid.UUID, _Route], now: datetime) -> None:
        agents = {proposal.agent_id for proposal in proposals}
        self._agents = Agent.objects.in_bulk(agents) if agents else {}
        used = {routes[proposal.pk].snapshot["grant"] for proposal in proposals}
        open_ones = Q(agent_id__in=agents, revoked_at=None, valid_until__gt=now)
        self._grants = list(Grant.objects.filter(Q(pk__in=used) | open_ones)) if agents else []
        self._found: dict[tuple[uuid.UUID, str, uuid.UUID | None], list[tuple[int, str]]] = {}

    def reasons(self, proposal: Proposal, route: _Route, user_id: int) -> frozenset[str]:
        """Return why this person may not have decided; empty when nothing speaks against it."""
        reasons = {reason for person, reason in route.exclusions if person == user_id}
        if user_id in route.authors:
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
