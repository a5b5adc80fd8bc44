"""Events for tests, and what every test database with insert-only tables needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import pytest
from django.core.management.commands import flush
from django.db import connection, transaction
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.backends.postgresql.operations import DatabaseOperations

from audit.kinds import register_kinds, registered_kinds
from audit.models import Checkpoint, Event, EventPayload
from audit.payloads import opened
from audit.records import NewEvent, SaltedPayload, Subject
from audit.sealer import Sealer
from audit.services import record_many
from audit.signer import sign_checkpoint
from kernel.actors import Actor, ActorKind
from kernel.canonical import canonical_bytes, digest_of_bytes
from kernel.ids import Prefix, encode, new_id

INSTANT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class SampleEvent(StrEnum):
    """Kinds that tests of the log itself record."""

    OBSERVED = "log:observed_in_a_test"


register_kinds(SampleEvent)


# What migrating fills, beside the tables themselves.
STAYING = frozenset({"django_content_type", "auth_permission"})
NEEDS_SUPERUSER = "The tests switch triggers off between themselves: the owner of DATABASE_URL and LEDGER_DATABASE_URL must be a superuser."


def permit_flush() -> None:
    """Let Django's flush between `transaction=True` tests empty insert-only tables too; only a database's owner can.

    Tables that hold something are emptied row by row: TRUNCATE makes new files for every table and index, a fifth of a second each time.
    Content types and permissions stay, so nobody has to make them anew.
    """

    def sql_flush(
        self: BaseDatabaseOperations, style: object, tables: Sequence[str], *, reset_sequences: bool = False, allow_cascade: bool = False
    ) -> list[str]:
        del style, reset_sequences, allow_cascade
        with self.connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(f"(SELECT '{name}' FROM {name} LIMIT 1)" for name in tables if name not in STAYING))
            return [f"DELETE FROM {name}" for (name,) in cursor.fetchall()]

    def execute_sql_flush(self: BaseDatabaseOperations, sql_list: Iterable[str]) -> None:
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('is_superuser')")
            if cursor.fetchone() != ("on",):
                pytest.exit(NEEDS_SUPERUSER)
            cursor.execute("SET LOCAL session_replication_role = replica")
            for statement in sql_list:
                cursor.execute(statement)

    DatabaseOperations.sql_flush = sql_flush  # type: ignore[method-assign]
    DatabaseOperations.execute_sql_flush = execute_sql_flush  # type: ignore[method-assign]
    flush.emit_post_migrate_signal = _nothing  # type: ignore[attr-defined]


def _nothing(*arguments: object, **named: object) -> None:
    del arguments, named


@contextmanager
def database_owner() -> Iterator[None]:
    """Do what only the owner of the database can: change rows with the triggers switched off."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what honest rows deferred is checked before they are tampered with
        cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = origin")


def proposal_id() -> str:
    """Return the TypeID of a proposal that exists nowhere else."""
    return encode(Prefix.PROPOSAL, new_id())


def about(proposal: str) -> Subject:
    """Return the subject of an event about one proposal."""
    return Subject(kind="proposal", id=proposal, proposal=proposal, company="ACME", tool="create_purchase_order")


def new_event(*, subject: Subject | None = None, number: int = 0, kind: str = SampleEvent.OBSERVED) -> NewEvent:
    """Return an event about to be recorded."""
    return NewEvent(
        kind=kind,
        actor=Actor.system("test"),
        subject=subject or Subject(kind="sample", id="one"),
        now=INSTANT,
        outcome={"status": "observed", "number": number},
        payload={"note": f"number {number}"},
    )


def recorded(*, subject: Subject | None = None, number: int = 0) -> Event:
    """Return an event that was recorded in a transaction of its own."""
    with transaction.atomic():
        return record_many([new_event(subject=subject, number=number)])[0]


def recorded_many(count: int, *, subject: Subject | None = None) -> list[Event]:
    """Return events recorded one after the other on one subject."""
    return [recorded(subject=subject, number=number) for number in range(count)]


def payload_of(event_id: UUID) -> SaltedPayload:
    """Return what lies beside an event, decrypted."""
    found = opened(EventPayload.objects.select_related("key").get(event_id=event_id))
    assert isinstance(found, SaltedPayload)
    return found


def seal_all() -> int:
    """Seal everything that is recorded, without signing; return how many were sealed."""
    return Sealer().seal_everything()


def seal_and_sign() -> Checkpoint | None:
    """Seal everything and sign a checkpoint into settings.AUDIT_CHECKPOINT_DIR."""
    seal_all()
    return sign_checkpoint(now=INSTANT)


@dataclass(frozen=True)
class CommittedProposal:
    """A proposal with the events of its whole path, and the members its apps would add to a bundle."""

    id: str
    members: Mapping[str, bytes]

    def section(self, proposal: str) -> Mapping[str, bytes]:
        """Return the members, as a registered section builder does."""
        return self.members if proposal == self.id else {}


def committed_proposal(
    *,
    approver: str = "7",
    excluded: tuple[str, ...] = ("11",),
    sent: Mapping[str, object] | None = None,
    is_approved_first: bool = True,
    differences: tuple[str, ...] = (),
    reported_differences: tuple[str, ...] | None = None,
) -> CommittedProposal:
    """Record a proposal from proposed to committed, as the other apps do, and return it with its members."""
    _register_missing()
    proposal = proposal_id()
    action = canonical_bytes({"schema": "countersign.action/1", "tool": "create_purchase_order", "params": {"vendor": "V-1"}})
    page = canonical_bytes({"headline": "Order 4 pumps from V-1"})
    read = canonical_bytes({"remaining": "5000.00"})
    read_id = encode(Prefix.READ, new_id())
    digest = digest_of_bytes("countersign.action/1", action)
    page_digest = digest_of_bytes("countersign.presentation/1", page)
    receipt = canonical_bytes({"document": "PO-2026-000001", "status": "posted"})
    read_back = canonical_bytes({"document": "PO-2026-000001", "differences": list(differences)})
    decision = {"decision": "approve", "payload_digest": digest, "presentation_digest": page_digest}
    agent, person, engine = Actor(ActorKind.AGENT, "agent_1"), Actor.human(int(approver)), Actor.system("commits")
    evidence = ({"role": "read", "source": read_id, "digest": digest_of_bytes("countersign.read/1", read)},)
    reported = differences if reported_differences is None else reported_differences
    outcome = {
        "status": "succeeded",
        "document": "PO-2026-000001",
        "differences": list(reported),
        "receipt_digest": digest_of_bytes("countersign.receipt/1", receipt),
        "read_back_digest": digest_of_bytes("countersign.read_back/1", read_back),
    }
    subject = about(proposal)

    def event(kind: str, actor: Actor, **values: object) -> NewEvent:
        return NewEvent(kind=kind, actor=actor, subject=subject, now=INSTANT, action_digest=digest, **values)  # type: ignore[arg-type]

    route = canonical_bytes({"schema": "countersign.route/1", "payload_digest": digest})
    route_digest = digest_of_bytes("countersign.route/1", route)
    routed: dict[str, object] = {"automatic": False, "approvals_required": 1, "route_digest": route_digest}
    routed["sod"] = [{"user": user, "reason": "owner"} for user in excluded]
    allowed = {"version": 1, "route_digest": route_digest}
    gate = [event("approval:decided", person, human=decision), event("approval:granted", person, gate=allowed)]
    started = event("commit:started", engine)
    path = [
        event("proposal:proposed", agent, evidence=evidence, payload={"rationale": "stock is low"}),
        event("gate:routed", Actor.system("gate"), gate=routed),
        *([*gate, started] if is_approved_first else [started, *gate]),
        event("commit:succeeded", engine, outcome=outcome),
    ]
    for item in path:
        with transaction.atomic():
            record_many([item])
    request = action if sent is None else canonical_bytes({"key": "k", "action": dict(sent)})
    members = {
        "proposal/action.json": action,
        f"proposal/presentation-{page_digest.removeprefix('sha256:')}.json": page,
        f"proposal/reads/{read_id}.json": read,
        "gate/route.json": canonical_bytes(
            {"excluded": routed["sod"], "required_approvals": 1, "automatic": False, "route_digest": route_digest}
        ),
        "gate/route_as_found.json": route,
        "gate/decisions.json": canonical_bytes({"decisions": [{"user": approver, **decision}]}),
        "erp/request.json": request,
        "erp/receipt.json": receipt,
        "erp/read_back.json": read_back,
    }
    return CommittedProposal(proposal, members)


def _register_missing() -> None:
    """Register the kinds of the path when the apps that own them are not installed."""
    path = ("proposal:proposed", "gate:routed", "approval:decided", "approval:granted", "commit:started", "commit:succeeded")
    missing = [kind for kind in path if kind not in registered_kinds()]
    if missing:
        register_kinds(kinds("PathEvent", *missing))


def kinds(name: str, *values: str) -> type[StrEnum]:
    """Return an enum of kinds made up for a test."""
    return StrEnum(name, [(f"KIND_{number}", value) for number, value in enumerate(values)])  # type: ignore[return-value]
