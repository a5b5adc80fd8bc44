"""Old months go into a file that verifies by itself; afterwards the chain still verifies, and goes on."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from audit.keys import verifying_key
from audit.models import Event, Seal
from audit.retention.errors import RegionRefused
from audit.retention.models import Archive
from audit.retention.services.archiving import ArchiveBroken, archive_before, verify_archive
from audit.verification import verify_chain
from audit.verifier.countersign_verify import VerifyingKey
from kernel.actors import Actor
from kernel.errors import StateConflict
from tests.builders.audit import INSTANT, about, proposal_id, recorded_many, seal_and_sign

pytestmark = pytest.mark.django_db

ACTOR = Actor.system("archive")
NEXT_MONTH = datetime(2200, 1, 1, tzinfo=UTC)


def archived(directory: Path) -> Archive:
    """Archive the first partition, which holds everything of this month and before."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return archive_before(month=NEXT_MONTH, directory=directory, actor=ACTOR, now=INSTANT)


def test_old_events_leave_in_a_verified_file_and_the_chain_goes_on(tmp_path: Path) -> None:
    proposal = proposal_id()
    recorded_many(5, subject=about(proposal))
    seal_and_sign()
    made = archived(tmp_path)
    assert (made.first_sequence, made.last_sequence, made.partitions) == (1, 5, ["audit_event_first"])
    assert Event.objects.filter(chain=proposal).count() == 0
    result = verify_archive(tmp_path / made.file, key=verifying_key())
    assert (result.first_sequence, result.last_sequence, result.root) == (1, 5, bytes(made.root))
    # The subject's chain goes on behind the archive: the next event is number six, linked to the archived fifth.
    following = recorded_many(2, subject=about(proposal))
    assert [event.position for event in following] == [6, 7]
    seal_and_sign()
    verification = verify_chain()
    assert verification.holds, verification.findings.problems
    assert verification.sealed == Seal.objects.count() == 8
    with pytest.raises(StateConflict, match="No partition"):
        archived(tmp_path)
    told = StringIO()
    call_command("audit_archive", "verify", str(tmp_path / made.file), stdout=told)
    assert "Everything holds: sequence 1 to 5" in told.getvalue()


def test_what_is_not_sealed_is_not_archived(tmp_path: Path) -> None:
    recorded_many(2)
    seal_and_sign()
    recorded_many(1)
    with pytest.raises(StateConflict, match="not sealed"):
        archived(tmp_path)
    assert list(tmp_path.glob("countersign-archive*")) == []
    assert not Archive.objects.exists()


def test_an_archive_leaves_the_region_with_a_reason_only(tmp_path: Path) -> None:
    recorded_many(1)
    seal_and_sign()
    with pytest.raises(RegionRefused):
        archive_before(month=NEXT_MONTH, directory=tmp_path, actor=ACTOR, now=INSTANT, destination="elsewhere")
    assert not Archive.objects.exists()


def test_an_altered_archive_is_noticed(tmp_path: Path) -> None:
    recorded_many(4)
    seal_and_sign()
    path = tmp_path / archived(tmp_path).file
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    altered = {
        "flipped": [*lines[:2], lines[2].replace(b'"bytes":"e', b'"bytes":"f'), *lines[3:]],
        "dropped": [*lines[:2], *lines[3:]],
        "reordered": [lines[0], lines[2], lines[1], *lines[3:]],
        "truncated": lines[:-1],
        "shortened": [*lines[:-2], lines[-1]],
        "prolonged": [*lines, lines[1]],
        "other header": [lines[0].replace(b'"last":4', b'"last":3'), *lines[1:]],
    }
    for name, content in altered.items():
        assert content != lines
        path.write_bytes(gzip.compress(b"".join(content)))
        with pytest.raises(ArchiveBroken):
            pytest.fail(f"{name}: {verify_archive(path, key=verifying_key())}")
    path.write_bytes(gzip.compress(b"".join(lines)))
    with pytest.raises(ArchiveBroken, match="not signed"):
        verify_archive(path, key=VerifyingKey.named(verifying_key().name, bytes(32)))
    path.write_bytes(b"no archive")
    with pytest.raises(ArchiveBroken, match="can't be read"):
        verify_archive(path, key=verifying_key())
