"""What the verifier remembers of each subject and proposal lies on disk beyond a bound, and is told apart as well as in memory."""

from __future__ import annotations

import hashlib
import io
import random
import sys
import tracemalloc
from pathlib import Path

import pytest

from audit.verifier import countersign_verify
from audit.verifier.countersign_verify import (
    Findings,
    PeriodLinks,
    ProposalPlaces,
    RowResult,
    SubjectLinks,
    TemporaryTable,
    Unusable,
    leaf_hash,
    read_archive,
    write_archive,
)

UNBOUNDED = sys.maxsize
# Whatever a record may say that is no name of ours: text that no file takes, quotes, nothing.
NAMES = ["prop_1", "lone \ud800", 'it\'s "quoted"', "", "ü\0", *(f"bench:{number}" for number in range(40))]
Event = tuple[str, object, str, bytes]


@pytest.fixture(params=[1, 7, UNBOUNDED])
def bound(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(countersign_verify, "KEPT_IN_MEMORY_MAX", request.param)
    return int(request.param)


def history(seed: int) -> list[Event]:
    """Return events of many subjects; some are missing, doubled, out of order, or say a place that is none."""
    chance = random.Random(seed)  # noqa: S311  the same events each time
    ends: dict[str, tuple[int, str]] = {}
    events: list[Event] = []
    for number in range(600):
        name = chance.choice(NAMES)
        position, link = ends.get(name, (0, ""))
        leaf = leaf_hash(b"%d" % number)
        ends[name] = (position + 1, leaf.hex())
        place: object = position + 1
        if chance.random() < 0.05:
            place, link = chance.choice([(position, link), (10**400, link), (True, link), ("x", link), (position + 1, "ff"), (-3, "")])
        if chance.random() > 0.03:
            events.append((name, place, link, leaf))
    return events


def followed(links: SubjectLinks, events: list[Event]) -> list[tuple[str, str]]:
    """Return which events break a link, as the records of a bundle are followed."""
    findings = Findings()
    for number, (name, place, link, leaf) in enumerate(events):
        links.follow(findings, str(number), {"event_id": "evt", "link": {"chain": name, "position": place, "previous": link}}, leaf)
    return [(problem.where, problem.sentence) for problem in findings.problems]


def joined(links: SubjectLinks, events: list[Event]) -> list[tuple[str, str]]:
    """Return which rows break a link, as the rows of the database are joined."""
    findings = Findings()
    for number, (name, place, link, leaf) in enumerate(events):
        links.join(findings, RowResult(number, b"", b"", "evt", leaf, "", "", name, place, link, ()), leaf)
    return [(problem.where, problem.sentence) for problem in findings.problems]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_breaks_a_link_is_found_the_same_way(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    events = history(seed)
    found = {}
    for bound in (1, 7, UNBOUNDED):
        monkeypatch.setattr(countersign_verify, "KEPT_IN_MEMORY_MAX", bound)
        found[bound] = [followed(SubjectLinks(), events), followed(PeriodLinks(), events[100:]), joined(SubjectLinks(), events)]
    assert found[1] == found[7] == found[UNBOUNDED]
    assert all(len(problems) > 10 for problems in found[1])


def test_places_come_back_in_their_order(bound: int) -> None:
    places = ProposalPlaces()
    for offset in range(30):
        places.add(f"prop_{offset % 3}", offset, is_first=offset == 1)
    assert places.finish() == 3
    assert [(place, bool(first)) for place, first in places.of("prop_1")] == [(offset, offset == 1) for offset in range(1, 30, 3)]
    assert [bool(first) for _, first in places.of("prop_0")] == [False] * 10
    assert list(places.of("prop_9")) == []


def test_memory_does_not_grow_with_the_subjects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(countersign_verify, "KEPT_IN_MEMORY_MAX", 500)
    links, leaf = SubjectLinks(), leaf_hash(b"")
    peaks = []
    tracemalloc.start()
    try:
        for part in range(5):
            tracemalloc.reset_peak()
            events: list[Event] = [(f"subject:{part}-{number:036d}", 1, "", leaf) for number in range(2_000)]
            assert followed(links, events) == []
            del events
            peaks.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # One subject takes more than 300 bytes: two thousand would be 600 KB.
    assert max(peaks[1:]) - peaks[0] < 250_000, peaks


def test_without_sqlite_everything_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(countersign_verify, "KEPT_IN_MEMORY_MAX", 7)
    expected = followed(SubjectLinks(), history(1))
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    assert followed(SubjectLinks(), history(1)) == expected
    places = ProposalPlaces()
    for offset in range(30):
        places.add("prop_1", offset, is_first=offset == 0)
    assert (places.finish(), len(places.of("prop_1"))) == (1, 30)


def test_no_place_on_disk_makes_a_verification_unusable_not_good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = TemporaryTable("name BLOB PRIMARY KEY, place BLOB")
    table.ask("PRAGMA max_page_count = 3")
    with pytest.raises(Unusable, match="temporary file"):
        table.put("INSERT INTO kept VALUES (?, ?)", ((b"%d" % number, b"x" * 1000) for number in range(100)))
    monkeypatch.setattr(countersign_verify, "verify_path", lambda *_, **__: table.ask("SELECT nothing"))
    assert countersign_verify.main([str(tmp_path)]) == countersign_verify.UNUSABLE


class Counted(io.BytesIO):
    """A file that knows how many bytes were read from it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.taken += len(content)
        return content


def test_going_back_in_a_member_of_an_archive_reads_it_not_from_its_beginning() -> None:
    lines = b"".join(b"%099d\n" % number for number in range(20_000))
    file = Counted(write_archive({"a.txt": b"first\n", "events.jsonl": lines, "z.txt": b"last\n"}))
    members = read_archive(Findings(), file)
    assert dict(members) == {"a.txt": b"first\n", "events.jsonl": lines, "z.txt": b"last\n"}
    assert members.measure("events.jsonl") == (len(lines), hashlib.sha256(lines).hexdigest())
    file.taken = 0
    with members.open("events.jsonl") as one, members.open("z.txt") as other:
        for number in (19_999, 0, 15_000, 7):
            assert one.seek(number * 100) == number * 100
            assert one.readline() == b"%099d\n" % number
            assert other.seek(0) == 0
            assert (other.read(), other.read()) == (b"last\n", b"")
        assert one.seek(-100, io.SEEK_END) == len(lines) - 100
        assert one.read() == b"%099d\n" % 19_999
    assert file.taken < len(lines) // 4
