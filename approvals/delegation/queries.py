"""Which delegations are in force: dates and an early end decide, nothing has to be switched off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from approvals.delegation.models import Delegation
from approvals.delegation.policies import Bounds
from proposals.models import Proposal


def in_force(now: datetime) -> QuerySet[Delegation]:
    """Return the delegations that hold now, between people with active accounts."""
    return Delegation.objects.filter(
        starts_at__lte=now, ends_at__gt=now, ended_at__isnull=True, delegator__is_active=True, delegate__is_active=True
    )


def held_for(delegate: User, proposal: Proposal, now: datetime) -> Sequence[Delegation]:
    """Return the delegations by which this person might decide on this proposal, the oldest first; one query."""
    covering = Q(companies__contains=[proposal.company]) & (Q(tools=[]) | Q(tools__contains=[proposal.tool]))
    return list(in_force(now).select_related("delegator").filter(covering, delegate=delegate).order_by("created_at", "pk"))


def bounds_of(delegation: Delegation) -> Bounds:
    """Return what the delegation allows, as a value."""
    return Bounds(groups=frozenset(delegation.groups), limit=delegation.limit)


def given_by(user: User) -> QuerySet[Delegation]:
    """Return what the person has delegated, what ends last at the top, the past included."""
    return Delegation.objects.filter(delegator=user).select_related("delegate", "delegator").order_by("-ends_at")


def held_by(user: User, now: datetime) -> QuerySet[Delegation]:
    """Return what is delegated to the person now or later, what begins first at the top."""
    open_ones = Delegation.objects.filter(delegate=user, ended_at__isnull=True, ends_at__gt=now)
    return open_ones.select_related("delegate", "delegator").order_by("starts_at")
