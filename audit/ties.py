"""Ties: what other apps keep beside the log must be what the log says of it.

An intact log proves what was recorded, not that the rows beside it still say so. Each app that keeps such rows registers one tie,
`register_tie(name, check)`; `manage.py audit_verify` runs them after the chain. A tie compares rows with events whose bytes have just
been verified, and notes what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from audit.models import Event
from audit.queries import record_of
from audit.verifier.countersign_verify import Findings

# Takes the findings, and the list that says what was compared.
Tie = Callable[[Findings, list[str]], None]
_ties: dict[str, Tie] = {}


def register_tie(name: str, tie: Tie) -> None:
    """Make verification run this tie under this name, which is a sentence that holds; the same name again takes the place of the first."""
    _ties[name] = tie


def check_ties(findings: Findings) -> None:
    """Check what every app has tied to the log."""
    for name in sorted(_ties):
        with findings.check(name) as detail:
            _ties[name](findings, detail)


def records_by_chain(kind: str, chains: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return the records of this kind in each of these per-subject chains, in order."""
    found: dict[str, list[Mapping[str, Any]]] = {chain: [] for chain in chains}
    for event in Event.objects.filter(kind=kind, chain__in=chains).order_by("chain", "position"):
        found[event.chain].append(record_of(event))
    return found
