"""The merge by itself: two sorted streams, one pass."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from commits.states import CommitState
from gateway.port import Landed
from kernel.ids import Prefix, encode, new_id
from reconciliation.comparison import Absent, OutOfOrder, Scope, merge
from reconciliation.records import Finding, Intended, Tally
from reconciliation.states import BreakKind

NOW = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
SCOPE = Scope(company="DE01", cut_off_at=datetime(2026, 11, 24, tzinfo=UTC), now=NOW)
LONG_AGO = NOW - timedelta(hours=8)


def intended(key: UUID, **changes: object) -> Intended:
    values: dict[str, object] = {
        "reference": encode(Prefix.PROPOSAL, key),
        "proposal_id": key,
        "commit_id": key,
        "state": CommitState.SUCCEEDED,
        "settled_at": LONG_AGO,
        "lease_until": None,
        "first_sent_at": LONG_AGO,
        "tool": "create_purchase_order",
        "amount_minor": 100,
        "currency": "EUR",
        "effective_on": date(2026, 11, 20),
        "counterparty": "V1",
        "document": f"PO-{key}",
        "content_digest": "c1",
        "difference_count": 0,
    }
    return Intended(**{**values, **changes})  # type: ignore[arg-type]


def landed(item: Intended, **changes: object) -> Landed:
    values: dict[str, object] = {
        "reference": item.reference,
        "key": str(item.commit_id),
        "document": item.document,
        "tool": item.tool,
        "total_minor": item.amount_minor,
        "currency": item.currency,
        "effective_on": item.effective_on,
        "counterparty": item.counterparty,
        "written_by": "countersign",
        "content_digest": item.content_digest,
    }
    return Landed(**{**values, **changes})  # type: ignore[arg-type]


def found(left: Iterable[Intended], right: Iterable[Landed]) -> tuple[list[Finding | Absent], Tally]:
    tally = Tally()
    return list(merge(left, right, scope=SCOPE, tally=tally)), tally


def keys(count: int) -> list[UUID]:
    return sorted(new_id() for _ in range(count))


def test_equal_sides_have_no_difference() -> None:
    left = [intended(key) for key in keys(5)]
    findings, tally = found(left, [landed(item) for item in left])
    assert findings == []
    assert tally == Tally(5, 5, 5, {"EUR": 500}, {"EUR": 500})


def test_each_side_may_have_more() -> None:
    left = [intended(key) for key in keys(6)]
    right = [landed(item) for item in left]
    findings, tally = found([left[0], left[2], left[4]], [right[1], right[2], right[5]])
    assert [type(item).__name__ if isinstance(item, Absent) else item.kind for item in findings] == [
        "Absent",
        BreakKind.ORPHAN,
        "Absent",
        BreakKind.ORPHAN,
    ]
    assert (tally.intended_count, tally.landed_count, tally.matched_count) == (3, 3, 1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"total_minor": 101}, "amount_minor"),
        ({"currency": "USD"}, "currency"),
        ({"effective_on": date(2026, 12, 1)}, "effective_on"),
        ({"counterparty": "V2"}, "counterparty"),
        ({"tool": "post_journal_entry"}, "tool"),
        ({"content_digest": "c2"}, "content_digest"),
        ({"document": "PO-other"}, "document"),
    ],
)
def test_every_field_is_compared(change: dict[str, object], field: str) -> None:
    item = intended(new_id())
    findings, tally = found([item], [landed(item, **change)])
    assert tally.matched_count == 0
    (finding,) = findings
    assert isinstance(finding, Finding)
    assert finding.kind == BreakKind.DIFFERS
    assert [difference["field"] for difference in finding.landed["differences"]] == [field]  # type: ignore[index, union-attr]


def test_second_document_of_one_reference_is_a_duplicate() -> None:
    item = intended(new_id())
    findings, tally = found([item], [landed(item, document="PO-0"), landed(item), landed(item, document="PO-zz")])
    assert [(finding.kind, finding.document) for finding in findings if isinstance(finding, Finding)] == [
        (BreakKind.DUPLICATE, "PO-0"),
        (BreakKind.DUPLICATE, "PO-zz"),
    ]
    assert (tally.matched_count, tally.landed_count) == (1, 3)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": CommitState.FAILED}, [BreakKind.UNSETTLED]),
        ({"state": CommitState.UNKNOWN}, [BreakKind.UNSETTLED]),
        ({"state": CommitState.UNKNOWN, "first_sent_at": NOW - timedelta(minutes=5)}, []),
        ({"state": CommitState.IN_FLIGHT, "lease_until": NOW + timedelta(seconds=60)}, []),
        ({"state": CommitState.IN_FLIGHT, "lease_until": NOW - timedelta(hours=1)}, [BreakKind.UNSETTLED]),
    ],
)
def test_landing_of_an_unsettled_commit(changes: dict[str, object], expected: list[BreakKind]) -> None:
    item = intended(new_id(), settled_at=None, **changes)
    findings, _ = found([item], [landed(item)])
    assert [finding.kind for finding in findings if isinstance(finding, Finding)] == expected


def test_what_was_settled_after_the_cut_off_is_not_missing_yet() -> None:
    findings, tally = found([intended(new_id(), settled_at=NOW)], [])
    assert (findings, tally) == ([], Tally())


def test_unsorted_sides_are_refused() -> None:
    left = [intended(key) for key in keys(2)]
    with pytest.raises(OutOfOrder):
        found(left[::-1], [])
    with pytest.raises(OutOfOrder):
        found([], [landed(item) for item in left[::-1]])


def test_memory_stays_flat() -> None:
    import tracemalloc

    def sides(count: int) -> int:
        base = UUID(int=0).int
        left = (intended(UUID(int=base + number)) for number in range(count))
        right = (landed(intended(UUID(int=base + number))) for number in range(count))
        tracemalloc.start()
        for _ in merge(left, right, scope=SCOPE, tally=Tally()):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert sides(3_000) < 2 * sides(300) + 50_000
