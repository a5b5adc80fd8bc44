"""The sealer as a process: it seals within a tick, hands over when it dies, survives a lost connection and stops cleanly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace

import pytest
from django.db import connection
from pytest_django import Settings

from audit.models import Checkpoint, Event, Export, Seal
from audit.sealer_process import SINGLETON_LOCK, Exit, SealerProcess, request_seal
from audit.verification import verify_chain
from tests.builders.audit import INSTANT, recorded_many
from tests.builders.forgery import owner

pytestmark = pytest.mark.django_db(transaction=True)


def eventually(holds: Callable[[], bool], *, seconds: float = 15.0) -> None:
    """Wait until something holds."""
    deadline = monotonic() + seconds
    while not holds():
        assert monotonic() < deadline, "did not happen in time"
        sleep(0.02)


class Running:
    """Sealer processes running in threads of their own."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(2)
        self.started: list[tuple[SealerProcess, Future[Exit]]] = []

    def start(self) -> tuple[SealerProcess, Future[Exit]]:
        """Start one and return it with its exit code to come."""
        process = SealerProcess()

        def run() -> Exit:
            try:
                return process.run()
            finally:
                connection.close()

        self.started.append((process, self.pool.submit(run)))
        return self.started[-1]


@pytest.fixture
def running() -> Iterator[Running]:
    """Start sealers; all of them are stopped at the end."""
    value = Running()
    yield value
    for process, _ in value.started:
        process.stop()
    value.pool.shutdown(wait=True)


@pytest.fixture(autouse=True)
def _short_intervals(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AUDIT_CHECKPOINT_SECONDS = 0.2
    # The sealer's clock stands where that of the recorded events does, on whatever day the tests run.
    monkeypatch.setattr("audit.sealer_process.clock", SimpleNamespace(now=lambda: INSTANT))


def holder() -> int | None:
    """Return the backend that holds the sealer's lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database()) AND (classid::bigint << 32) + objid::bigint = %s",
            [SINGLETON_LOCK],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def test_it_seals_and_signs_what_is_recorded_and_stops_cleanly(running: Running, checkpoints: Path) -> None:
    process, done = running.start()
    events = recorded_many(5)
    request_seal()
    eventually(lambda: Seal.objects.filter(event__in=events).count() == 5)
    eventually(lambda: Checkpoint.objects.filter(size__gte=Seal.objects.count()).exists())
    process.stop()
    assert done.result(10) is Exit.STOPPED
    assert holder() is None
    assert (checkpoints / "latest.note").exists()
    assert Event.objects.filter(kind="log:sealer_started").count() == 1
    assert verify_chain().holds


def test_an_idle_log_beats(running: Running, settings: Settings) -> None:
    settings.AUDIT_HEARTBEAT_SECONDS = 0.3
    running.start()
    eventually(lambda: Event.objects.filter(kind="log:heartbeat", seal__isnull=False).count() >= 2)
    eventually(lambda: Checkpoint.objects.count() >= 2)


def test_it_brings_checkpoints_outside_while_it_seals(running: Running, settings: Settings, tmp_path: Path) -> None:
    settings.AUDIT_EXPORT_DIRECTORIES = (str(tmp_path / "mount"),)
    running.start()
    recorded_many(3)
    eventually(lambda: Export.objects.filter(is_done=True, size__gte=4).exists())
    assert list((tmp_path / "mount").glob("*.note"))


def test_a_standby_takes_over(running: Running) -> None:
    first, done = running.start()
    eventually(lambda: holder() is not None)
    working = holder()
    running.start()
    sleep(0.3)
    assert holder() == working  # the second one waits
    first.stop()
    assert done.result(10) is Exit.STOPPED
    eventually(lambda: holder() not in {None, working})
    events = recorded_many(2)
    eventually(lambda: Seal.objects.filter(event__in=events).count() == 2)


def test_it_reconnects_after_its_connection_was_cut(running: Running) -> None:
    running.start()
    eventually(lambda: holder() is not None)
    working = holder()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [working])
    events = recorded_many(3)
    eventually(lambda: Seal.objects.filter(event__in=events).count() == 3)
    assert holder() not in {None, working}
    assert verify_chain().holds


def test_while_one_is_at_work_another_cannot_run_once(running: Running) -> None:
    running.start()
    eventually(lambda: holder() is not None)
    assert SealerProcess().run_once(wait_seconds=0.2) is Exit.NOT_THE_ONE


def test_several_processes_find_what_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.chain_pass.BLOCK_ROWS", 7)
    recorded_many(30)
    SealerProcess().run_once()
    alone, together = verify_chain(processes=1), verify_chain(processes=2)
    assert together.holds
    assert together.as_dict() == alone.as_dict()
    owner("UPDATE audit_event SET company = 'OTHER' WHERE position IN (3, 20)")
    alone, together = verify_chain(processes=1), verify_chain(processes=2)
    assert [problem.code for problem in together.findings.problems] == ["column_edited"] * 2
    assert together.as_dict() == alone.as_dict()


def test_a_signer_without_its_memory_begins_anew_and_says_so(checkpoints: Path) -> None:
    recorded_many(3)
    SealerProcess().run_once()
    (checkpoints / "signer.json").unlink()
    recorded_many(2)
    SealerProcess().run_once()
    assert Event.objects.filter(kind="log:signer_began_anew").count() == 1
    assert verify_chain().holds
    (checkpoints / "signer.json").unlink()
    owner("UPDATE audit_checkpoint SET root = sha256(root) WHERE size = 5")
    recorded_many(1)
    assert SealerProcess().run_once() is Exit.ALARM  # the newest checkpoint in the database is not one that this key signed
