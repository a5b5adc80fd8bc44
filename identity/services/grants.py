"""Grants: issued within bounds, let out of log-only one at a time, revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.services import record
from gateway.catalogue import get_tool
from identity.errors import GrantExists, PrivilegedTool
from identity.events import IdentityEvent
from identity.models import PRIVILEGED_TOOLS, Agent, Grant
from identity.queries import open_grant
from identity.services.guards import (
    agent_subject,
    created,
    field_error,
    lock_managed_agent,
    mark_edited,
    records_refusal,
    remember_change,
    require_companies,
)
from identity.states import GRANT_TRANSITIONS, AgentState, GrantState
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.errors import NotVisible, StateConflict
from kernel.money import CURRENCY_PATTERN, MINOR_LIMIT
from kernel.queue import wake
from kernel.transitions import advance

GRANT_LIFETIME_MAX = timedelta(days=731)
COUNT_PER_HOUR_MAX = 100_000


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """The bounds of a grant. Amounts are minor units of `currency`; a write needs all four ceilings, a read takes none.

    Empty `vendors`, `accounts` and `cost_centres` mean any. `valid_from` left out means from now on.
    """

    companies: tuple[str, ...]
    valid_until: datetime
    valid_from: datetime | None = None
    vendors: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    cost_centres: tuple[str, ...] = ()
    currency: str = ""
    ceiling_minor: int | None = None
    ceiling_day_minor: int | None = None
    ceiling_30_days_minor: int | None = None
    count_per_hour: int | None = None


@records_refusal(IdentityEvent.GRANT_REFUSED)
def issue_grant(*, agent_id: UUID, tool: str, terms: GrantTerms, actor: Actor, now: datetime) -> Grant:
    """The agent has an open grant for the tool: a read is active, a write begins log-only.

    Raises PrivilegedTool for tools that nobody can grant to an agent, UnknownTool, GrantExists, ValidationFailed.
    """
    with transaction.atomic():
        agent, manager = lock_managed_agent(agent_id, actor)
        if agent.state == AgentState.DECOMMISSIONED:
            raise StateConflict(detail=f"{agent.name} is decommissioned for good.", data={"state": agent.state})
        found = get_tool(tool)
        if tool in PRIVILEGED_TOOLS or str(found.risk) == "privileged":
            raise PrivilegedTool(
                detail=f"{tool} is privileged: nobody can grant it to an agent, an administrator neither.", data={"tool": tool}
            )
        companies = require_companies(terms.companies, agent.companies, path="/companies", whose="the agent's companies")
        valid_from = terms.valid_from or now
        _require_dates(valid_from, terms.valid_until, now)
        is_write = str(found.kind) == "write"
        if is_write:
            _require_ceilings(terms)
        else:
            _require_companies_only(terms)
        if open_grant(agent.pk, tool) is not None:
            raise GrantExists(detail=f"{agent.name} has an open grant for {tool}; revoke it before you issue another.")
        grant = Grant(
            agent=agent,
            tool=tool,
            tool_kind=str(found.kind),
            risk=str(found.risk),
            state=GrantState.LOG_ONLY if is_write else GrantState.ACTIVE,
            companies=companies,
            vendors=sorted(set(terms.vendors)),
            accounts=sorted(set(terms.accounts)),
            cost_centres=sorted(set(terms.cost_centres)),
            currency=terms.currency,
            ceiling_minor=terms.ceiling_minor,
            ceiling_day_minor=terms.ceiling_day_minor,
            ceiling_30_days_minor=terms.ceiling_30_days_minor,
            count_per_hour=terms.count_per_hour,
            valid_from=valid_from,
            valid_until=terms.valid_until,
            issued_by=manager,
            created_at=now,
        )
        created(grant, user=manager, now=now)
        mark_edited(agent, user=manager)
        record(kind=IdentityEvent.GRANT_ISSUED, actor=actor, subject=agent_subject(agent, tool=tool), now=now, outcome=_told(grant))
        return grant


@records_refusal(IdentityEvent.GRANT_REFUSED)
def activate_grant(*, grant_id: UUID, actor: Actor, now: datetime) -> Grant:
    """The write leaves log-only: what the agent proposes from now on can be committed once it is approved."""
    with transaction.atomic():
        agent, grant = _lock_grant(grant_id, actor)
        manager = agent.last_edited_by
        if agent.state == AgentState.DECOMMISSIONED:
            raise StateConflict(detail=f"{agent.name} is decommissioned for good.", data={"state": agent.state})
        advance(grant, GrantState.ACTIVE, transitions=GRANT_TRANSITIONS, activated_by=manager, activated_at=now)
        remember_change([grant], user=manager, now=now)
        record(
            kind=IdentityEvent.GRANT_ACTIVATED,
            actor=actor,
            subject=agent_subject(agent, tool=grant.tool),
            now=now,
            outcome={"grant": grant.public_id, "state": grant.state},
        )
        return grant


@records_refusal(IdentityEvent.GRANT_REFUSED)
def revoke_grant(*, grant_id: UUID, actor: Actor, now: datetime) -> Grant:
    """The grant is closed for good, from the next request on; later stages are woken to look at what rests on it."""
    with transaction.atomic():
        agent, grant = _lock_grant(grant_id, actor)
        before = grant.state
        advance(grant, GrantState.REVOKED, transitions=GRANT_TRANSITIONS, revoked_at=now)
        remember_change([grant], user=agent.last_edited_by, now=now)
        record(
            kind=IdentityEvent.GRANT_REVOKED,
            actor=actor,
            subject=agent_subject(agent, tool=grant.tool),
            now=now,
            outcome={"grant": grant.public_id, "state": grant.state, "before": before},
        )
        wake("grant_revoked", str(grant.pk))
        return grant


def _lock_grant(grant_id: UUID, actor: Actor) -> tuple[Agent, Grant]:
    """Return agent and grant, locked in this order, the actor being the agent's last editor now."""
    agent_id = Grant.objects.filter(pk=grant_id).values_list("agent_id", flat=True).first()
    if agent_id is None:
        raise NotVisible(detail="There is no such grant among those you can see.")
    agent, manager = lock_managed_agent(agent_id, actor)
    mark_edited(agent, user=manager)
    return agent, Grant.objects.select_for_update().get(pk=grant_id)


def _require_dates(valid_from: datetime, valid_until: datetime, now: datetime) -> None:
    if not max(valid_from, now) < valid_until <= now + GRANT_LIFETIME_MAX:
        raise field_error(
            "/valid_until",
            "The grant's end is not after its beginning and within the next two years.",
            f"after {wire_time(max(valid_from, now))} and up to {wire_time(now + GRANT_LIFETIME_MAX)}",
        )


def _require_ceilings(terms: GrantTerms) -> None:
    if not CURRENCY_PATTERN.match(terms.currency):
        raise field_error("/currency", "A write grant needs the currency of its ceilings.", "an ISO 4217 code such as EUR")
    floor = 0
    for name in ("ceiling_minor", "ceiling_day_minor", "ceiling_30_days_minor"):
        value = getattr(terms, name)
        if not isinstance(value, int) or isinstance(value, bool) or not floor <= value < MINOR_LIMIT:
            raise field_error(
                f"/{name}",
                f"A write grant needs {name}; each ceiling is at least the one for the shorter period.",
                f"an integer of minor units, at least {floor}",
            )
        floor = value
    if not isinstance(terms.count_per_hour, int) or not 1 <= terms.count_per_hour <= COUNT_PER_HOUR_MAX:
        raise field_error("/count_per_hour", "A write grant needs a count per hour.", f"an integer from 1 to {COUNT_PER_HOUR_MAX}")


def _require_companies_only(terms: GrantTerms) -> None:
    for name in ("ceiling_minor", "ceiling_day_minor", "ceiling_30_days_minor", "count_per_hour"):
        if getattr(terms, name) is not None:
            raise field_error(f"/{name}", f"A read moves no money, so its grant takes no {name}.", "leave it out")
    for name in ("vendors", "accounts", "cost_centres"):
        if getattr(terms, name):
            raise field_error(f"/{name}", "A read grant is bounded by its companies.", "leave it out; a token's resource narrows a read")


def _told(grant: Grant) -> dict[str, object]:
    """Return the grant's bounds as the event keeps them for ever."""
    return {
        "grant": grant.public_id,
        "state": grant.state,
        "kind": grant.tool_kind,
        "risk": grant.risk,
        "companies": grant.companies,
        "vendors": grant.vendors,
        "accounts": grant.accounts,
        "cost_centres": grant.cost_centres,
        "currency": grant.currency,
        "ceiling_minor": grant.ceiling_minor,
        "ceiling_day_minor": grant.ceiling_day_minor,
        "ceiling_30_days_minor": grant.ceiling_30_days_minor,
        "count_per_hour": grant.count_per_hour,
        "valid_from": wire_time(grant.valid_from),
        "valid_until": wire_time(grant.valid_until),
    }
