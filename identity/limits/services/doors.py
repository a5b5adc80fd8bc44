"""What every door of the agents asks: may this agent go on, and may this address go on being refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TypeVar

from django.conf import settings

from audit.records import Subject
from identity.limits.errors import LockedOut, RateLimited
from identity.limits.quotas import Quota, Standing, rate_limit_headers
from identity.limits.services.refusals import record_or_count
from identity.limits.services.taking import take, take_all
from kernel.actors import Actor
from kernel.context import current_origin
from kernel.errors import DomainError

Refusal = TypeVar("Refusal", bound=RateLimited)


def admit_agent(*, agent: str, tool: str, now: datetime, cost: int = 1) -> dict[str, str]:
    """One request of the agent is counted; returns the RateLimit fields for its answer. Raises RateLimited, with them.

    `agent` is its TypeID, `tool` what the token is for (empty: only the agent's own quota). One statement.
    """
    asked: list[tuple[str, Quota]] = []
    if settings.RATE_AGENT is not None:
        asked.append((agent, settings.RATE_AGENT))
    if settings.RATE_TOOL is not None and tool:
        asked.append((f"{agent}/{tool[:64]}", settings.RATE_TOOL))
    standings = take_all(asked, now=now, cost=cost)
    headers = rate_limit_headers(standings)
    if exceeded := [item for item in standings if not item.is_allowed]:
        raise _refusal(RateLimited, exceeded, headers, f"This agent sends more than {_words(exceeded)}.")
    return headers


def refuse_unproven(*, kind: str, actor: Actor, subject: Subject, error: DomainError, now: datetime) -> DomainError:
    """The refusal of somebody who did not prove to be an agent is recorded or counted; returns what to answer: it, or LockedOut."""
    source = source_of(current_origin().ip)
    record_or_count(kind=kind, actor=actor, subject=subject, error=error, source=source, now=now)
    return refused_at_the_door(source=source, now=now) or error


def admit_proven(*, kind: str, actor: Actor, now: datetime) -> None:
    """One request of an agent for a token is counted; raises RateLimited, recorded or counted by the agent."""
    try:
        admit_agent(agent=actor.id, tool="", now=now)
    except RateLimited as error:
        record_or_count(kind=kind, actor=actor, subject=Subject("agent", actor.id), error=error, source=actor.id, now=now)
        raise


def refused_at_the_door(*, source: str, now: datetime) -> LockedOut | None:
    """One refused attempt of somebody unknown is counted; returns the refusal to answer instead once there were too many.

    Whoever proves to be an agent is never asked this, so nobody is locked out by a neighbour behind the same address.
    """
    if settings.RATE_REFUSED is None:
        return None
    standing = take(f"refused/{source}", settings.RATE_REFUSED, now=now)
    if standing.is_allowed:
        return None
    headers = rate_limit_headers([standing])
    detail = f"There were more than {_words([standing])} from this address."
    return _refusal(LockedOut, [standing], headers, detail)


def source_of(address: str) -> str:
    """Return what stands for a remote address in a count: an IPv4 address, or the /64 that one IPv6 customer has."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)


def _refusal(cls: type[Refusal], exceeded: Sequence[Standing], headers: dict[str, str], detail: str) -> Refusal:
    wait = max(item.wait_seconds for item in exceeded)
    names = [item.quota.name for item in exceeded]
    return cls(
        detail=f"{detail} Wait {wait} s.",
        data={"violated_policies": names, "retry_after_seconds": wait},
        headers={**headers, "Retry-After": str(wait)},
    )


def _words(standings: Sequence[Standing]) -> str:
    return " and ".join(f"{item.quota.limit} requests in {item.quota.seconds} s ({item.quota.name})" for item in standings)
