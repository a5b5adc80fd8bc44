"""The comparison itself: two streams sorted by the same reference are merged once, holding one reference at a time.

Pure: no database, no clock. What may only be late (intended, settled, not seen) is handed to the caller to be looked at singly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from commits.states import CommitState
from gateway.port import Landed
from reconciliation.records import Finding, Intended, Tally
from reconciliation.states import BreakKind

# A commit that was sent so lately may still be settled by its worker or by the sweep; it is no break yet.
SETTLING = timedelta(minutes=10)


class OutOfOrder(ValueError):
    """A stream is not sorted by reference: every comparison after that point would be wrong."""


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


def merge(intended: Iterable[Intended], landed: Iterable[Landed], *, scope: Scope, tally: Tally) -> Iterator[Finding | Absent]:
    """Yield every difference between the two sides, counting both into `tally`; raises OutOfOrder."""
    commits = iter(_ascending_intended(intended))
    commit = next(commits, None)
    for reference, group in groupby(_ascending_landed(landed), key=lambda item: item.reference):
        while commit is not None and commit.reference < reference:
            yield from _without_landing(commit, scope, tally)
            commit = next(commits, None)
        if commit is not None and commit.reference == reference:
            yield from _with_landing(commit, list(group), scope, tally)
            commit = next(commits, None)
        else:
            for document in group:
                tally.add_landed(document.total_minor, document.currency)
                yield _finding(BreakKind.ORPHAN, document, scope)
    while commit is not None:
        yield from _without_landing(commit, scope, tally)
        commit = next(commits, None)


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
        **({"differences": differences} if differences else {}),
    }


def _ascending_intended(stream: Iterable[Intended]) -> Iterator[Intended]:
    previous = ""
    for item in stream:
        if item.reference <= previous:
            raise OutOfOrder(f"intended {item.reference} after {previous}")
        previous = item.reference
        yield item


def _ascending_landed(stream: Iterable[Landed]) -> Iterator[Landed]:
    previous = ""
    for item in stream:
        if item.reference < previous:
            raise OutOfOrder(f"landed {item.reference} after {previous}")
        previous = item.reference
        yield item


def _without_landing(commit: Intended, scope: Scope, tally: Tally) -> Iterator[Absent]:
    is_settled = commit.settled_at is not None and commit.settled_at < scope.cut_off_at
    if commit.state is CommitState.SUCCEEDED and is_settled:
        tally.add_intended(commit.amount_minor, commit.currency)
        yield Absent(commit)


def _with_landing(commit: Intended, documents: list[Landed], scope: Scope, tally: Tally) -> Iterator[Finding]:
    if _is_settling(commit, scope):
        return
    for document in documents:
        tally.add_landed(document.total_minor, document.currency)
    if commit.state is not CommitState.SUCCEEDED:
        for document in documents:
            yield _finding(BreakKind.UNSETTLED, document, scope, commit)
        return
    tally.add_intended(commit.amount_minor, commit.currency)
    original = next((item for item in documents if item.document == commit.document), documents[0])
    differences = _differences(commit, original)
    if differences:
        yield _finding(BreakKind.DIFFERS, original, scope, commit, differences)
    else:
        tally.matched_count += 1
    for document in documents:
        if document is not original:
            yield _finding(BreakKind.DUPLICATE, document, scope, commit)


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
        ("effective_on", commit.effective_on.isoformat(), document.effective_on.isoformat()),
    ]
    # An ERP that does not tell has nothing to compare.
    if document.counterparty:
        pairs.append(("counterparty", commit.counterparty, document.counterparty))
    if commit.content_digest and document.content_digest:
        pairs.append(("content_digest", commit.content_digest, document.content_digest))
    found = [{"field": name, "intended": left, "landed": right} for name, left, right in pairs if left != right]
    if commit.difference_count:
        found.append({"field": "read_back", "intended": "as approved", "landed": f"{commit.difference_count} fields differ"})
    return found


def _finding(
    kind: BreakKind,
    document: Landed,
    scope: Scope,
    commit: Intended | None = None,
    differences: list[dict[str, str]] | None = None,
) -> Finding:
    return Finding(
        kind=kind,
        company=scope.company,
        document=document.document,
        amount_minor=document.total_minor,
        currency=document.currency,
        reference=document.reference,
        proposal_id=commit.proposal_id if commit else None,
        intended=commit.as_dict() if commit else None,
        landed=landed_as_dict(document, differences),
    )
