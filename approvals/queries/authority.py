"""Who may decide, as the rows stand now: roles, group memberships, limits and segregation of duties."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q

from approvals.delegation.models import Delegation
from approvals.delegation.policies import Delegator, may_decide_for
from approvals.delegation.queries import bounds_of, held_for
from approvals.matrix.models import StepGroup
from approvals.models import Decision, Exclusion, Route, RouteStep
from approvals.policies import Case, Membership
from approvals.policies import may_decide as judge
from approvals.states import StepRuleKind, StepState
from identity.models import Agent, ApprovalGroupMember, Grant
from identity.permissions import ROLE_PERMISSIONS, Permission, companies_with
from identity.policies import agent_standing
from identity.queries import credential_issuers, excluded_people, kept_memberships
from kernel.money import Money
from kernel.verdicts import Denied, Verdict
from proposals.models import Proposal
from proposals.states import ProposalState

# Columns of the proposal that its agent is read along with.
UNSEEN = tuple(f"proposal__{name}" for name in ("action_bytes", "payload", "facts", "preconditions", "rationale"))


@dataclass(frozen=True, slots=True)
class Excluded:
    """One person who may not decide, and why."""

    user_id: int
    reason: str

    def as_dict(self) -> dict[str, str]:
        """Return the form kept in snapshots and events: an opaque id and a code."""
        return {"user": str(self.user_id), "reason": self.reason}


def deciding_roles() -> list[str]:
    """Return the roles that let a person decide on proposals."""
    return [str(role) for role, permissions in ROLE_PERMISSIONS.items() if Permission.PROPOSAL_DECIDE in permissions]


def deciding_companies(user: User) -> frozenset[str]:
    """Return the companies in which one of the person's roles lets them decide; being a superuser adds none."""
    return companies_with(user, Permission.PROPOSAL_DECIDE)


@dataclass(frozen=True, slots=True)
class Member:
    """A person who could be asked in a company, as far as the amount is within their limit; no limit when None."""

    user_id: int
    limit: Money | None

    def may_decide_on(self, amount: Money) -> bool:
        """Return whether the limit reaches the amount; a limit in another currency never does."""
        return self.limit is None or (self.limit.currency == amount.currency and amount.minor <= self.limit.minor)


def members_of(group_ids: Iterable[int], company: str) -> dict[int, list[Member]]:
    """Return, for each group, its active members who may decide in this company, whatever their limits; one query."""
    rows = (
        ApprovalGroupMember.objects.filter(
            group_id__in=list(group_ids),
            companies__contains=[company],
            user__is_active=True,
            user__role_assignments__role__in=deciding_roles(),
            user__role_assignments__companies__contains=[company],
        )
        .values_list("group_id", "user_id", "limit_minor", "limit_currency")
        .distinct()
    )
    members: dict[int, list[Member]] = defaultdict(list)
    for group_id, user_id, minor, currency in rows:
        members[group_id].append(Member(user_id, None if minor is None else Money(minor, currency)))
    return dict(members)


def people_by_group(group_ids: Iterable[int], company: str, amount: Money) -> dict[int, frozenset[int]]:
    """Return, for each group, who could decide on this amount in this company; one query."""
    return {
        group_id: frozenset(member.user_id for member in members if member.may_decide_on(amount))
        for group_id, members in members_of(group_ids, company).items()
    }


def exclusions_for(
    *,
    agent: Agent,
    on_behalf_of: int | None,
    grants: Sequence[Grant],
    credential_thumbprint: str,
    authors: Iterable[int],
    superseded_id: uuid.UUID | None,
    issuers: Sequence[int] | None = None,
) -> list[Excluded]:
    """Return everybody who may not decide, each with every reason, as the rows stand now.

    `issuers` are those of the credential, where they were asked for already.

    Whoever asked for an earlier revision stays excluded: the revisions' own exclusions carry it from one to the next.
    """
    found = {Excluded(user_id, "policy_author") for user_id in authors}
    choices: Sequence[Grant | None] = grants or [None]
    if issuers is None:
        issuers = credential_issuers(agent.pk, credential_thumbprint)
    for grant in choices:
        for user_id, reason in excluded_people(agent, on_behalf_of, grant, credential_thumbprint, issuers=issuers):
            found.add(Excluded(user_id, str(reason)))
    if superseded_id is not None:
        asked = Exclusion.objects.filter(route_id=superseded_id, reason="asked").values_list("user_id", flat=True)
        found.update(Excluded(user_id, "asked") for user_id in asked)
    return sorted(found, key=lambda item: (item.user_id, item.reason))


def exclusions_now(proposal: Proposal, route: Route, now: datetime) -> list[Excluded]:
    """Return the exclusions of the snapshot and those that hold today: an owner who changed since counts as well."""
    kept = {Excluded(user_id, reason) for user_id, reason in route.exclusions.values_list("user_id", "reason")}
    in_force = Q(agent_id=proposal.agent_id, tool=proposal.tool, revoked_at=None, valid_until__gt=now)
    today = exclusions_for(
        agent=proposal.agent,
        on_behalf_of=proposal.on_behalf_of_id,
        grants=list(Grant.objects.filter(Q(pk=route.snapshot["grant"]) | in_force)),
        credential_thumbprint=proposal.credential_thumbprint,
        authors={route.policy.author_id, route.row.author_id or route.policy.author_id},
        superseded_id=proposal.supersedes_id,
    )
    return sorted(kept.union(today), key=lambda item: (item.user_id, item.reason))


def steps_of(route: Route) -> tuple[RouteStep, ...]:
    """Return the steps in their order, each with the groups that it asks; one query."""
    further = ArraySubquery(StepGroup.objects.filter(step=OuterRef("pk")).order_by("pk").values("group_id"))
    return tuple(route.steps.select_related("group", "fallback_group").annotate(further=further))


def groups_of(step: RouteStep) -> list[int]:
    """Return the groups that a step of `steps_of` asks; once it was escalated its fallback group counts as one of them."""
    asked = [step.group_id, *vars(step)["further"]]
    return [*asked, step.fallback_group_id] if step.escalated_at is not None and step.fallback_group_id is not None else asked


def decisions_on(proposal: Proposal) -> tuple[Decision, ...]:
    """Return what people decided, in this order, with who they are and which page they saw (not its bytes); one query."""
    found = Decision.objects.select_related("user", "acting_for", "presentation").defer("presentation__stored_bytes")
    return tuple(found.filter(proposal=proposal).order_by("decided_at"))


def step_title(route: Route, step: RouteStep) -> str:
    """Return the groups that a step asks, as they were called at routing, with its rule where that is not a plain number."""
    title = next((str(item["title"]) for item in route.snapshot["steps"] if item["position"] == step.position), step.group.title)
    words = {
        StepRuleKind.ANY: " (any one)",
        StepRuleKind.ALL: " (everybody who may)",
        StepRuleKind.PER_GROUP: f" ({step.per_group} of each)",
    }
    return title + words.get(StepRuleKind(step.rule), "")


def membership(user: User, step: RouteStep, company: str, codes: Iterable[str] = ()) -> Membership | None:
    """Return the person's place in the groups of the step, in this company: the one with the highest limit.

    `codes` leaves only these groups; empty leaves all. One query, none where a page has asked for the memberships already.
    """
    asked, wanted = groups_of(step), frozenset(codes)
    places = [
        Membership(group_title=row.group.title, limit=None if row.limit_minor is None else Money(row.limit_minor, row.limit_currency))
        for row in kept_memberships(user)
        if row.group_id in asked and company in row.companies and (not wanted or row.group.code in wanted)
    ]
    return max(places, key=lambda place: (place.limit is None, place.limit.minor if place.limit else 0), default=None)


@dataclass(frozen=True)
class Standing:
    """Where one person stands before one proposal, with the rows that say so; `delegation` is what they would decide by, if any.

    Whatever else a page asks about the people of the route is asked once, and only when it is wanted.
    """

    verdict: Verdict
    proposal: Proposal
    route: Route
    steps: tuple[RouteStep, ...]
    step: RouteStep | None
    excluded: tuple[Excluded, ...]
    decisions: tuple[Decision, ...]
    delegation: Delegation | None = None

    @cached_property
    def able(self) -> Mapping[int, frozenset[int]]:
        """Return, for each group of the route, who could decide on this amount in this company, exclusions left aside; one query."""
        groups = [group for step in self.steps for group in groups_of(step)]
        return people_by_group(groups, self.proposal.company, self.route.routed(self.proposal)) if groups else {}

    @cached_property
    def people(self) -> Mapping[int, User]:
        """Return everybody who could decide or is excluded; one query."""
        wanted = {key for members in self.able.values() for key in members}.union(item.user_id for item in self.excluded)
        return get_user_model().objects.in_bulk(wanted)

    def able_in(self, step: RouteStep) -> frozenset[int]:
        """Return who could decide at a step: members of its groups who have not decided and are not excluded."""
        out = {item.user_id for item in self.excluded}.union(decision.user_id for decision in self.decisions)
        return frozenset().union(*(self.able.get(group, frozenset()) for group in groups_of(step))) - out


def standing_of(user: User, proposal: Proposal, now: datetime, *, route: Route | None = None) -> Standing:
    """Return whether the person may decide on this proposal now, read from the rows as they are; the agent is read anew too.

    `route` is for whoever has read proposal, agent and route, with its policy and row, in one query just now.
    """
    if route is None:
        route = Route.objects.select_related("policy", "row", "proposal__agent").defer(*UNSEEN).get(pk=proposal.pk)
        proposal.agent, route.proposal = route.proposal.agent, proposal
    steps, decisions = steps_of(route), decisions_on(proposal)
    step = next((item for item in steps if item.state == StepState.OPEN), None)
    excluded = exclusions_now(proposal, route, now)
    case = Case(
        state=str(proposal.state),
        state_label=ProposalState(proposal.state).label,
        is_expired=proposal.state == ProposalState.PENDING and proposal.expires_at <= now,
        has_decided=_has_decided(user, decisions),
        agent_name=proposal.agent.name,
        agent_standing=agent_standing(proposal.agent, now),
        exclusions=frozenset(item.reason for item in excluded if item.user_id == user.pk),
        has_permission=proposal.company in deciding_companies(user),
        open_group_title=step_title(route, step) if step else "nobody any more",
        membership=membership(user, step, proposal.company) if step else None,
        amount=route.routed(proposal),
    )
    own = judge(case)
    standing = Standing(verdict=own, proposal=proposal, route=route, steps=steps, step=step, excluded=tuple(excluded), decisions=decisions)
    if step is None or not isinstance(own, Denied) or own.code not in {"not_a_member", "over_limit"}:
        return standing
    # The person's own right comes first; where it does not reach, that of somebody who delegated to them may.
    for delegation in held_for(user, proposal, now):
        person, bounds = delegation.delegator, bounds_of(delegation)
        delegator = Delegator(
            name=person.get_full_name() or person.get_username(),
            has_permission=proposal.company in deciding_companies(person),
            has_decided=_has_decided(person, decisions),
            exclusions=frozenset(item.reason for item in excluded if item.user_id == person.pk),
            membership=membership(person, step, proposal.company, bounds.groups),
        )
        verdict = may_decide_for(case, delegator, bounds)
        if verdict.is_allowed:
            return replace(standing, verdict=verdict, delegation=delegation)
        if isinstance(verdict, Denied) and verdict.code != "not_a_member":
            standing = replace(standing, verdict=verdict)
    return standing


def _has_decided(user: User, decisions: Iterable[Decision]) -> bool:
    """Return whether the person has decided, or somebody by the person's right."""
    return any(user.pk in {decision.user_id, decision.acting_for_id} for decision in decisions)


def may_decide(user: User, proposal: Proposal, now: datetime) -> Verdict:
    """Return whether the person may decide on this proposal now, or why not, in a sentence."""
    return standing_of(user, proposal, now).verdict
