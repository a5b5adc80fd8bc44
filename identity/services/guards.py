"""What every service of identity asks first: who is acting, on which agent, and whether that is theirs to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import wraps
from typing import ParamSpec, TypeVar, cast
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Model

from audit.records import Subject
from audit.services import record_denial
from identity.events import IdentityEvent
from identity.models import Agent, Role
from identity.permissions import Permission, require_permission
from identity.queries import companies_as, person, visible_agents
from kernel.actors import Actor, ActorKind
from kernel.errors import DomainError, FieldError, NotVisible, PermissionRefused, ValidationFailed
from kernel.ids import Prefix, encode

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# Which of a service's arguments names its subject, and how.
SUBJECTS = (
    ("agent_id", "agent", Prefix.AGENT),
    ("credential_id", "credential", Prefix.CREDENTIAL),
    ("grant_id", "grant", Prefix.GRANT),
    ("federated_id", "federated_credential", Prefix.FEDERATED),
    ("issuer_id", "issuer", Prefix.ISSUER),
)


def records_refusal(kind: IdentityEvent) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Make a service record its security denials: one event, after the refused transaction has rolled back."""

    def decorate(service: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @wraps(service)
        def recorded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            try:
                return service(*args, **kwargs)
            except DomainError as error:
                if error.is_security_denial:
                    record_denial(
                        kind=kind,
                        actor=cast("Actor", kwargs["actor"]),
                        subject=_subject_of(kwargs),
                        now=cast("datetime", kwargs["now"]),
                        error=error,
                    )
                raise

        return recorded

    return decorate


def acting_person(actor: Actor) -> User:
    """Return the active person behind the actor; raises PermissionRefused for agents, jobs and people who were let go."""
    found = person(int(actor.id)) if actor.kind is ActorKind.HUMAN and actor.id.isdecimal() else None
    if found is None:
        raise PermissionRefused(detail="Only a person with an active account manages agents and people.")
    return found


def lock_managed_agent(agent_id: UUID, actor: Actor) -> tuple[Agent, User]:
    """Return the agent, locked, and the person, who may manage it: its owner, or an administrator of all its companies.

    Raises NotVisible when the person may not know of the agent, PermissionRefused when it is not theirs to manage.
    """
    manager = acting_person(actor)
    agent = visible_agents(manager).select_for_update(no_key=True, of=("self",)).filter(pk=agent_id).first()
    if agent is None:
        raise NotVisible(detail="There is no such agent among those you can see.")
    require_permission(manager, Permission.AGENT_MANAGE)
    if agent.owner_id == manager.pk:
        return agent, manager
    if not set(agent.companies) <= companies_as(manager, Role.ADMINISTRATOR):
        raise PermissionRefused(
            detail=f"{agent.name} is managed by its owner or by an administrator of all its companies.",
            data={"agent": agent.public_id, "companies": sorted(agent.companies)},
        )
    return agent, manager


def agent_subject(agent: Agent, *, tool: str = "") -> Subject:
    """Return the agent as the subject of an event: its keys and grants are told in the agent's own chain."""
    return Subject("agent", agent.public_id, tool=tool)


def remember_change(rows: Iterable[Model], *, user: User | None, now: datetime) -> None:
    """Each row has a before/after row for a change that was written by UPDATE and not by `save`; no user when a job did it."""
    for row in rows:
        type(row).history.bulk_history_create([row], update=True, default_user=user, default_date=now)  # type: ignore[attr-defined]


def created(row: Model, *, user: User, now: datetime) -> None:
    """The row is inserted, and its history begins with the person who did it."""
    row._history_user, row._history_date = user, now  # type: ignore[attr-defined]  # noqa: SLF001  simple-history's way in
    row.save(force_insert=True)


def mark_edited(agent: Agent, *, user: User) -> None:
    """The agent names the person as its last editor, who may therefore not decide on its proposals."""
    if agent.last_edited_by_id != user.pk:
        Agent.objects.filter(pk=agent.pk).update(last_edited_by=user)
        agent.last_edited_by = user


def require_companies(companies: Iterable[str], allowed: Iterable[str], *, path: str, whose: str) -> list[str]:
    """Return the companies sorted, without doubles; raises ValidationFailed unless there are some and all are allowed."""
    asked, known = set(companies), set(allowed)
    if asked and asked <= known:
        return sorted(asked)
    listed = ", ".join(sorted(known)) or "none"
    message = f"{', '.join(sorted(asked - known))} is not among {whose}: {listed}." if asked else "At least one company is needed."
    raise ValidationFailed(detail=message, errors=(FieldError(path, message, f"one or more of {listed}"),))


def field_error(path: str, message: str, acceptable: str) -> ValidationFailed:
    """Return the refusal of one field."""
    return ValidationFailed(detail=message, errors=(FieldError(path, message, acceptable),))


def _subject_of(arguments: dict[str, object]) -> Subject:
    for name, kind, prefix in SUBJECTS:
        if isinstance(value := arguments.get(name), UUID):
            return Subject(kind, encode(prefix, value))
    actor = cast("Actor", arguments["actor"])
    return Subject("user", str(arguments.get("user_id", actor.id)))
