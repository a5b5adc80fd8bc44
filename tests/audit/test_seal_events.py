"""Every recorded event gets one place in a gapless chain, whoever commits late, and nothing forged is ever sealed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event as Flag
from uuid import UUID

import pytest
from django.db import connection, transaction

from audit.keys import chain_id
from audit.models import Event, Frontier, Seal
from audit.queries import chain_status
from audit.sealer import Sealer, SealingRefused
from audit.sealer_process import Exit, SealerProcess
from audit.services import record_many
from audit.verifier.countersign_verify import entry_hash, genesis_entry, node_hash
from audit.watch import log_health
from tests.builders.audit import about, database_owner, new_event, proposal_id, recorded, recorded_many, seal_all

pytestmark = pytest.mark.django_db


def chain() -> list[tuple[int, str]]:
    """Return sequence and event of every seal."""
    return [(seal.sequence, str(seal.event_id)) for seal in Seal.objects.order_by("sequence")]


def test_events_are_sealed_gaplessly_and_chained() -> None:
    events = recorded_many(5)
    assert seal_all() == 5
    entry = genesis_entry(chain_id())
    seals = list(Seal.objects.order_by("sequence"))
    assert [seal.event_id for seal in seals] == [event.event_id for event in events]
    for number, (seal, event) in enumerate(zip(seals, events, strict=True), start=1):
        assert seal.sequence == number
        assert bytes(seal.previous) == entry
        entry = entry_hash(number, entry, bytes(event.leaf))
        assert bytes(seal.entry) == entry
    frontier = Frontier.objects.get(size=5)
    leaves = [bytes(event.leaf) for event in events]
    four = node_hash(node_hash(leaves[0], leaves[1]), node_hash(leaves[2], leaves[3]))
    assert bytes(frontier.root) == node_hash(four, leaves[4])
    assert bytes(frontier.entry) == entry


def test_sealing_again_seals_only_what_is_new() -> None:
    recorded_many(3)
    sealer = Sealer()
    assert sealer.seal_everything() == 3
    assert sealer.seal_everything() == 0
    recorded_many(2)
    assert sealer.seal_everything() == 2
    assert Seal.objects.count() == 5


def test_batches_continue_each_other() -> None:
    recorded_many(7)
    sealer = Sealer()
    assert [sealer.seal_batch(limit=3) for _ in range(4)] == [3, 3, 1, 0]
    assert [sequence for sequence, _ in chain()] == list(range(1, 8))
    assert Frontier.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_began_earlier_and_commits_later_is_sealed() -> None:
    is_recorded, may_commit = Flag(), Flag()

    def late() -> str:
        try:
            with transaction.atomic():
                event = record_many([new_event(subject=about(proposal_id()), number=1)])[0]
                is_recorded.set()
                may_commit.wait(10)
            return str(event.event_id)
        finally:
            connection.close()

    sealer = Sealer()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(late)
        assert is_recorded.wait(10)
        for number in range(3):
            recorded(number=number)
            sealer.seal_everything()
        assert Seal.objects.count() == 3
        may_commit.set()
        late_id = future.result(10)
    assert sealer.seal_everything() == 1
    assert chain()[-1] == (4, late_id)


def test_an_event_never_comes_before_the_one_it_links_to() -> None:
    proposal = proposal_id()
    events = recorded_many(4, subject=about(proposal))
    with database_owner(), connection.cursor() as cursor:  # as if the database's clock had jumped back
        for number, event in enumerate(events):
            cursor.execute(
                "UPDATE audit_event SET recorded_at = %s, transaction = transaction - %s WHERE event_id = %s",
                [event.recorded_at - timedelta(hours=number), number * 10, event.event_id],
            )
    assert Sealer().seal_batch(limit=2) == 2
    assert [event for _, event in chain()] == [str(event.event_id) for event in events]


def test_a_sealer_killed_in_the_middle_of_a_batch_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded_many(4)
    sealer = Sealer()
    with monkeypatch.context() as patch:
        patch.setattr(Frontier.objects, "create", _die)
        with pytest.raises(KeyboardInterrupt), transaction.atomic():
            sealer.seal_batch()
    assert Seal.objects.count() == 0
    assert sealer.seal_everything() == 4
    assert [sequence for sequence, _ in chain()] == [1, 2, 3, 4]


def _die(**values: object) -> None:
    raise KeyboardInterrupt


def _change(sql: str, *parameters: str | UUID) -> None:
    with database_owner(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("bytes = bytes || ' '::bytea", "event_edited"),
        ("bytes = bytes || ' '::bytea, leaf = sha256('\\x00'::bytea || bytes || ' '::bytea)", "event_forged"),
        ("company = 'OTHER'", "column_edited"),
        ("mac = sha256(mac)", "event_forged"),
    ],
)
def test_an_event_edited_before_sealing_stops_the_sealer(change: str, code: str) -> None:
    good = recorded(subject=about(proposal_id()))
    seal_all()
    bad = recorded(subject=about(proposal_id()))
    _change(f"UPDATE audit_event SET {change} WHERE event_id = %s", bad.event_id)
    with pytest.raises(SealingRefused) as refusal:
        seal_all()
    assert refusal.value.code == code
    assert [event for _, event in chain()] == [str(good.event_id)]


def test_an_event_deleted_before_sealing_stops_the_sealer_at_its_successor() -> None:
    first, _ = recorded_many(2, subject=about(proposal_id()))
    _change("DELETE FROM audit_event WHERE event_id = %s", first.event_id)
    with pytest.raises(SealingRefused) as refusal:
        seal_all()
    assert refusal.value.code == "link_broken"
    assert not Seal.objects.exists()


def test_an_event_of_another_log_is_not_sealed(settings: pytest.FixtureRequest) -> None:
    recorded()
    settings.REGION = "elsewhere"  # type: ignore[attr-defined]
    with pytest.raises(SealingRefused) as refusal:
        seal_all()
    assert refusal.value.code == "foreign_chain"


def test_the_process_stops_with_an_alarm_that_shows_in_the_status() -> None:
    bad = recorded(subject=about(proposal_id()))
    _change("UPDATE audit_event SET company = 'OTHER' WHERE event_id = %s", bad.event_id)
    process = SealerProcess()
    assert process.run_once() is Exit.ALARM
    assert process.run_once() is Exit.ALARM
    alarms = Event.objects.filter(kind="log:alarm_raised")
    assert alarms.count() == 1  # once for one cause
    status = chain_status()
    found = {trouble.code: trouble.sentence for trouble in log_health(now=bad.recorded_at).troubles}
    assert found["sealing_stopped"].startswith("Sealing stopped: The column company of")
    assert status.unsealed == 2
    assert status.sealed_to == 0


def test_running_once_seals_and_signs() -> None:
    recorded_many(3)
    assert SealerProcess().run_once() is Exit.STOPPED
    status = chain_status()
    assert (status.sealed_to, status.unsealed, status.checkpoint_size) == (3, 0, 3)
