"""Checkpoints are brought to places outside, each attempt is on record, and what fails is tried again."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from django.core import mail
from pytest_django import Settings

from audit import exporting
from audit.exporting import Arrived, DirectoryExporter, Exporter, ExportFailed, MailExporter, export_due, exporters
from audit.models import Checkpoint, Event, Export
from audit.queries import record_of
from tests.builders.audit import INSTANT, recorded, seal_and_sign

pytestmark = pytest.mark.django_db


@dataclass
class Place:
    """A place that can be switched off."""

    name: str = "test"
    title: str = "Test"
    interval_seconds: float = 0.0
    error: Exception | None = None
    got: list[int] = field(default_factory=list)

    def export(self, checkpoint: Checkpoint) -> Arrived:
        if self.error is not None:
            raise self.error
        self.got.append(checkpoint.size)
        return Arrived(f"test://{checkpoint.size}", b"answer")


def signed(count: int = 1) -> Checkpoint:
    """Return the checkpoint over `count` more events."""
    for number in range(count):
        recorded(number=number)
    found = seal_and_sign()
    assert found is not None
    return found


def due(*places: Exporter, after: float = 0.0) -> Sequence[Export]:
    """Return the attempts made so many seconds after the instant."""
    return export_due(now=INSTANT + timedelta(seconds=after), places=places)


def kinds() -> list[str]:
    """Return the kinds of the events about exports."""
    return list(Event.objects.filter(kind__startswith="log:export").order_by("event_id").values_list("kind", flat=True))


def test_nothing_is_brought_before_there_is_a_checkpoint() -> None:
    assert due(Place()) == []


def test_each_checkpoint_is_brought_once() -> None:
    place = Place()
    signed()
    assert [attempt.is_done for attempt in due(place)] == [True]
    assert due(place, after=1) == []
    signed()
    due(place, after=2)
    assert place.got == [1, 2]
    assert list(Export.objects.order_by("id").values_list("size", "place")) == [(1, "test://1"), (2, "test://2")]
    assert kinds() == []  # a success would be sealed, signed and exported in turn


def test_a_place_with_an_interval_gets_the_newest_after_it() -> None:
    place = Place(interval_seconds=60)
    signed()
    due(place)
    signed()
    signed()
    assert due(place, after=59) == []
    due(place, after=60)
    assert place.got == [1, 3]


def test_a_failure_is_on_record_and_repeated_after_growing_pauses() -> None:
    place = Place(error=ExportFailed("the bucket is gone"))
    signed()
    (first,) = due(place)
    assert (first.is_done, first.detail) == (False, "the bucket is gone")
    assert due(place, after=1) == []
    assert len(due(place, after=2)) == 1
    assert due(place, after=5) == []
    assert len(due(place, after=6)) == 1
    place.error = None
    (done,) = due(place, after=400)
    assert done.is_done
    assert kinds() == ["log:export_failed", "log:export_resumed"]  # the turns, not every attempt
    outcome = record_of(Event.objects.get(kind="log:export_failed"))["outcome"]
    assert outcome == {"status": "failed", "size": 1}


@pytest.mark.parametrize("error", [OSError("no space"), RuntimeError("a defect")])
def test_one_place_does_not_stand_in_the_way_of_another(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    good = Place(name="good")
    signed()
    attempts = due(Place(error=error), good)
    assert [attempt.is_done for attempt in attempts] == [False, True]
    assert good.got == [1]
    assert caplog.records


def test_a_directory_gets_each_note_once_and_for_all(tmp_path: Path) -> None:
    place = DirectoryExporter(tmp_path / "mount")
    checkpoint = signed()
    (attempt,) = due(place)
    path = tmp_path / "mount" / "000000000001.note"
    assert (attempt.place, path.read_text(encoding="utf-8")) == (str(path), checkpoint.note)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    place.export(checkpoint)  # the same again, after a lost answer
    path.chmod(0o600)
    path.write_bytes(b"another")
    with pytest.raises(ExportFailed, match="another content"):
        place.export(checkpoint)
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_mailbox_gets_the_note_as_text_and_attached() -> None:
    checkpoint = signed()
    (attempt,) = due(MailExporter(("auditor@example.com",), "log@example.com"))
    assert attempt.is_done
    (message,) = mail.outbox
    assert message.to == ["auditor@example.com"]
    assert checkpoint.note in str(message.body)
    assert message.attachments == [("000000000001.note", checkpoint.note, "text/plain")]


def test_settings_name_the_local_places(settings: Settings, tmp_path: Path) -> None:
    assert exporters() == []
    settings.AUDIT_EXPORT_DIRECTORIES = (str(tmp_path),)
    settings.AUDIT_EXPORT_MAIL_TO = ("auditor@example.com",)
    assert [place.name for place in exporters()] == [f"directory:{tmp_path}"[:100], "mail:auditor@example.com"]
    settings.AUDIT_EXPORT_DIRECTORIES = (str(tmp_path), str(tmp_path))
    with pytest.raises(ValueError, match="one name"):
        exporters()


def test_the_notes_of_witnesses_and_stamps_are_found_again() -> None:
    checkpoint = signed()
    for name, answer in (("witness:b", b"line b\n"), ("witness:a", b"line a\n"), ("timestamp:x", b"der")):
        Export.objects.create(exporter=name, size=1, attempted_at=INSTANT, is_done=True, answer=answer)
    assert exporting.cosigned_note(checkpoint) == checkpoint.note.encode() + b"line a\nline b\n"
    assert (exporting.timestamp(1), exporting.timestamp(2)) == (b"der", b"")
