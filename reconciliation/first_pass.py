"""The first pass: two streams sorted by the same reference are merged once, and what is alike on both sides is only counted.

Everything else is handed on by its reference, to be looked at closely. Pure: no database, no clock. The loop runs a million times
in the worst night; it holds one pair at a time and allocates nothing per pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.port import Landed
from reconciliation.records import Line, Tally

CHECKPOINT_PAIRS = 50_000
# The fields that both records begin with.
COMPARED = 8


class OutOfOrder(ValueError):
    """A stream is not sorted by reference: every comparison after that point would be wrong."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A reference under which the two sides are not plainly alike."""

    reference: str


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A document of ours that names no proposal: nothing can be intended for it."""

    document: Landed


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything up to this reference was yielded or counted."""

    reference: str


Step = Suspect | Unnamed | Checkpoint


def first_pass(lines: Iterable[Line], landed: Iterable[Landed], *, tally: Tally, every: int = CHECKPOINT_PAIRS) -> Iterator[Step]:
    """Yield what is not plainly alike, counting the rest into `tally` at each checkpoint and at the end; raises OutOfOrder."""
    intended, documents = iter(_ascending(lines)), iter(landed)
    line, document = next(intended, None), next(documents, None)
    matched, totals, reference = 0, dict[str, int](), ""
    while document is not None:
        if document[0] < reference:
            raise OutOfOrder(f"landed {document[0]} after {reference}")
        reference = document[0]
        while line is not None and line[0] < reference:
            if not line.is_refused:
                yield Suspect(line[0])
            line = next(intended, None)
        following = next(documents, None)
        if line is not None and line[0] == reference:
            if (following is None or following[0] != reference) and is_alike(line, document):
                matched += 1
                totals[line[4]] = totals.get(line[4], 0) + line[3]
            else:
                yield Suspect(reference)
                following = _after(reference, following, documents)
            line = next(intended, None)
        elif reference:
            yield Suspect(reference)
            following = _after(reference, following, documents)
        else:
            yield Unnamed(document)
        document = following
        if matched >= every:
            tally.add_matched(matched, totals)
            matched, totals = 0, {}
            yield Checkpoint(reference)
    while line is not None:
        if not line.is_refused:
            yield Suspect(line[0])
        line = next(intended, None)
    tally.add_matched(matched, totals)


def is_alike(line: Line, document: Landed) -> bool:
    """Return whether this is the one document intended, untouched; an ERP that does not tell has nothing to compare."""
    if not line.is_clean or document.reversed_by or document.state == "cancelled":
        return False
    if line[:COMPARED] == document[:COMPARED]:
        return True
    return (
        line[:6] == document[:6]
        and document.counterparty in ("", line.counterparty)
        and (not line.content_digest or document.content_digest in ("", line.content_digest))
    )


def _after(reference: str, document: Landed | None, documents: Iterator[Landed]) -> Landed | None:
    """Return the first document that names another reference."""
    while document is not None and document[0] == reference:
        document = next(documents, None)
    return document


def _ascending(stream: Iterable[Line]) -> Iterator[Line]:
    previous = ""
    for item in stream:
        if item[0] <= previous:
            raise OutOfOrder(f"intended {item[0]} after {previous}")
        previous = item[0]
        yield item
