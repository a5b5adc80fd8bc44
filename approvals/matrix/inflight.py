"""Pending proposals that keep the route an older version gave them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, QuerySet

from approvals.models import Policy, Route
from approvals.states import PolicyState
from proposals.states import ProposalState


@dataclass(frozen=True, slots=True)
class InFlight:
    """One older version with the number of pending proposals it still routes."""

    policy: Policy
    count: int


def in_flight(companies: Iterable[str], now: datetime) -> list[InFlight]:
    """Return the versions that are no longer active and still route something that waits, the oldest first."""
    counts = dict(_kept(companies, now).order_by().values_list("policy_id").annotate(count=Count("pk")).values_list("policy_id", "count"))
    policies = Policy.objects.filter(pk__in=counts).order_by("version")
    return [InFlight(policy, counts[policy.pk]) for policy in policies]


def kept_routes(companies: Iterable[str], now: datetime) -> QuerySet[Route]:
    """Return the routes of those proposals, what is due first at the top."""
    return _kept(companies, now).select_related("proposal__agent", "policy", "row").order_by("proposal__expires_at")


def _kept(companies: Iterable[str], now: datetime) -> QuerySet[Route]:
    return Route.objects.filter(
        proposal__state=ProposalState.PENDING, proposal__expires_at__gt=now, proposal__company__in=set(companies)
    ).exclude(policy__state=PolicyState.ACTIVE)
