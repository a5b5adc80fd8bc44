"""The draw, pure: whoever has the seed and the population draws the same sample again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from kernel.canonical import digest

POPULATION_PURPOSE = "countersign.review_population/1"


def is_drawn(seed: str, proposal_id: str, share_permille: int) -> bool:
    """Return whether this proposal is in the sample: each one by itself, with the same chance."""
    return _number(seed, proposal_id) % 1000 < share_permille


def choose(seed: str, proposal_id: str, people: Iterable[int]) -> int | None:
    """Return who of these people reviews this proposal, or None when there is nobody."""
    sorted_people: Sequence[int] = sorted(people)
    return sorted_people[_number(seed, f"{proposal_id}:reviewer") % len(sorted_people)] if sorted_people else None


def population_digest(proposal_ids: Iterable[str]) -> str:
    """Return the digest over the sorted ids from which the sample was drawn."""
    return digest(POPULATION_PURPOSE, sorted(proposal_ids))


def _number(seed: str, text: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{text}".encode()).digest()[:8], "big")
