"""Checkpoints leave the database: each is brought to the configured places, at once, and what became of it is recorded.

A place is an exporter: a directory, a mailbox, and what others register (object store, witness, time-stamp: see gateway/checkpoints).
Each takes the newest checkpoint that it does not have yet; a place that was down for a while gets the newest head, which covers all
before it. A failed attempt is repeated, after pauses that grow to five minutes. Attempts are rows; the first failure of a row of them,
and the success that ends it, are events as well. (A success is none: it would be sealed, signed and exported in turn.)
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from django.db import IntegrityError, InterfaceError, OperationalError, transaction

from audit.events import LogEvent
from audit.models import Checkpoint, Export
from kernel.errors import DomainError

logger = logging.getLogger(__name__)

PAUSE_SECONDS_MAX = 300.0
DETAIL_LENGTH_MAX = 1_000


class ExportFailed(Exception):
    """The checkpoint did not get there; the sentence says why, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """Where the checkpoint can be found now, and what the other side gave back for it."""

    place: str
    answer: bytes = b""


class Exporter(Protocol):
    """A place outside the database. `interval_seconds` is the shortest time between two checkpoints brought there."""

    @property
    def name(self) -> str:
        """Return the name under which attempts are recorded; it stays the same for the same place."""

    @property
    def title(self) -> str:
        """Return what people call it."""

    @property
    def interval_seconds(self) -> float:
        """Return the shortest time between two checkpoints; 0 for every one."""

    def export(self, checkpoint: Checkpoint) -> Arrived:
        """Return when the checkpoint is safely there; raises ExportFailed, a DomainError or OSError when it is not."""


ExporterFactory = Callable[[], Sequence[Exporter]]
_factories: dict[str, ExporterFactory] = {}


def register_exporters(name: str, factory: ExporterFactory) -> None:
    """Make checkpoints go to what `factory` returns, as well; the same name registered again takes the place of the first."""
    _factories[name] = factory


def exporters() -> list[Exporter]:
    """Return every configured place; raises ValueError when two have one name."""
    found = [exporter for name in sorted(_factories) for exporter in _factories[name]()]
    if len({exporter.name for exporter in found}) != len(found):
        raise ValueError("two places for checkpoints have one name")
    return found


def export_due(*, now: datetime, places: Sequence[Exporter] | None = None) -> list[Export]:
    """Bring the newest checkpoint to every place that is due; return the attempts made."""
    wanted = exporters() if places is None else places
    checkpoint = Checkpoint.objects.order_by("-size").first() if wanted else None
    if checkpoint is None:
        return []
    due = [exporter for exporter in wanted if _is_due(exporter, checkpoint, now)]
    return [_attempted(exporter, checkpoint, now) for exporter in due]


def failures_in_a_row(name: str) -> tuple[int, Export | None, Export | None]:
    """Return how many attempts failed since the last success, the last success, and the last failure after it."""
    done = Export.objects.filter(exporter=name, is_done=True).order_by("-id").first()
    failed = Export.objects.filter(exporter=name, is_done=False)
    if done is not None:
        failed = failed.filter(id__gt=done.id)
    return failed.count(), done, failed.order_by("-id").first()


def cosignatures(size: int) -> bytes:
    """Return the lines with which witnesses cosigned exactly this checkpoint; empty when none did."""
    rows = Export.objects.filter(exporter__startswith="witness:", size=size, is_done=True).order_by("exporter")
    return b"".join(bytes(row.answer) for row in rows)


def cosigned_note(checkpoint: Checkpoint) -> bytes:
    """Return the checkpoint's note with the lines of its witnesses."""
    return checkpoint.note.encode("utf-8") + cosignatures(checkpoint.size)


def timestamp(size: int) -> bytes:
    """Return the RFC 3161 response over exactly this checkpoint's note; empty when it has none."""
    row = Export.objects.filter(exporter__startswith="timestamp:", size=size, is_done=True).first()
    return bytes(row.answer) if row else b""


@dataclass(frozen=True, slots=True)
class DirectoryExporter:
    """Writes each note once, under its size, into a directory: a write-once mount, a share of the auditor."""

    path: Path
    interval_seconds: float = 0.0

    @property
    def name(self) -> str:
        """Return `directory:<path>`."""
        return f"directory:{self.path}"[:100]

    @property
    def title(self) -> str:
        """Return the path."""
        return f"Directory {self.path}"

    def export(self, checkpoint: Checkpoint) -> Arrived:
        """Write the note and make it last; raises ExportFailed when another content stands there under that name."""
        self.path.mkdir(parents=True, exist_ok=True)
        path, content = self.path / f"{checkpoint.size:012d}.note", checkpoint.note.encode("utf-8")
        write_once(path, content)
        return Arrived(str(path))


@dataclass(frozen=True, slots=True)
class MailExporter:
    """Mails the newest note: an inbox outside the operator's hands is a place that nobody rewrites."""

    recipients: tuple[str, ...]
    sender: str
    interval_seconds: float = 86_400.0

    @property
    def name(self) -> str:
        """Return `mail:<first recipient>`."""
        return f"mail:{self.recipients[0]}"[:100]

    @property
    def title(self) -> str:
        """Return who gets it."""
        return f"Mail to {', '.join(self.recipients)}"

    def export(self, checkpoint: Checkpoint) -> Arrived:
        """Send the note, as text and attached; raises ExportFailed when the mail server does not take it."""
        import smtplib

        from django.core.mail import EmailMessage

        lines = checkpoint.note.split("\n")
        message = EmailMessage(
            subject=f"Checkpoint {checkpoint.size} of {lines[0]}",
            body=(
                f"The audit log {lines[0]} had {checkpoint.size} entries and the root {lines[2]}.\n"
                "Keep this mail: the log must contain this checkpoint for ever. To have it checked:\n"
                "manage.py audit_verify --checkpoint <the attached file>\n\n"
                f"{checkpoint.note}"
            ),
            from_email=self.sender,
            to=list(self.recipients),
        )
        message.attach(f"{checkpoint.size:012d}.note", checkpoint.note, "text/plain")
        try:
            message.send()
        except smtplib.SMTPException as error:
            raise ExportFailed(f"the mail server did not take it: {type(error).__name__}") from error
        return Arrived(f"mailto:{','.join(self.recipients)}")


def write_once(path: Path, content: bytes) -> None:
    """The file has exactly this content, on disk; raises ExportFailed when it had another one before.

    Its name appears with the whole content behind it, or not at all: it is linked to a draft that is complete.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            if path.read_bytes() != content:
                raise ExportFailed(f"{path} holds another content already") from None
        except OSError:
            # Some write-once mounts know no links; the one sealer at work is the only writer.
            if not path.exists():
                draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _is_due(exporter: Exporter, checkpoint: Checkpoint, now: datetime) -> bool:
    failures, done, failed = failures_in_a_row(exporter.name)
    if done is not None and done.size >= checkpoint.size:
        return False
    if failed is not None and now - failed.attempted_at < timedelta(seconds=min(2.0**failures, PAUSE_SECONDS_MAX)):
        return False
    return done is None or now - done.attempted_at >= timedelta(seconds=exporter.interval_seconds)


def _attempted(exporter: Exporter, checkpoint: Checkpoint, now: datetime) -> Export:
    """Return the attempt, recorded."""
    failures, _, _ = failures_in_a_row(exporter.name)
    attempt = Export(exporter=exporter.name, size=checkpoint.size, attempted_at=now, is_done=True)
    try:
        arrived = exporter.export(checkpoint)
        attempt.place, attempt.answer = arrived.place[:1_000], arrived.answer
    except (ExportFailed, DomainError, OSError) as error:
        attempt.is_done, attempt.detail = False, _sentence(error)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        # One place must never stand in the way of the others, whatever is wrong with it.
        logger.exception("Exporting to %s failed.", exporter.name)
        attempt.is_done, attempt.detail = False, f"a defect: {type(error).__name__}"
    with transaction.atomic():
        try:
            with transaction.atomic():
                attempt.save(force_insert=True)
        except IntegrityError:
            return attempt  # another sealer brought it there at the same time
        if attempt.is_done and failures:
            _record(LogEvent.EXPORT_RESUMED, exporter, attempt)
        elif not attempt.is_done and not failures:
            logger.error("Checkpoint %s did not get to %s: %s", checkpoint.size, exporter.name, attempt.detail)
            _record(LogEvent.EXPORT_FAILED, exporter, attempt)
    return attempt


def _record(kind: LogEvent, exporter: Exporter, attempt: Export) -> None:
    """Record the turn. The place's name may hold an address of a person, so it lies beside."""
    from audit.sealer_process import record_about_export

    record_about_export(kind, place=exporter.name, detail=attempt.detail, size=attempt.size, now=attempt.attempted_at)


def _sentence(error: Exception) -> str:
    text = error.detail if isinstance(error, DomainError) else str(error)
    return (text or type(error).__name__)[:DETAIL_LENGTH_MAX]


def local_exporters() -> list[Exporter]:
    """Return the directories and the mailbox that settings name."""
    from django.conf import settings

    found: list[Exporter] = [DirectoryExporter(Path(path)) for path in getattr(settings, "AUDIT_EXPORT_DIRECTORIES", ())]
    if recipients := tuple(getattr(settings, "AUDIT_EXPORT_MAIL_TO", ())):
        seconds = float(getattr(settings, "AUDIT_EXPORT_MAIL_SECONDS", 86_400))
        found.append(MailExporter(recipients, str(getattr(settings, "MAIL_FROM", settings.DEFAULT_FROM_EMAIL)), seconds))
    return found
