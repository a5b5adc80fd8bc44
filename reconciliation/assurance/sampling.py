"""Drawing a sample: pure, with integers and SHA-256 only, so that anybody with the population and the seed draws it again.

The rank of a write is SHA-256 over seed, NUL, proposal id. Random takes the lowest ranks. Stratified takes the lowest ranks of each band
of amounts, as many as its share of the population (largest remainders, at least one of each band while the size lasts).
Monetary unit puts the amounts of one currency end to end in the order of the ids, starts at a unit below the interval that the seed
gives, and takes the write that holds each interval-th unit; a write as large as the interval is certain to be taken.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from reconciliation.assurance.population import Member


@dataclass(frozen=True, slots=True)
class Picked:
    """One write of a sample, and what selected it."""

    member: Member
    stratum: str
    because: str


def rank(seed: str, proposal: str) -> str:
    """Return the rank of a write under a seed, in hexadecimal."""
    return hashlib.sha256(f"{seed}\0{proposal}".encode()).hexdigest()


def draw_random(members: Iterable[Member], *, size: int, seed: str) -> list[Picked]:
    """Return the writes with the lowest ranks, in the order of their ranks."""
    ranked = ((rank(seed, member.proposal), member) for member in members)
    return [Picked(member, "", f"rank {found[:16]}") for found, member in heapq.nsmallest(size, ranked)]


def draw_stratified(members: Iterable[Member], *, size: int, seed: str) -> list[Picked]:
    """Return the lowest ranks of each band of amounts, the bands in the order of currency and amount."""
    strata: dict[tuple[str, int], list[Member]] = defaultdict(list)
    for member in members:
        strata[member.currency, len(str(abs(member.minor)))].append(member)
    shares = shares_of({key: len(found) for key, found in strata.items()}, size)
    return [
        Picked(item.member, stratum_text(*key), item.because)
        for key in sorted(strata)
        for item in draw_random(strata[key], size=shares[key], seed=seed)
    ]


def shares_of(counts: dict[tuple[str, int], int], size: int) -> dict[tuple[str, int], int]:
    """Return how many of each stratum: at least one while the size lasts, the rest in proportion by largest remainders."""
    total = sum(counts.values())
    if size >= total:
        return dict(counts)
    largest = sorted(counts, key=lambda key: (-counts[key], key))
    shares = {key: 1 if index < size else 0 for index, key in enumerate(largest)}
    left = size - sum(shares.values())
    if left <= 0:
        return shares
    wanted = {key: (counts[key] * size // total, counts[key] * size % total) for key in counts}
    for key in largest:
        more = min(max(wanted[key][0] - 1, 0), left, counts[key] - shares[key])
        shares[key] += more
        left -= more
    for key in sorted(counts, key=lambda key: (-wanted[key][1], key)) * 2:
        if left and shares[key] < counts[key]:
            shares[key] += 1
            left -= 1
    for key in largest:
        more = min(left, counts[key] - shares[key])
        shares[key] += more
        left -= more
    return shares


def stratum_text(currency: str, digits: int) -> str:
    """Return the band of amounts that have so many digits in minor units, in words."""
    return f"{currency}, minor units of {digits} digit{'' if digits == 1 else 's'}"


def draw_monetary(members: Sequence[Member], *, size: int, seed: str) -> list[Picked]:
    """Return the writes of one currency that hold the selected units of money, in the order of their ids; each once."""
    total = sum(member.minor for member in members)
    if not total:
        return []
    interval = max(total // size, 1)
    unit = int(rank(seed, "start"), 16) % interval + 1
    picked, reached = [], 0
    for member in members:
        reached += member.minor
        if unit > reached:
            continue
        picked.append(Picked(member, "certain" if member.minor >= interval else "", f"unit {unit:,} of {total:,}, every {interval:,}"))
        unit += interval * ((reached - unit) // interval + 1)
    return picked


DRAWS: dict[str, Callable[..., list[Picked]]] = {"random": draw_random, "stratified": draw_stratified, "monetary_unit": draw_monetary}
