"""Whether logging works right now, cheaply enough to be asked every few seconds: for the status card, for monitoring, for an exit code.

Logging has stopped when nobody holds the sealer's lock, when an alarm was raised after the last seal, when recorded events wait, when no
heartbeat came, or when checkpoints are no longer signed or no longer get outside; and it is not to be relied on when the last verification
found that the chain does not hold. Each has its own word. No question here walks the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from audit.events import LogEvent
from audit.exporting import exporters, failures_in_a_row
from audit.models import Checkpoint, Event, Export, Frontier
from audit.queries import alarm_sentence, record_of
from audit.sealer_process import SINGLETON_LOCK

WAITING_SECONDS_MAX = 60.0
UNSIGNED_SECONDS_MAX = 60.0
EXPORT_SECONDS_MAX = 900.0

HOLDER = """
SELECT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32) + objid::bigint = %s
)
"""
# Whatever was recorded after the last seal waits for the next one; the block range index finds it.
WAITING = "SELECT min(recorded_at) FROM audit_event WHERE recorded_at > %s"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong with logging: a stable word for monitoring, and a sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ExportStatus:
    """How one place outside is doing: the last checkpoint that got there, and why the next one did not."""

    name: str
    title: str
    size: int
    at: datetime | None
    place: str
    is_failing: bool
    detail: str
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class LogHealth:
    """Whether logging works, and what is wrong with it if it does not."""

    troubles: tuple[Trouble, ...]
    exports: tuple[ExportStatus, ...]

    @property
    def is_well(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.troubles

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "is_well": self.is_well,
            "troubles": [{"code": trouble.code, "sentence": trouble.sentence} for trouble in self.troubles],
            "exports": [{"name": row.name, "size": row.size, "is_failing": row.is_failing, "detail": row.detail} for row in self.exports],
        }


def log_health(*, now: datetime) -> LogHealth:
    """Return whether logging works at this instant."""
    exports = export_rows()
    return LogHealth((*_sealing(now), *_signing(now), *_exporting(exports, now), *_verifying()), exports)


def is_sealer_at_work() -> bool:
    """Tell whether some process holds the sealer's lock now: its connection lives."""
    with connection.cursor() as cursor:
        cursor.execute(HOLDER, [SINGLETON_LOCK])
        (is_held,) = cursor.fetchone()
    return bool(is_held)


def export_rows() -> tuple[ExportStatus, ...]:
    """Return how every configured place is doing."""
    rows = []
    for exporter in exporters():
        failures, done, failed = failures_in_a_row(exporter.name)
        rows.append(
            ExportStatus(
                name=exporter.name,
                title=exporter.title,
                size=done.size if done else 0,
                at=done.attempted_at if done else None,
                place=done.place if done else "",
                is_failing=failures > 0,
                detail=failed.detail if failed else "",
                failing_since=_failing_since(exporter.name, done.id if done else None) if failures else None,
            )
        )
    return tuple(rows)


def _failing_since(name: str, done_id: object) -> datetime | None:
    rows = Export.objects.filter(exporter=name, is_done=False)
    if done_id is not None:
        rows = rows.filter(id__gt=done_id)
    return rows.order_by("id").values_list("attempted_at", flat=True).first()


def _sealing(now: datetime) -> list[Trouble]:
    found = []
    last = Frontier.objects.order_by("-size").values_list("sealed_at", flat=True).first()
    if not is_sealer_at_work():
        found.append(Trouble("no_sealer", "No sealer is at work: events are recorded, but not sealed."))
    raised = Event.objects.filter(kind=LogEvent.ALARM_RAISED).order_by("-event_id").select_related("payload__key").first()
    if raised is not None and (last is None or raised.recorded_at > last):
        found.append(Trouble("sealing_stopped", alarm_sentence(raised)))
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [last or datetime.min.replace(tzinfo=now.tzinfo)])
        (waiting,) = cursor.fetchone()
    if waiting is not None and now - waiting > timedelta(seconds=WAITING_SECONDS_MAX):
        found.append(Trouble("events_waiting", f"Recorded events wait for the sealer since {waiting:%Y-%m-%d %H:%M:%S} UTC."))
    silence = timedelta(seconds=2 * float(getattr(settings, "AUDIT_HEARTBEAT_SECONDS", 300)))
    if last is not None and now - last > silence:
        found.append(Trouble("log_silent", f"The log is silent since {last:%Y-%m-%d %H:%M:%S} UTC: no heartbeat came."))
    return found


def _signing(now: datetime) -> list[Trouble]:
    head = Frontier.objects.order_by("-size").first()
    signed = Checkpoint.objects.order_by("-size").first()
    if head is None or (signed is not None and signed.size >= head.size):
        return []
    first = Frontier.objects.filter(size__gt=signed.size if signed else 0).order_by("size").values_list("sealed_at", flat=True).first()
    if first is None or now - first <= timedelta(seconds=UNSIGNED_SECONDS_MAX):
        return []
    return [Trouble("checkpoints_missing", f"No checkpoint was signed since {first:%Y-%m-%d %H:%M:%S} UTC.")]


def _exporting(exports: tuple[ExportStatus, ...], now: datetime) -> list[Trouble]:
    limit = timedelta(seconds=EXPORT_SECONDS_MAX)
    return [
        Trouble("export_failing", f"Checkpoints do not get to {row.title} since {row.failing_since:%Y-%m-%d %H:%M:%S} UTC: {row.detail}.")
        for row in exports
        if row.failing_since is not None and now - row.failing_since > limit
    ]


def _verifying() -> list[Trouble]:
    newest = Event.objects.filter(kind=LogEvent.VERIFIED).order_by("-event_id").first()
    outcome = record_of(newest).get("outcome", {}) if newest else {}
    if not newest or outcome.get("status") == "holds":
        return []
    return [Trouble("verification_failed", "The last verification found that the chain does not hold.")]
