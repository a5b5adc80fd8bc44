"""The comparison by itself: one pass over two sorted streams, and a close look at what is not plainly alike."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from commits.states import CommitState
from gateway.port import Landed
from kernel.ids import Prefix, encode, new_id
from reconciliation.comparison import Absent, Scope, merge
from reconciliation.first_pass import Checkpoint, OutOfOrder, Step, Suspect, Unnamed, first_pass
from reconciliation.records import Finding, Intended, Line, Tally
from reconciliation.states import BreakKind

NOW = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
SCOPE = Scope(company="DE01", cut_off_at=datetime(2026, 11, 24, tzinfo=UTC), now=NOW)
LONG_AGO = NOW - timedelta(hours=8)


def intended(key: UUID, **changes: object) -> Intended:
    values: dict[str, object] = {
        "reference": encode(Prefix.PROPOSAL, key),
        "document": f"PO-{key}",
        "tool": "create_purchase_order",
        "amount_minor": 100,
        "currency": "EUR",
        "effective_on": date(2026, 11, 20),
        "counterparty": "V1",
        "content_digest": "c1",
        "proposal_id": key,
        "commit_id": key,
        "state": CommitState.SUCCEEDED,
        "opened_at": LONG_AGO,
        "settled_at": LONG_AGO,
        "lease_until": None,
        "first_sent_at": LONG_AGO,
    }
    return Intended(**{**values, **changes})  # type: ignore[arg-type]


def line(item: Intended) -> Line:
    is_clean = item.state is CommitState.SUCCEEDED and not item.differences
    return Line(*item[:8], is_clean=is_clean, is_refused=item.state is CommitState.FAILED)


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


def found(left: Iterable[Intended], right: Iterable[Landed], covered: Iterable[str] = ()) -> tuple[list[Finding | Absent], Tally]:
    tally = Tally()
    return list(merge(left, right, scope=SCOPE, tally=tally, covered=frozenset(covered))), tally


def passed(left: Iterable[Intended], right: Iterable[Landed], *, every: int = 1000) -> tuple[list[Step], Tally]:
    tally = Tally()
    return list(first_pass(map(line, left), right, tally=tally, every=every)), tally


def keys(count: int) -> list[UUID]:
    return sorted(new_id() for _ in range(count))


def test_equal_sides_have_no_difference() -> None:
    left = [intended(key) for key in keys(5)]
    right = [landed(item) for item in left]
    for findings, tally in (found(left, right), passed(left, right)):
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
    steps, tally = passed([left[0], left[2], left[4]], [right[1], right[2], right[5]])
    assert steps == [Suspect(left[number].reference) for number in (0, 1, 4, 5)]
    assert (tally.intended_count, tally.landed_count, tally.matched_count) == (1, 1, 1)


def test_a_write_that_asked_for_no_date_may_land_on_the_next_day() -> None:
    item = intended(new_id(), tool="update_customer")
    findings, tally = found([item], [landed(item, effective_on=date(2026, 11, 21))])
    assert (findings, tally.matched_count) == ([], 1)


@pytest.mark.parametrize(
    ("change", "field", "kind"),
    [
        ({"total_minor": 101}, "amount_minor", BreakKind.AMOUNT_DIFFERS),
        ({"currency": "USD"}, "currency", BreakKind.AMOUNT_DIFFERS),
        ({"effective_on": date(2026, 12, 1)}, "effective_on", BreakKind.DATE_DIFFERS),
        ({"counterparty": "V2"}, "counterparty", BreakKind.COUNTERPARTY_DIFFERS),
        ({"tool": "post_journal_entry"}, "tool", BreakKind.DIFFERS),
        ({"content_digest": "c2"}, "content_digest", BreakKind.ALTERED),
        ({"document": "PO-other"}, "document", BreakKind.DIFFERS),
    ],
)
def test_every_field_is_compared(change: dict[str, object], field: str, kind: BreakKind) -> None:
    item = intended(new_id())
    findings, tally = found([item], [landed(item, **change)])
    assert tally.matched_count == 0
    (finding,) = findings
    assert isinstance(finding, Finding)
    assert finding.kind == kind
    assert [difference["field"] for difference in finding.landed["differences"]] == [field]  # type: ignore[index, union-attr]
    steps, tally = passed([item], [landed(item, **change)])
    assert (steps, tally) == ([Suspect(item.reference)], Tally())


@pytest.mark.parametrize(
    ("tool", "field", "kind"),
    [
        ("create_purchase_order", "/lines/0/unit_price", BreakKind.AMOUNT_DIFFERS),
        ("create_purchase_order", "/total", BreakKind.AMOUNT_DIFFERS),
        ("post_journal_entry", "/lines/1/account", BreakKind.ACCOUNT_DIFFERS),
        ("create_purchase_order", "/cost_centre", BreakKind.ACCOUNT_DIFFERS),
        ("create_purchase_order", "/vendor", BreakKind.COUNTERPARTY_DIFFERS),
        ("create_purchase_order", "/deliver_on", BreakKind.DATE_DIFFERS),
        ("create_purchase_order", "/note", BreakKind.DIFFERS),
    ],
)
def test_what_was_read_back_otherwise_at_landing_has_its_kind(tool: str, field: str, kind: BreakKind) -> None:
    item = intended(new_id(), tool=tool, differences=({"field": field, "approved": "a", "landed": "b"},))
    (finding,), _ = found([item], [landed(item)])
    assert isinstance(finding, Finding)
    assert (finding.kind, finding.landed["differences"]) == (kind, [{"field": field, "intended": "a", "landed": "b"}])  # type: ignore[index]
    assert passed([item], [landed(item)])[0] == [Suspect(item.reference)]


def test_counterparty_of_an_entry_is_an_account() -> None:
    item = intended(new_id(), tool="post_journal_entry", counterparty="6300")
    (finding,), _ = found([item], [landed(item, counterparty="6310")])
    assert isinstance(finding, Finding)
    assert finding.kind == BreakKind.ACCOUNT_DIFFERS


def test_the_larger_side_is_at_stake() -> None:
    item = intended(new_id(), amount_minor=1_000_000)
    (finding,), _ = found([item], [landed(item, total_minor=1)])
    assert isinstance(finding, Finding)
    assert finding.amount_minor == 1_000_000


def test_an_erp_that_does_not_tell_has_nothing_to_compare() -> None:
    item = intended(new_id())
    document = landed(item, counterparty="", content_digest="")
    assert passed([item], [document])[0] == []
    assert found([item], [document])[0] == []


@pytest.mark.parametrize(
    ("change", "covered", "expected"),
    [
        ({"reversed_by": "JE-1"}, (), [BreakKind.REVERSED_OUTSIDE]),
        ({"reversed_by": "JE-1"}, ("JE-1",), []),
        ({"state": "cancelled"}, (), [BreakKind.REVERSED_OUTSIDE]),
        ({"state": "cancelled", "reversed_by": "JE-1"}, ("JE-1",), []),
    ],
)
def test_reversal_needs_an_approval_too(change: dict[str, object], covered: tuple[str, ...], expected: list[BreakKind]) -> None:
    item = intended(new_id())
    findings, tally = found([item], [landed(item, **change)], covered)
    assert [finding.kind for finding in findings if isinstance(finding, Finding)] == expected
    assert tally.matched_count == (not expected)
    assert passed([item], [landed(item, **change)])[0] == [Suspect(item.reference)]


def test_second_document_of_one_reference_is_a_duplicate() -> None:
    item = intended(new_id())
    right = [landed(item, document="PO-0"), landed(item), landed(item, document="PO-zz")]
    findings, tally = found([item], right)
    assert [(finding.kind, finding.document) for finding in findings if isinstance(finding, Finding)] == [
        (BreakKind.DUPLICATE, "PO-0"),
        (BreakKind.DUPLICATE, "PO-zz"),
    ]
    assert (tally.matched_count, tally.landed_count) == (1, 3)
    after = intended(new_id())
    steps, tally = passed([item, after], [*right, landed(after)])
    assert (steps, tally.matched_count) == ([Suspect(item.reference)], 1)


def test_documents_that_name_nothing_are_seen_one_by_one() -> None:
    item = intended(new_id())
    bare = [landed(item, reference="", document=number) for number in ("PO-1", "PO-2")]
    steps, tally = passed([item], [*bare, landed(item)])
    assert steps == [Unnamed(bare[0]), Unnamed(bare[1])]
    assert tally.matched_count == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": CommitState.FAILED}, [BreakKind.UNSETTLED]),
        ({"state": CommitState.UNKNOWN}, [BreakKind.UNKNOWN_RESOLVED]),
        ({"state": CommitState.UNKNOWN, "first_sent_at": NOW - timedelta(minutes=5)}, []),
        ({"state": CommitState.IN_FLIGHT, "lease_until": NOW + timedelta(seconds=60)}, []),
        ({"state": CommitState.IN_FLIGHT, "lease_until": NOW - timedelta(hours=1)}, [BreakKind.UNKNOWN_RESOLVED]),
    ],
)
def test_landing_of_an_unsettled_commit(changes: dict[str, object], expected: list[BreakKind]) -> None:
    item = intended(new_id(), settled_at=None, **changes)
    findings, _ = found([item], [landed(item)])
    assert [finding.kind for finding in findings if isinstance(finding, Finding)] == expected
    assert passed([item], [landed(item)])[0] == [Suspect(item.reference)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": CommitState.QUEUED}, [BreakKind.LATE]),
        ({"state": CommitState.UNKNOWN}, [BreakKind.LATE]),
        ({"state": CommitState.QUEUED, "opened_at": SCOPE.cut_off_at - timedelta(minutes=59)}, []),
        ({"state": CommitState.FAILED}, []),
    ],
)
def test_what_is_due_and_has_not_landed_is_late(changes: dict[str, object], expected: list[BreakKind]) -> None:
    item = intended(new_id(), settled_at=None, document="", content_digest="", **changes)
    findings, _ = found([item], [])
    assert [finding.kind for finding in findings if isinstance(finding, Finding)] == expected
    assert passed([item], [])[0] == ([] if item.state is CommitState.FAILED else [Suspect(item.reference)])


def test_what_was_settled_after_the_cut_off_is_not_missing_yet() -> None:
    findings, tally = found([intended(new_id(), settled_at=NOW)], [])
    assert (findings, tally) == ([], Tally())


def test_unsorted_sides_are_refused() -> None:
    left = [intended(key) for key in keys(2)]
    with pytest.raises(OutOfOrder):
        passed(left[::-1], [])
    with pytest.raises(OutOfOrder):
        passed([], [landed(item) for item in left[::-1]])


def test_checkpoints_say_how_far_everything_is_counted() -> None:
    left = [intended(key) for key in keys(7)]
    tally = Tally()
    counted = []
    for step in first_pass(map(line, left), (landed(item) for item in left), tally=tally, every=3):
        assert isinstance(step, Checkpoint)
        counted.append((step.reference, tally.matched_count))
    assert counted == [(left[2].reference, 3), (left[5].reference, 6)]
    assert tally.matched_count == 7


def test_memory_stays_flat() -> None:
    import tracemalloc

    def sides(count: int) -> int:
        left = (line(intended(UUID(int=number + 1))) for number in range(count))
        right = (landed(intended(UUID(int=number + 1))) for number in range(count))
        tracemalloc.start()
        for _ in first_pass(left, right, tally=Tally(), every=100):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert sides(3_000) < 2 * sides(300) + 50_000
