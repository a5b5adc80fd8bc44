"""The close look: everything on both sides under a few references is held against each other, and each difference gets its kind.

Pure: no database, no clock. What may only be late (intended, settled, not seen) is handed to the caller to be looked at singly.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from commits.states import CommitState
from gateway.catalogue import write_tools
from gateway.port import Landed
from reconciliation.records import Finding, Intended, Tally
from reconciliation.states import BreakKind

# A commit that was sent so lately may still be settled by its worker or by the sweep; it is no break yet.
SETTLING = timedelta(minutes=10)
# Approved so long before the cut-off it should have landed by then.
DUE = timedelta(hours=1)
CANCELLED = "cancelled"
# Writes that count on the day on which they land.
UNDATED = frozenset(tool.name for tool in write_tools() if not tool.is_dated)
# Kinds by the field that differs, the gravest first; fields of a payload are named by their path.
KINDS_BY_FIELD = (
    (BreakKind.AMOUNT_DIFFERS, re.compile(r"amount|total|currency|debit|credit|price|quantity|limit")),
    (BreakKind.ACCOUNT_DIFFERS, re.compile(r"account|cost_centre")),
    (BreakKind.COUNTERPARTY_DIFFERS, re.compile(r"counterparty|vendor|customer")),
    (BreakKind.DATE_DIFFERS, re.compile(r"_on\b|date")),
)
ENTRY_TOOL = "post_journal_entry"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is compared: everything of one company settled or written before the cut-off, as it stands at `now`."""

    company: str
    cut_off_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Absent:
    """A commit that succeeded, but whose document was not among those extracted; to be looked at singly."""

    intended: Intended


def merge(
    intended: Iterable[Intended], landed: Iterable[Landed], *, scope: Scope, tally: Tally, covered: Collection[str] = ()
) -> Iterator[Finding | Absent]:
    """Yield every difference between the two sides, both sorted by reference, counting both into `tally`.

    `covered` names the documents that a commit of ours made: a reversal among them was approved.
    """
    commits = iter(intended)
    commit = next(commits, None)
    for reference, group in groupby(landed, key=lambda item: item.reference):
        while commit is not None and commit.reference < reference:
            yield from _without_landing(commit, scope, tally)
            commit = next(commits, None)
        if commit is not None and commit.reference == reference:
            yield from _with_landing(commit, list(group), scope, tally, covered)
            commit = next(commits, None)
        else:
            for document in group:
                yield orphan(document, scope, tally)
    while commit is not None:
        yield from _without_landing(commit, scope, tally)
        commit = next(commits, None)


def orphan(document: Landed, scope: Scope, tally: Tally) -> Finding:
    """Return the finding that nobody approved this document."""
    tally.add_landed(document.total_minor, document.currency)
    return _finding(BreakKind.ORPHAN, document, scope)


def absent(commit: Intended, scope: Scope, document: Mapping[str, object] | None) -> Finding:
    """Return what is wrong with a commit whose document was not extracted, now that it was read back by its number.

    A document that is there as it landed was recorded after the cut-off by the ERP's clock.
    """
    if document is None:
        kind = BreakKind.MISSING
    elif (
        document.get("content_digest", commit.content_digest) != commit.content_digest
        or document.get("proposal", commit.reference) != commit.reference
    ):
        kind = BreakKind.ALTERED
    else:
        kind = BreakKind.LATE
    return _unlanded(kind, commit, scope, dict(document) if document is not None else None)


def landed_as_dict(document: Landed, differences: list[dict[str, str]] | None = None) -> dict[str, object]:
    """Return the form kept on a break."""
    return {
        "document": document.document,
        "key": document.key,
        "tool": document.tool,
        "amount_minor": document.total_minor,
        "currency": document.currency,
        "effective_on": document.effective_on.isoformat(),
        "counterparty": document.counterparty,
        "written_by": document.written_by,
        "content_digest": document.content_digest,
        **({"reversed_by": document.reversed_by or CANCELLED} if _is_reversed(document) else {}),
        **({"differences": differences} if differences else {}),
    }


def kind_of(tool: str, differences: Iterable[Mapping[str, str]]) -> BreakKind:
    """Return the one kind that says most about these differences.

    A document whose content is no longer what it was when it landed was altered, whatever else differs: somebody changed what was
    approved. Otherwise it landed so, and the gravest field names the kind.
    """
    fields = [item["field"] for item in differences]
    if "content_digest" in fields:
        return BreakKind.ALTERED
    if tool == ENTRY_TOOL:
        # The counterparty of an entry is the account of its largest debit.
        fields = ["account" if name == "counterparty" else name for name in fields]
    for kind, pattern in KINDS_BY_FIELD:
        if any(pattern.search(name) for name in fields):
            return kind
    return BreakKind.DIFFERS


def _without_landing(commit: Intended, scope: Scope, tally: Tally) -> Iterator[Absent | Finding]:
    if commit.state is CommitState.SUCCEEDED:
        if commit.settled_at is not None and commit.settled_at < scope.cut_off_at:
            tally.add_intended(commit.amount_minor, commit.currency)
            yield Absent(commit)
    elif commit.state is not CommitState.FAILED and commit.opened_at < scope.cut_off_at - DUE:
        tally.add_intended(commit.amount_minor, commit.currency)
        yield _unlanded(BreakKind.LATE, commit, scope, None)


def _with_landing(commit: Intended, documents: list[Landed], scope: Scope, tally: Tally, covered: Collection[str]) -> Iterator[Finding]:
    if _is_settling(commit, scope):
        return
    for document in documents:
        tally.add_landed(document.total_minor, document.currency)
    if commit.state is not CommitState.SUCCEEDED:
        kind = BreakKind.UNSETTLED if commit.state is CommitState.FAILED else BreakKind.UNKNOWN_RESOLVED
        for document in documents:
            yield _finding(kind, document, scope, commit)
        return
    tally.add_intended(commit.amount_minor, commit.currency)
    original = next((item for item in documents if item.document == commit.document), documents[0])
    differences = _differences(commit, original)
    is_undone = _is_reversed(original) and original.reversed_by not in covered
    if differences:
        yield _finding(kind_of(commit.tool, differences), original, scope, commit, differences)
    if is_undone:
        yield _finding(BreakKind.REVERSED_OUTSIDE, original, scope, commit)
    if not differences and not is_undone:
        tally.matched_count += 1
    for document in documents:
        if document is not original:
            yield _finding(BreakKind.DUPLICATE, document, scope, commit)


def _is_reversed(document: Landed) -> bool:
    return bool(document.reversed_by) or document.state == CANCELLED


def _is_settling(commit: Intended, scope: Scope) -> bool:
    """Return whether a worker still has the commit, or the sweep is about to take it up."""
    if commit.state is CommitState.IN_FLIGHT:
        return commit.lease_until is not None and commit.lease_until + SETTLING > scope.now
    if commit.state in (CommitState.UNKNOWN, CommitState.QUEUED):
        return commit.first_sent_at is not None and commit.first_sent_at + SETTLING > scope.now
    return False


def _differences(commit: Intended, document: Landed) -> list[dict[str, str]]:
    pairs = [
        ("document", commit.document, document.document),
        ("tool", commit.tool, document.tool),
        ("amount_minor", str(commit.amount_minor), str(document.total_minor)),
        ("currency", commit.currency, document.currency),
    ]
    # Approved on one day and landed on the next is no difference where nobody asked for a date.
    if commit.tool not in UNDATED:
        pairs.append(("effective_on", commit.effective_on.isoformat(), document.effective_on.isoformat()))
    # An ERP that does not tell has nothing to compare.
    if document.counterparty:
        pairs.append(("counterparty", commit.counterparty, document.counterparty))
    if commit.content_digest and document.content_digest:
        pairs.append(("content_digest", commit.content_digest, document.content_digest))
    found = [{"field": name, "intended": left, "landed": right} for name, left, right in pairs if left != right]
    # What was read back right after it landed, and was not as approved then.
    return found + [
        {
            "field": str(item.get("field", "")),
            "intended": str(item.get("approved", "")),
            "landed": str(item.get("landed", "")),
        }
        for item in commit.differences
    ]


def _unlanded(kind: BreakKind, commit: Intended, scope: Scope, document: dict[str, object] | None) -> Finding:
    return Finding(
        kind=kind,
        company=scope.company,
        document=commit.document,
        amount_minor=commit.amount_minor,
        currency=commit.currency,
        reference=commit.reference,
        proposal_id=commit.proposal_id,
        intended=commit.as_dict(),
        landed=document,
    )


def _finding(
    kind: BreakKind,
    document: Landed,
    scope: Scope,
    commit: Intended | None = None,
    differences: list[dict[str, str]] | None = None,
) -> Finding:
    at_stake = document.total_minor
    if commit is not None and commit.currency == document.currency:
        at_stake = max(at_stake, commit.amount_minor)
    return Finding(
        kind=kind,
        company=scope.company,
        document=document.document,
        amount_minor=at_stake,
        currency=document.currency,
        reference=document.reference,
        proposal_id=commit.proposal_id if commit else None,
        intended=commit.as_dict() if commit else None,
        landed=landed_as_dict(document, differences),
    )
