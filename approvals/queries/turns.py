"""Whose turn it is: conditions on proposals for inbox, badge and mail, so that the three never disagree.

They hold rows against rows in one statement; `standing_of` holds one person against one proposal and has the last word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from datetime import datetime
from functools import cached_property

from django.contrib.auth.models import User
from django.db.models import CharField, Count, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet

from approvals.delegation.models import Delegation
from approvals.delegation.queries import in_force
from approvals.matrix.models import StepGroup
from approvals.models import Decision, Exclusion, RouteStep
from approvals.queries.authority import deciding_companies
from approvals.states import StepState
from approvals.work.models import Claim, Snooze
from identity.models import Agent, ApprovalGroupMember
from identity.queries import companies_of, kept_memberships, memberships_of
from identity.states import AgentState

NOTHING = Q(pk__in=[])


class Each(Exists):
    """The same answer as Exists, found for one proposal after the other.

    What PostgreSQL may turn into a join it joins with everything that waits, because it believes that few of a million proposals have
    an open step; where only the first of them are wanted, looking at each in its order is over long before.
    """

    template = "EXISTS(%(subquery)s OFFSET 0)"


class Person:
    """What about a person decides what they see: companies, deciding companies, memberships and delegations; five queries."""

    def __init__(self, user: User, now: datetime) -> None:
        """Look it up, as of now."""
        self.user, self.now = user, now
        self.existing: type[Exists] = Exists
        self.companies = companies_of(user)
        self.deciding = deciding_companies(user)
        self.memberships: Sequence[ApprovalGroupMember] = kept_memberships(user)
        open_ones = list(in_force(now).select_related("delegator").filter(Q(delegate=user) | Q(delegator=user)))
        self.held = [item for item in open_ones if item.delegate_id == user.pk]
        self.given = [item for item in open_ones if item.delegator_id == user.pk]

    def by_each(self) -> Person:
        """Return the same person, whose conditions on open steps look at one proposal after the other."""
        same = copy(self)
        same.existing, same.agents = Each, self.agents
        return same

    def exists(self, steps: QuerySet[RouteStep]) -> Exists:
        """Return the condition that there is such a step."""
        return self.existing(steps)

    @cached_property
    def agents(self) -> Sequence[Agent]:
        """Return the agents that may act now; one query.

        There are few beside their proposals, and told by name the database knows how many proposals are theirs.
        """
        able = Agent.objects.filter(state=AgentState.ACTIVE, expires_on__gte=self.now.date(), companies__overlap=sorted(self.companies))
        return list(able.only("owner_id", "sponsor_id", "last_edited_by_id"))

    def steps(self, *, within_limit: bool) -> Q:
        """Return the condition on route steps that ask one of the person's groups in one of its companies."""
        return _asking(self.memberships, self.deciding, within_limit=within_limit)

    def involved(self) -> Q:
        """Return the condition on proposals that the person has decided on or that ask their groups at some step."""
        decided = Decision.objects.filter(proposal=OuterRef("pk"), user=self.user)
        return Exists(decided) | Exists(_steps().filter(self.steps(within_limit=False)))

    def asked(self) -> Q:
        """Return the condition on pending proposals whose open step asks one of the person's groups, whatever the limit."""
        return Q(self.exists(_open_steps().filter(self.steps(within_limit=False))))

    def own(self) -> Q:
        """Return the condition on pending proposals that the person may decide on by their own right."""
        return self.exists(_open_steps().filter(self.steps(within_limit=True))) & self.free([self.user.pk])

    def free(self, people: Sequence[int]) -> Q:
        """Return the condition that none of these people has decided, by whichever right, or is excluded, and the agent may act."""
        decisions = Decision.objects.filter(Q(user__in=people) | Q(acting_for__in=people), proposal=OuterRef("pk"))
        # Who came to own or change the agent, or asked, since the route was found.
        out = frozenset(people)
        agents = [agent.pk for agent in self.agents if out.isdisjoint((agent.owner_id, agent.sponsor_id, agent.last_edited_by_id))]
        excluded = Exclusion.objects.filter(route=OuterRef("pk"), user__in=people)
        return Q(agent__in=agents) & ~Exists(decisions) & ~Exists(excluded)

    def mine(self) -> Q:
        """Return the condition on what waits for the person now: by their own right, not delegated away, at hand."""
        condition = self.own() & _at_hand([self.user.pk], self.user, self.now)
        for delegation in self.given:
            condition &= ~Q(_by(delegation, self))
        return condition

    def delegated(self) -> Q:
        """Return the condition on what waits for the person by the right of somebody who delegated to them."""
        condition = NOTHING
        for item in self.held:
            condition |= _by(item, self) & _at_hand([self.user.pk, item.delegator_id], self.user, self.now)
        return condition & ~Q(self.own()) if self.held else condition


def _open_steps() -> QuerySet[RouteStep]:
    return _steps().filter(state=StepState.OPEN)


def _steps() -> QuerySet[RouteStep]:
    """Return the steps of the proposal around them, beside its company: not joined to it again, which no estimate survives."""
    return RouteStep.objects.filter(route=OuterRef("pk")).annotate(company=ExpressionWrapper(OuterRef("company"), CharField()))


def _asking(memberships: Iterable[ApprovalGroupMember], companies: frozenset[str], *, within_limit: bool) -> Q:
    condition = NOTHING
    for member in memberships:
        further = StepGroup.objects.filter(group_id=member.group_id).values("step_id")
        asked = Q(group_id=member.group_id) | Q(pk__in=further) | Q(fallback_group_id=member.group_id, escalated_at__isnull=False)
        one = asked & Q(company__in=companies.intersection(member.companies))
        if within_limit and member.limit_minor is not None:
            one &= _within(member.limit_minor, member.limit_currency)
        condition |= one
    return condition


def _within(limit_minor: int, currency: str) -> Q:
    """Return the condition on steps whose route was found for at most this amount, in the currency of the comparison."""
    own = Q(route__routed_currency="", route__proposal__currency=currency)
    return (own | Q(route__routed_currency=currency)) & Q(route__routed_minor__lte=limit_minor)


def _by(delegation: Delegation, person: Person) -> Q:
    """Return the condition on pending proposals that the delegate may decide on for the delegator."""
    companies = deciding_companies(delegation.delegator) & deciding_companies(delegation.delegate) & frozenset(delegation.companies)
    memberships = [item for item in memberships_of(delegation.delegator) if not delegation.groups or item.group.code in delegation.groups]
    steps = _asking(memberships, companies, within_limit=True)
    if delegation.limit_minor is not None:
        steps &= _within(delegation.limit_minor, delegation.limit_currency)
    condition = person.exists(_open_steps().filter(steps)) & person.free([delegation.delegator_id, delegation.delegate_id])
    return condition & Q(tool__in=delegation.tools) if delegation.tools else condition


def _at_hand(people: Sequence[int], user: User, now: datetime) -> Q:
    """Return the condition that the person has not snoozed it and that it is not in the hands of as many others as are needed.

    Both look at the one proposal: as lists of proposals that are out they would spoil the estimate of how many are left. Hardly anything is
    in somebody's hands, and only that is counted.
    """
    snoozed = Snooze.objects.filter(proposal=OuterRef("pk"), user=user, until__gt=now)
    others = Claim.objects.filter(step__route=OuterRef("pk"), step__state=StepState.OPEN, ended_at__isnull=True).exclude(user__in=people)
    by_step = others.values("step", "step__min_approvals").annotate(taken=Count("pk"))
    return ~Exists(snoozed) & ~(Exists(others) & Exists(by_step.filter(taken__gte=F("step__min_approvals"))))
