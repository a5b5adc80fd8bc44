"""The life of an agent: register → activate → suspend ⇄ resume → decommission."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from audit.services import record
from identity.errors import AgentUnaccountable, DutiesConflict, ReviewOverdue
from identity.events import IdentityEvent
from identity.models import Agent, Role, TokenBinding
from identity.permissions import Permission, permissions_of, require_permission
from identity.queries import companies_as, companies_by_person, missing_accountability, person
from identity.services.guards import (
    acting_person,
    agent_subject,
    created,
    field_error,
    lock_managed_agent,
    mark_edited,
    records_refusal,
    remember_change,
    require_companies,
)
from identity.states import AGENT_TRANSITIONS, GRANT_TRANSITIONS, AgentState, GrantState, Suspension
from kernel.actors import Actor
from kernel.errors import PermissionRefused, StateConflict
from kernel.queue import wake
from kernel.transitions import advance

# An agent nobody has looked at for longer than a year is nobody's.
REVIEW_INTERVAL_MAX = timedelta(days=366)
NAME_LENGTH_MAX = 80


@records_refusal(IdentityEvent.AGENT_REFUSED)
def register_agent(
    *,
    name: str,
    purpose: str,
    runtime: str,
    owner_id: int,
    sponsor_id: int,
    companies: list[str],
    model: str,
    expires_on: date,
    actor: Actor,
    now: datetime,
    model_version: str = "",
    acts_for: Iterable[int] = (),
    token_binding: str = TokenBinding.DPOP,
) -> Agent:
    """The agent exists as a draft: it has an owner and a sponsor, two different people, and can do nothing yet.

    A person registers agents of their own; an administrator registers them for any agent owner of the same companies. The sponsor has
    a role in each of the agent's companies. `acts_for` lists the people it may name as having asked: nobody unless told otherwise.
    Its tokens are bound to a key unless `token_binding` says "bearer", the downgrade that its page shows.
    """
    with transaction.atomic():
        registrar = acting_person(actor)
        require_permission(registrar, Permission.AGENT_MANAGE)
        owner, sponsor = _owner_and_sponsor(owner_id, sponsor_id)
        is_administrator = bool(companies_as(registrar, Role.ADMINISTRATOR))
        if owner.pk != registrar.pk and not is_administrator:
            raise PermissionRefused(detail="You register agents that you own; an administrator registers them for others.")
        if is_administrator:
            require_companies(
                companies, companies_as(registrar, Role.ADMINISTRATOR), path="/companies", whose="the companies you administer"
            )
        covered = require_companies(companies, companies_as(owner, Role.AGENT_OWNER), path="/companies", whose="the companies of its owner")
        _require_sponsor(sponsor, covered)
        represented = _require_represented(acts_for, covered)
        name = name.strip()
        if not 0 < len(name) <= NAME_LENGTH_MAX or Agent.objects.filter(name=name).exists():
            raise field_error("/name", "The name is empty, too long or taken.", f"an unused name of up to {NAME_LENGTH_MAX} characters")
        _require_review_date(expires_on, now)
        agent = Agent(
            name=name,
            purpose=purpose.strip(),
            runtime=runtime.strip(),
            owner=owner,
            sponsor=sponsor,
            companies=covered,
            model=model.strip(),
            model_version=model_version.strip(),
            acts_for=represented,
            expires_on=expires_on,
            token_binding=TokenBinding(token_binding),
            created_by=registrar,
            last_edited_by=registrar,
            created_at=now,
        )
        created(agent, user=registrar, now=now)
        record(
            kind=IdentityEvent.AGENT_REGISTERED,
            actor=actor,
            subject=agent_subject(agent),
            now=now,
            outcome={
                "state": agent.state,
                "owner": str(owner.pk),
                "sponsor": str(sponsor.pk),
                "companies": covered,
                "expires_on": expires_on.isoformat(),
                "acts_for": [str(key) for key in represented],
                "token_binding": agent.token_binding,
            },
            payload={"name": agent.name, "purpose": agent.purpose, "runtime": agent.runtime, "model": agent.model},
        )
        return agent


@records_refusal(IdentityEvent.AGENT_REFUSED)
def activate_agent(*, agent_id: UUID, actor: Actor, now: datetime) -> Agent:
    """The draft is active: with a key and a grant it can get tokens."""
    return _move(agent_id, AgentState.ACTIVE, came_from=AgentState.DRAFT, kind=IdentityEvent.AGENT_ACTIVATED, actor=actor, now=now)


@records_refusal(IdentityEvent.AGENT_REFUSED)
def suspend_agent(*, agent_id: UUID, actor: Actor, now: datetime, reason: str = "") -> Agent:
    """The agent may do nothing from its next request on; later stages are woken to freeze what it has open."""
    return _move(
        agent_id,
        AgentState.SUSPENDED,
        came_from=AgentState.ACTIVE,
        kind=IdentityEvent.AGENT_SUSPENDED,
        actor=actor,
        now=now,
        wake_up="agent_suspended",
        reason=reason,
        suspended_at=now,
        suspended_because=Suspension.PERSON,
    )


@records_refusal(IdentityEvent.AGENT_REFUSED)
def resume_agent(*, agent_id: UUID, actor: Actor, now: datetime) -> Agent:
    """The suspended agent is active again, with the keys and grants it had; what was frozen and is still valid goes on.

    Raises ReviewOverdue past its review date (renew it instead) and AgentUnaccountable when owner or sponsor are gone.
    """
    return _move(
        agent_id,
        AgentState.ACTIVE,
        came_from=AgentState.SUSPENDED,
        kind=IdentityEvent.AGENT_RESUMED,
        actor=actor,
        now=now,
        wake_up="agent_resumed",
        suspended_at=None,
        suspended_because="",
    )


@records_refusal(IdentityEvent.AGENT_REFUSED)
def renew_agent(*, agent_id: UUID, expires_on: date, actor: Actor, now: datetime) -> Agent:
    """The agent was reviewed and has a new review date, at most a year ahead; if only its review kept it suspended, it is active again.

    Raises AgentUnaccountable when owner or sponsor are gone: nobody is there to answer for another year.
    """
    with transaction.atomic():
        agent, manager = lock_managed_agent(agent_id, actor)
        _require_alive(agent)
        _require_review_date(expires_on, now)
        _require_accountable(agent)
        before = agent.expires_on
        is_released = agent.state == AgentState.SUSPENDED and agent.suspended_because == Suspension.REVIEW
        Agent.objects.filter(pk=agent.pk).update(expires_on=expires_on, last_edited_by=manager)
        agent.expires_on, agent.last_edited_by = expires_on, manager
        if is_released:
            advance(agent, AgentState.ACTIVE, transitions=AGENT_TRANSITIONS, suspended_at=None, suspended_because="")
        remember_change([agent], user=manager, now=now)
        record(
            kind=IdentityEvent.AGENT_RENEWED,
            actor=actor,
            subject=agent_subject(agent),
            now=now,
            outcome={"expires_on": expires_on.isoformat(), "before": before.isoformat(), "state": agent.state},
        )
        if is_released:
            wake("agent_resumed", str(agent.pk))
        return agent


@records_refusal(IdentityEvent.AGENT_REFUSED)
def edit_agent(
    *,
    agent_id: UUID,
    purpose: str,
    runtime: str,
    model: str,
    model_version: str,
    actor: Actor,
    now: datetime,
    acts_for: Iterable[int] | None = None,
) -> Agent:
    """The agent is described anew; owner, sponsor, companies and name stay what was registered. `acts_for` left out stays, too."""
    described: dict[str, object] = {
        "purpose": purpose.strip(),
        "runtime": runtime.strip(),
        "model": model.strip(),
        "model_version": model_version.strip(),
    }
    with transaction.atomic():
        agent, manager = lock_managed_agent(agent_id, actor)
        _require_alive(agent)
        if acts_for is not None:
            # Whoever is in the list already may stay, also when they have left: their name in it does nothing then.
            described["acts_for"] = _require_represented(acts_for, agent.companies, known=agent.acts_for)
        before = {name: getattr(agent, name) for name in described}
        changed = {name: value for name, value in described.items() if before[name] != value}
        Agent.objects.filter(pk=agent.pk).update(**described, last_edited_by=manager)
        for name, value in described.items():
            setattr(agent, name, value)
        agent.last_edited_by = manager
        remember_change([agent], user=manager, now=now)
        record(
            kind=IdentityEvent.AGENT_EDITED,
            actor=actor,
            subject=agent_subject(agent),
            now=now,
            outcome={"fields": sorted(changed)},
            payload={"after": changed, "before": {name: before[name] for name in changed}},
        )
        return agent


@records_refusal(IdentityEvent.AGENT_REFUSED)
def decommission_agent(*, agent_id: UUID, actor: Actor, now: datetime, reason: str = "") -> Agent:
    """The agent is retired for good: keys and grants revoked, later stages woken to withdraw what it has open, records kept."""
    with transaction.atomic():
        agent, manager = lock_managed_agent(agent_id, actor)
        # The rows first: once the agent is decommissioned, nothing of it may change any more.
        credentials = list(agent.credentials.select_for_update().filter(revoked_at__isnull=True))
        federated = list(agent.federated_credentials.select_for_update().filter(revoked_at__isnull=True))
        grants = list(agent.grants.select_for_update().exclude(state=GrantState.REVOKED))
        if agent.state == AgentState.DECOMMISSIONED:
            raise StateConflict(detail=f"{agent.name} is decommissioned already.", data={"state": agent.state})
        agent.credentials.filter(revoked_at__isnull=True).update(revoked_at=now)
        agent.federated_credentials.filter(revoked_at__isnull=True).update(revoked_at=now)
        for credential in credentials:
            credential.revoked_at = now
        for subject in federated:
            subject.revoked_at = now
        for grant in grants:
            advance(grant, GrantState.REVOKED, transitions=GRANT_TRANSITIONS, revoked_at=now)
        advance(
            agent,
            AgentState.DECOMMISSIONED,
            transitions=AGENT_TRANSITIONS,
            decommissioned_at=now,
            last_edited_by=manager,
        )
        remember_change([*credentials, *federated, *grants, agent], user=manager, now=now)
        record(
            kind=IdentityEvent.AGENT_DECOMMISSIONED,
            actor=actor,
            subject=agent_subject(agent),
            now=now,
            outcome={
                "state": agent.state,
                "credentials": [row.public_id for row in credentials] + [row.public_id for row in federated],
                "grants": [grant.public_id for grant in grants],
            },
            payload={"reason": reason} if reason else None,
        )
        wake("agent_decommissioned", str(agent.pk))
        return agent


def _move(
    agent_id: UUID,
    to: AgentState,
    *,
    came_from: AgentState,
    kind: IdentityEvent,
    actor: Actor,
    now: datetime,
    wake_up: str = "",
    reason: str = "",
    **values: object,
) -> Agent:
    with transaction.atomic():
        agent, manager = lock_managed_agent(agent_id, actor)
        if agent.state != came_from:
            raise StateConflict(
                detail=f"{agent.name} is {agent.state}; this is possible for an agent that is {came_from}.",
                data={"state": agent.state, "expected": came_from.value, "requested": to.value},
            )
        if to == AgentState.ACTIVE:
            _require_review_ahead(agent, now)
            _require_accountable(agent)
        advance(agent, to, transitions=AGENT_TRANSITIONS, **values)
        mark_edited(agent, user=manager)
        remember_change([agent], user=manager, now=now)
        record(
            kind=kind,
            actor=actor,
            subject=agent_subject(agent),
            now=now,
            outcome={"state": agent.state, "before": came_from.value},
            payload={"reason": reason} if reason else None,
        )
        if wake_up:
            wake(wake_up, str(agent.pk))
        return agent


def _owner_and_sponsor(owner_id: int, sponsor_id: int) -> tuple[User, User]:
    owner, sponsor = person(owner_id), person(sponsor_id)
    if owner is None or Permission.AGENT_MANAGE not in permissions_of(owner):
        raise field_error("/owner", "The owner is nobody with an active account who may own agents.", "an agent owner")
    if sponsor is None:
        raise field_error("/sponsor", "The sponsor is nobody with an active account.", "a person with an active account")
    if owner.pk == sponsor.pk:
        raise DutiesConflict(detail="Owner and sponsor of an agent are two different people.")
    return owner, sponsor


def _require_sponsor(sponsor: User, companies: Iterable[str]) -> None:
    held: frozenset[str] = frozenset().union(*companies_by_person([sponsor.pk]).get(sponsor.pk, {}).values())
    if missing := sorted(set(companies) - held):
        listed = ", ".join(missing)
        raise field_error("/sponsor", f"The sponsor has no role in {listed}.", "a person with a role in each of the agent's companies")


def _require_represented(acts_for: Iterable[int], companies: Iterable[str], *, known: Iterable[int] = ()) -> list[int]:
    """Return the people sorted, without doubles; raises ValidationFailed unless each has a role in one of the companies, or is known."""
    asked = set(acts_for)
    held = companies_by_person(asked)
    allowed = frozenset(companies)
    strangers = [key for key in asked - set(known) if not allowed & frozenset().union(*held.get(key, {}).values())]
    if strangers:
        raise field_error(
            "/acts_for",
            "The agent can act only for people with a role in one of its companies.",
            f"people with a role in {' or '.join(sorted(companies))}",
        )
    return sorted(asked)


def _require_review_ahead(agent: Agent, now: datetime) -> None:
    if agent.expires_on < now.date():
        raise ReviewOverdue(
            detail=f"{agent.name} was to be reviewed by {agent.expires_on.isoformat()}; renew it, that lets it work again.",
            data={"expires_on": agent.expires_on.isoformat()},
        )


def _require_accountable(agent: Agent) -> None:
    if reason := missing_accountability(agent):
        raise AgentUnaccountable(
            detail=f"{reason} {agent.name} stays as it is until an administrator gives the role back, or decommissions it."
        )


def _require_review_date(expires_on: date, now: datetime) -> None:
    today = now.date()
    if not today < expires_on <= today + REVIEW_INTERVAL_MAX:
        raise field_error(
            "/expires_on",
            f"The review date {expires_on.isoformat()} is not within the next year.",
            f"after {today.isoformat()} and up to {(today + REVIEW_INTERVAL_MAX).isoformat()}",
        )


def _require_alive(agent: Agent) -> None:
    if agent.state == AgentState.DECOMMISSIONED:
        raise StateConflict(detail=f"{agent.name} is decommissioned for good.", data={"state": agent.state})
