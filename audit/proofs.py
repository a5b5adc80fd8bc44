"""Inclusion proofs: that an event stands at its place in the tree of a signed checkpoint.

All proofs wanted at once are made in one pass over the leaves, holding only the subtrees that some proof needs; a million
leaves take about three seconds and no memory to speak of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db import connection

from audit.verifier.countersign_verify import TLOG_PROOF_HEADER, encode_base64, node_hash

LEAVES_PER_FETCH = 10_000
LEAVES_AFTER = """
SELECT s.sequence, e.leaf FROM audit_seal s JOIN audit_event e ON e.event_id = s.event_id
WHERE s.sequence > %s AND s.sequence <= %s ORDER BY s.sequence LIMIT %s
"""

Range = tuple[int, int]  # leaves from (inclusive) to (exclusive)


def inclusion_paths(indexes: Iterable[int], *, size: int, leaves: Iterable[bytes]) -> dict[int, list[bytes]]:
    """Return the RFC 6962 audit path of each index (from 0) in the tree of `size` leaves."""
    siblings = {index: _siblings(index, size) for index in indexes}
    needed = {node for ranges in siblings.values() for part in ranges for node in _perfect_subtrees(part)}
    hashes = _subtree_hashes(needed, leaves)
    return {index: [_range_hash(part, hashes) for part in ranges] for index, ranges in siblings.items()}


def tlog_proof(*, index: int, path: Iterable[bytes], note: bytes) -> bytes:
    """Return the C2SP tlog-proof that puts an inclusion path and its checkpoint into one file."""
    lines = [TLOG_PROOF_HEADER, f"index {index}", *(encode_base64(node) for node in path)]
    return "\n".join(lines).encode("ascii") + b"\n\n" + note


def stored_leaves(size: int) -> Iterator[bytes]:
    """Yield the first `size` leaves of the sealed chain, in order."""
    last = 0
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


def _perfect_subtrees(part: Range) -> list[tuple[int, int]]:
    """Return (level, number within level) of the perfect subtrees that make up a range, from left to right."""
    start, end = part
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def _subtree_hashes(needed: set[tuple[int, int]], leaves: Iterable[bytes]) -> dict[tuple[int, int], bytes]:
    found: dict[tuple[int, int], bytes] = {}
    open_subtrees: list[bytes] = []
    for index, leaf in enumerate(leaves):
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
