"""What auditors look at and take away, on record: who saw which rows under which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from audit.models import Event
from audit.records import Subject
from audit.services import record
from kernel.actors import Actor
from kernel.canonical import digest
from reconciliation.events import AssuranceEvent

PARAMETERS_PURPOSE = "countersign.look/1"


def record_look(
    *, page: str, actor: Actor, now: datetime, about: str = "", company: str = "", parameters: Mapping[str, object] | None = None
) -> Event:
    """The look is recorded: the page and what it was about are hashed, the parameters lie beside, bound by their digest.

    It is an event about the person who looked, not about the proposal that was looked at: looking leaves the proposal's own chain as it
    is, and whoever may not know of the person does not learn what they looked for.
    """
    return _recorded(AssuranceEvent.LOOKED, page, actor, now, about=about, company=company, parameters=parameters, rows=None)


def record_export(
    *, page: str, actor: Actor, now: datetime, rows: int, about: str = "", company: str = "", parameters: Mapping[str, object] | None = None
) -> Event:
    """The export is recorded as a look is, with the number of rows that left."""
    return _recorded(AssuranceEvent.EXPORTED, page, actor, now, about=about, company=company, parameters=parameters, rows=rows)


def _recorded(
    kind: AssuranceEvent,
    page: str,
    actor: Actor,
    now: datetime,
    *,
    about: str,
    company: str,
    parameters: Mapping[str, object] | None,
    rows: int | None,
) -> Event:
    asked = {name: value for name, value in (parameters or {}).items() if value not in ("", None, [])}
    with transaction.atomic():
        return record(
            kind=kind,
            actor=actor,
            subject=Subject(kind="user", id=actor.id, company=company),
            now=now,
            outcome={
                "page": page,
                "about": about,
                "parameters_digest": digest(PARAMETERS_PURPOSE, asked),
                **({} if rows is None else {"rows": rows}),
            },
            payload=asked or None,
        )
