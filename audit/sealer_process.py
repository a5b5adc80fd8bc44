"""The sealer as a process: one at work, any number of standbys, one connection each.

A session-level advisory lock decides who works; it goes with the connection, so a sealer that dies or loses its connection
hands over by itself. (Behind a pooler that shares sessions, give the sealer a direct connection.) PostgreSQL may restart: the
process reconnects.

Every tick, 50 ms after work and 200 ms when idle, seals what was committed since. Whoever waits for a seal cuts the wait short
with `request_seal`, a NOTIFY of its own. Recording does not NOTIFY: PostgreSQL holds one lock over all notifying commits, fsync
included, and 8 clients then commit 1,950 instead of 3,500 transactions a second (measured with pgbench on two cores).
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from datetime import datetime
from enum import IntEnum
from threading import Event as Flag
from threading import Thread
from time import monotonic
from types import FrameType

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from audit.events import LogEvent
from audit.exporting import export_due
from audit.keys import chain_id
from audit.models import Event
from audit.partitions import make_partitions
from audit.records import Subject
from audit.sealer import BATCH_SIZE, Sealer, SealingRefused
from audit.services import record
from audit.signer import SigningRefused, sign_checkpoint
from kernel import clock
from kernel.actors import Actor
from kernel.context import Origin, origin

logger = logging.getLogger(__name__)

# "CSIGNAUD": the key of the lock that makes the sealer a singleton in one database.
SINGLETON_LOCK = int.from_bytes(b"CSIGNAUD", "big")
WAKE_CHANNEL = "countersign_audit"
TICK_BUSY_SECONDS = 0.05
TICK_IDLE_SECONDS = 0.2
STANDBY_SECONDS = 1.0
BACKOFF_SECONDS_MAX = 10.0
CHECKPOINT_EVENTS = 1_000
EXPORT_TICK_SECONDS = 0.5
EXPORT_STOP_SECONDS = 5.0

ACTOR = Actor.system("sealer")


class Exit(IntEnum):
    """How the process ended."""

    STOPPED = 0
    ALARM = 3
    NOT_THE_ONE = 4


class SealerProcess:
    """Runs until it is told to stop, or until something is wrong with the log."""

    def __init__(self) -> None:
        """Read the intervals."""
        self.checkpoint_seconds = float(getattr(settings, "AUDIT_CHECKPOINT_SECONDS", 5))
        self.heartbeat_seconds = float(getattr(settings, "AUDIT_HEARTBEAT_SECONDS", 300))
        self._stop = Flag()

    def stop(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """End after the batch in progress."""
        del signum, frame
        self._stop.set()

    def stop_on_signals(self) -> None:
        """Make SIGTERM and SIGINT end the process cleanly."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)

    def run(self) -> Exit:
        """Seal until stopped; reconnect when PostgreSQL goes away; end with an alarm when the log is not what it should be."""
        with origin(Origin(channel="sealer")):
            return self._guarded(self._serve)

    def run_once(self, *, wait_seconds: float = 10.0) -> Exit:
        """Seal and sign everything there is, then end."""

        def once() -> Exit:
            deadline = monotonic() + wait_seconds
            while not self._hold_lock():
                if monotonic() > deadline or self._stop.wait(0.1):
                    logger.error("Another sealer is at work.")
                    return Exit.NOT_THE_ONE
            try:
                Sealer().seal_everything()
                sign_checkpoint(now=clock.now())
            finally:
                self._release_lock()
            return Exit.STOPPED

        with origin(Origin(channel="sealer")):
            return self._guarded(once)

    def _guarded(self, work: Callable[[], Exit]) -> Exit:
        backoff = TICK_IDLE_SECONDS
        while not self._stop.is_set():
            began_at = monotonic()
            try:
                return work()
            except (SealingRefused, SigningRefused) as refusal:
                logger.error("SEALING STOPPED: %s", refusal)  # noqa: TRY400  the sentence says it all; there is no defect to trace
                raise_alarm(refusal)
                return Exit.ALARM
            except (OperationalError, InterfaceError) as error:
                logger.warning("The database is not available, trying again in %.1f s: %s", backoff, error)
                connection.close()
                self._stop.wait(backoff)
                is_recent = monotonic() - began_at < BACKOFF_SECONDS_MAX
                backoff = min(backoff * 2, BACKOFF_SECONDS_MAX) if is_recent else TICK_IDLE_SECONDS
        return Exit.STOPPED

    def _serve(self) -> Exit:
        while not self._hold_lock():
            if self._stop.wait(STANDBY_SECONDS):
                return Exit.STOPPED
        logger.info("This sealer is the one at work.")
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {WAKE_CHANNEL}")
        sealer = Sealer()
        sealer.seal_everything()
        sign_checkpoint(now=clock.now())
        make_partitions(now=clock.now())
        record_about_log(LogEvent.SEALER_STARTED, now=clock.now())
        with _Exporting():
            self._seal_and_sign(sealer)
        sign_checkpoint(now=clock.now())
        self._release_lock()
        return Exit.STOPPED

    def _seal_and_sign(self, sealer: Sealer) -> None:
        """Seal, sign and beat until stopped.

        The signer looks at the head in every interval, also when nothing is new: a log that was cut off while idle is found at once.
        """
        unsigned, signed_at, beat_at = 0, 0.0, monotonic()
        while not self._stop.is_set():
            if monotonic() - beat_at >= self.heartbeat_seconds:
                record_about_log(LogEvent.HEARTBEAT, now=clock.now())
                make_partitions(now=clock.now())
                beat_at = monotonic()
            sealed = sealer.seal_batch()
            unsigned += sealed
            if unsigned >= CHECKPOINT_EVENTS or monotonic() - signed_at >= self.checkpoint_seconds:
                self._sign()
                unsigned, signed_at = 0, monotonic()
            if sealed < BATCH_SIZE:
                self._wait(TICK_BUSY_SECONDS if sealed else TICK_IDLE_SECONDS)

    def _sign(self) -> None:
        """Sign the head; a directory that can't be written holds up no seal, and the status says that checkpoints are missing."""
        try:
            sign_checkpoint(now=clock.now())
        except OSError as error:
            logger.error("No checkpoint can be written: %s", error)  # noqa: TRY400  the sentence says it all

    def _wait(self, seconds: float) -> None:
        """Wait for a tick, or for somebody who wants a seal now."""
        connection.ensure_connection()
        for _ in connection.connection.notifies(timeout=seconds, stop_after=1):
            break

    def _hold_lock(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [SINGLETON_LOCK])
            row = cursor.fetchone()
        return bool(row and row[0])

    def _release_lock(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [SINGLETON_LOCK])


class _Exporting:
    """Checkpoints are brought outside by a thread of their own: a slow object store never delays a seal."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._over = Flag()
        self._thread = Thread(target=self._run, name="exporting", daemon=True)

    def __enter__(self) -> None:
        """Begin."""
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        """End after the attempt in progress, which is bounded by its own time; wait a moment for it."""
        self._over.set()
        self._thread.join(EXPORT_STOP_SECONDS)

    def _run(self) -> None:
        with origin(Origin(channel="sealer")):
            while not self._over.wait(EXPORT_TICK_SECONDS):
                try:
                    export_due(now=clock.now())
                except (OperationalError, InterfaceError) as error:
                    logger.warning("The database is not available for exporting: %s", error)
                    connection.close()
                except Exception:
                    # Without this thread nothing leaves any more; what is wrong stands in the log and in the status.
                    logger.exception("Exporting checkpoints failed.")
        connection.close()


def record_about_export(kind: LogEvent, *, place: str, detail: str, size: int, now: datetime) -> Event:
    """Record that a place could not be reached, or can be reached again; its name may hold an address of a person, so it lies beside."""
    return record(
        kind=kind,
        actor=ACTOR,
        subject=Subject(kind="log", id=f"{chain_id()}/exports"),
        now=now,
        outcome={"status": "failed" if detail else "resumed", "size": size},
        payload={"place": place} | ({"detail": detail} if detail else {}),
    )


def record_about_log(kind: LogEvent, *, now: datetime, **values: object) -> Event:
    """Record an event about the log itself, in a transaction of its own."""
    with transaction.atomic():
        return record(kind=kind, actor=ACTOR, subject=Subject(kind="log", id=chain_id()), now=now, outcome=values or None)


def raise_alarm(refusal: SealingRefused | SigningRefused) -> None:
    """Record the alarm among the (unsealed) events, once for each cause, so that every console shows it."""
    outcome = {"status": "stopped", "code": refusal.code, "event_id": refusal.event_id}
    try:
        if connection.needs_rollback and connection.in_atomic_block:
            return
        last = Event.objects.filter(kind=LogEvent.ALARM_RAISED).order_by("-event_id").first()
        if last is None or not _says(last, outcome):
            with transaction.atomic():
                record(
                    kind=LogEvent.ALARM_RAISED,
                    actor=ACTOR,
                    subject=Subject(kind="log", id=f"{chain_id()}/alarm"),
                    now=clock.now(),
                    outcome=outcome,
                    payload={"sentence": str(refusal)},
                )
    except (OperationalError, InterfaceError):
        logger.exception("The alarm could not be recorded.")


def request_seal() -> None:
    """Make the sealer look at once instead of at its next tick; called outside the business transaction by whoever waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [WAKE_CHANNEL])


def _says(event: Event, outcome: dict[str, str]) -> bool:
    from audit.queries import record_of

    stored = record_of(event).get("outcome")
    return isinstance(stored, dict) and {**outcome, **stored} == outcome
