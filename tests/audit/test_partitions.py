"""Events lie in monthly partitions; links keep one successor for each event over all of them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from audit.models import Event, Link
from audit.partitions import make_partitions, partitions
from audit.verification import verify_chain
from tests.builders.audit import about, proposal_id, recorded, recorded_many, seal_and_sign

pytestmark = pytest.mark.django_db

COPY = """
INSERT INTO audit_event SELECT (%s)::uuid, kind, occurred_at, recorded_at, transaction, actor_kind, actor_id, subject_kind, subject_id,
    proposal, company, tool, chain, position, previous_leaf, bytes, leaf, mac FROM audit_event WHERE event_id = %s
"""


def first_id(year: int, month: int) -> UUID:
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_first_id(%s)", [datetime(year, month, 1, tzinfo=UTC)])
        found: UUID = cursor.fetchone()[0]
        return found


def partition_of(event_id: UUID) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM audit_event WHERE event_id = %s", [event_id])
        return str(cursor.fetchone()[0])


def test_partitions_are_made_once_for_this_month_and_the_next_ones() -> None:
    now = datetime(2101, 11, 23, 9, 0, tzinfo=UTC)
    assert make_partitions(now=now) == ["audit_event_2101_11", "audit_event_2101_12", "audit_event_2102_01", "audit_event_2102_02"]
    assert make_partitions(now=now) == []
    assert {"audit_event_first", "audit_event_other", "audit_event_2102_01"} <= {found.name for found in partitions()}


def test_a_month_within_the_first_partition_gets_none_of_its_own() -> None:
    assert make_partitions(now=datetime(2026, 1, 5, tzinfo=UTC), months=0) == []


def test_an_event_lies_where_its_id_says_and_waits_elsewhere_while_there_is_no_partition() -> None:
    event = recorded()
    make_partitions(now=datetime(2101, 11, 23, tzinfo=UTC), months=0)
    assert partition_of(event.pk).startswith("audit_event_")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(COPY, [first_id(2101, 11), event.pk])
        cursor.execute(COPY, [first_id(2103, 5), event.pk])
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert partition_of(first_id(2101, 11)) == "audit_event_2101_11"
    assert partition_of(first_id(2103, 5)) == "audit_event_other"


def test_a_second_successor_is_refused_in_another_partition_too() -> None:
    event = recorded()
    make_partitions(now=datetime(2101, 11, 23, tzinfo=UTC), months=0)
    for copied in (first_id(2101, 11), first_id(2103, 5)):
        with pytest.raises(IntegrityError, match="audit_link_pkey"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(COPY, [copied, event.pk])
    assert Event.objects.count() == Link.objects.count() == 1


def test_a_partition_refuses_changes_by_its_own_name() -> None:
    event = recorded()
    for name in ("audit_event", partition_of(event.pk)):
        for statement in (f"DELETE FROM {name}", f"UPDATE {name} SET kind = kind", f"TRUNCATE {name}"):
            with pytest.raises(IntegrityError, match="only ever added"), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement)


def test_events_of_several_partitions_form_one_chain() -> None:
    """Nothing but the partition differs: two events of one proposal in different months are linked, sealed and verified as ever."""
    proposal = proposal_id()
    events = recorded_many(3, subject=about(proposal))
    assert [link.position for link in Link.objects.filter(chain=proposal).order_by("position")] == [1, 2, 3]
    seal_and_sign()
    assert verify_chain().holds
    assert len({partition_of(event.pk) for event in events}) == 1
