"""Each event names the one before it on the same subject, and no two name the same one, however many record at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction

from audit.models import Event
from audit.queries import record_of
from audit.records import Subject
from audit.services import record_many
from tests.builders.audit import about, new_event, proposal_id, recorded, recorded_many

THREADS = 8
ROUNDS = 6


@pytest.mark.django_db
def test_events_of_one_proposal_form_one_chain_whatever_they_are_about() -> None:
    proposal = proposal_id()
    first = recorded(subject=about(proposal))
    recorded(subject=about(proposal_id()))
    second = recorded(subject=Subject(kind="commit", id="cmt_1", proposal=proposal))
    assert (first.position, first.previous_leaf) == (1, None)
    assert second.position == 2
    assert bytes(second.previous_leaf or b"") == bytes(first.leaf)
    assert record_of(second)["link"] == {"chain": proposal, "position": 2, "previous": bytes(first.leaf).hex()}


@pytest.mark.django_db
def test_subjects_without_a_proposal_have_a_chain_each() -> None:
    one = recorded_many(2, subject=Subject(kind="agent", id="a"))
    other = recorded(subject=Subject(kind="policy", id="a"))
    assert [event.position for event in one] == [1, 2]
    assert other.position == 1


@pytest.mark.django_db(transaction=True)
def test_eight_threads_on_one_subject_do_not_fork_its_chain() -> None:
    subject = about(proposal_id())
    barrier = Barrier(THREADS)

    def work(number: int) -> None:
        try:
            barrier.wait()
            for round_number in range(ROUNDS):
                with transaction.atomic():
                    record_many([new_event(subject=subject, number=number * 100 + round_number)])
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    rows = list(Event.objects.order_by("position"))
    assert [row.position for row in rows] == list(range(1, THREADS * ROUNDS + 1))
    for before, after in pairwise(rows):
        assert bytes(after.previous_leaf or b"") == bytes(before.leaf)


@pytest.mark.django_db(transaction=True)
def test_batches_over_the_same_subjects_in_opposite_order_do_not_deadlock() -> None:
    subjects = [about(proposal_id()) for _ in range(20)]
    barrier = Barrier(4)

    def work(number: int) -> None:
        ordered = subjects if number % 2 else subjects[::-1]
        try:
            barrier.wait()
            for _ in range(5):
                with transaction.atomic():
                    record_many([new_event(subject=subject) for subject in ordered])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert Event.objects.count() == 4 * 5 * 20
    assert Event.objects.filter(position=20).count() == 20


@pytest.mark.django_db
def test_a_fork_cannot_be_stored() -> None:
    event = recorded()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_event SELECT gen_random_uuid(), kind, occurred_at, recorded_at, transaction, actor_kind, actor_id, "
            "subject_kind, subject_id, proposal, company, tool, chain, position, previous_leaf, bytes, leaf, mac "
            "FROM audit_event WHERE event_id = %s",
            [event.event_id],
        )
