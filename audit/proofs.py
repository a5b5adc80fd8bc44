"""Proofs over the tree: that an event stands at its place in it, and that a later tree begins with an earlier one.

All inclusion proofs wanted at once are made in one pass over the leaves, holding only the subtrees that some proof needs; a million
leaves take about three seconds and no memory to speak of. The pass begins at the last stored frontier before the first leaf that
is asked for: what lies left of it is already hashed together there. A consistency proof needs the frontier of the earlier tree and
the leaves since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db import connection

from audit.models import Frontier as FrontierRow
from audit.verifier.countersign_verify import TLOG_PROOF_HEADER, Frontier, encode_base64, node_hash

LEAVES_PER_FETCH = 10_000
DIGEST_BYTES = 32
LEAVES_AFTER = """
SELECT s.sequence, l.leaf FROM audit_seal s JOIN audit_link l ON l.event_id = s.event_id
WHERE s.sequence > %s AND s.sequence <= %s ORDER BY s.sequence LIMIT %s
"""

Range = tuple[int, int]  # leaves from (inclusive) to (exclusive)


def inclusion_paths(indexes: Iterable[int], *, size: int, leaves: Iterable[bytes], start: Frontier | None = None) -> dict[int, list[bytes]]:
    """Return the RFC 6962 audit path of each index (from 0) in the tree of `size` leaves.

    `leaves` begins after `start`, which stands for everything before; no index may be left of it.
    """
    siblings = {index: _siblings(index, size) for index in indexes}
    needed = {node for ranges in siblings.values() for part in ranges for node in _perfect_subtrees(part)}
    hashes = _subtree_hashes(needed, leaves, start or Frontier())
    return {index: [_range_hash(part, hashes) for part in ranges] for index, ranges in siblings.items()}


def stored_inclusion_paths(indexes: Iterable[int], *, size: int) -> dict[int, list[bytes]]:
    """Return the audit paths of these indexes in the sealed chain's tree of `size` leaves, reading no leaf that is not needed."""
    wanted = list(indexes)
    start = frontier_before(min(wanted, default=0))
    return inclusion_paths(wanted, size=size, leaves=stored_leaves(size, after=start.size), start=start)


def consistency_path(start: Frontier, *, size: int, leaves: Iterable[bytes]) -> list[bytes]:
    """Return the RFC 6962 proof that the tree of `size` leaves begins with `start`; `leaves` are those after it."""
    later = list(leaves)
    before = dict(zip(_spans(start.size), start.subtrees, strict=True))
    return [
        before[part] if part[1] <= start.size else _root(later[part[0] - start.size : part[1] - start.size])
        for part in _consistency_ranges(start.size, (0, size), is_known=True)
    ]


def stored_consistency_path(old_size: int, size: int) -> list[bytes]:
    """Return the proof that the sealed chain's tree of `size` leaves begins with its tree of `old_size` leaves."""
    if old_size in {0, size}:
        return []
    start = frontier_before(old_size)
    for leaf in stored_leaves(old_size, after=start.size):
        start.append(leaf)
    return consistency_path(start, size=size, leaves=stored_leaves(size, after=old_size))


def frontier_before(size: int) -> Frontier:
    """Return the last stored frontier of at most `size` leaves; the empty one when there is none."""
    row = FrontierRow.objects.filter(size__lte=size).order_by("-size").first()
    if row is None:
        return Frontier()
    subtrees = bytes(row.subtrees)
    return Frontier(row.size, [subtrees[at : at + DIGEST_BYTES] for at in range(0, len(subtrees), DIGEST_BYTES)])


def tlog_proof(*, index: int, path: Iterable[bytes], note: bytes) -> bytes:
    """Return the C2SP tlog-proof that puts an inclusion path and its checkpoint into one file."""
    lines = [TLOG_PROOF_HEADER, f"index {index}", *(encode_base64(node) for node in path)]
    return "\n".join(lines).encode("ascii") + b"\n\n" + note


def stored_leaves(size: int, *, after: int = 0) -> Iterator[bytes]:
    """Yield the leaves of the sealed chain up to `size`, in order, without the first `after`."""
    last = after
    while last < size:
        with connection.cursor() as cursor:
            cursor.execute(LEAVES_AFTER, [last, size, LEAVES_PER_FETCH])
            rows = cursor.fetchall()
        if not rows:
            return
        for sequence, leaf in rows:
            yield bytes(leaf)
            last = sequence


def _siblings(index: int, size: int) -> list[Range]:
    """Return the ranges whose roots form the path, from the leaf upwards."""
    start, end, found = 0, size, []
    while end - start > 1:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def _consistency_ranges(old_size: int, part: Range, *, is_known: bool) -> list[Range]:
    """Return the ranges whose roots form a consistency proof (RFC 6962, 2.1.2); `is_known`: the verifier has the root of `part`."""
    start, end = part
    if old_size == end:
        return [] if is_known else [part]
    middle = start + (1 << (end - start - 1).bit_length() - 1)
    if old_size <= middle:
        return [*_consistency_ranges(old_size, (start, middle), is_known=is_known), (middle, end)]
    return [*_consistency_ranges(old_size, (middle, end), is_known=False), (start, middle)]


def _spans(size: int) -> Iterator[Range]:
    """Yield the ranges of the perfect subtrees of a tree, largest first."""
    start = 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            yield start, start + (1 << level)
            start += 1 << level


def _root(leaves: Iterable[bytes]) -> bytes:
    tree = Frontier()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def _perfect_subtrees(part: Range) -> list[tuple[int, int]]:
    """Return (level, number within level) of the perfect subtrees that make up a range, from left to right."""
    start, end = part
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def _subtree_hashes(needed: set[tuple[int, int]], leaves: Iterable[bytes], start: Frontier) -> dict[tuple[int, int], bytes]:
    found = dict(zip(_perfect_subtrees((0, start.size)), start.subtrees, strict=True))
    open_subtrees = list(start.subtrees)
    for index, leaf in enumerate(leaves, start.size):
        node, level, number = leaf, 0, index
        if (0, index) in needed:
            found[0, index] = leaf
        while number & 1:
            node = node_hash(open_subtrees.pop(), node)
            level, number = level + 1, number >> 1
            if (level, number) in needed:
                found[level, number] = node
        open_subtrees.append(node)
    return found


def _range_hash(part: Range, hashes: dict[tuple[int, int], bytes]) -> bytes:
    subtrees = [hashes[node] for node in _perfect_subtrees(part)]
    root = subtrees[-1]
    for subtree in reversed(subtrees[:-1]):
        root = node_hash(subtree, root)
    return root
