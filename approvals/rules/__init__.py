"""The journal-entry rules J1-J17: pure functions over facts, each with a version; no model, no query, no clock.

One engine, two uses: `approvals.flags` asks it about a write that is being proposed, `reconciliation.assurance` about everything of a
period. Both hand over the same facts, so a rule means the same at the gate and in an auditor's report.
"""

from __future__ import annotations

from approvals.rules.catalogue import BY_CODE, CODES, GATE_CODES, RULES, Rule
from approvals.rules.engine import Evaluation, evaluate
from approvals.rules.facts import (
    AccountFacts,
    Case,
    DecisionFacts,
    Entry,
    History,
    Landing,
    Line,
    People,
    Reversal,
    Seen,
    Usage,
)
from approvals.rules.past import Past
from approvals.rules.results import Hit
from approvals.rules.thresholds import Thresholds

__all__ = [
    "BY_CODE",
    "CODES",
    "GATE_CODES",
    "RULES",
    "AccountFacts",
    "Case",
    "DecisionFacts",
    "Entry",
    "Evaluation",
    "History",
    "Hit",
    "Landing",
    "Line",
    "Past",
    "People",
    "Reversal",
    "Rule",
    "Seen",
    "Thresholds",
    "Usage",
    "evaluate",
]
