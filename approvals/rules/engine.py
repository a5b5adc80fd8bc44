"""Holding one write against the rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from approvals.rules.catalogue import RULES, Rule
from approvals.rules.facts import Case
from approvals.rules.results import Found, Hit, NotApplicable, NotTested
from approvals.rules.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the rules say about one write: hits, the codes that were tested, and why the others were not."""

    hits: tuple[Hit, ...] = ()
    tested: tuple[str, ...] = ()
    not_applicable: tuple[str, ...] = ()
    not_tested: Mapping[str, str] = field(default_factory=dict)

    @property
    def codes(self) -> frozenset[str]:
        """Return the codes of the rules that hit."""
        return frozenset(hit.rule for hit in self.hits)


def evaluate(case: Case, thresholds: Thresholds, rules: Iterable[Rule] = RULES) -> Evaluation:
    """Return what each rule says about the case, in the order of the rules."""
    hits, tested, not_applicable, not_tested = [], [], [], {}
    for rule in rules:
        result = rule.check(case, thresholds)
        if isinstance(result, NotTested):
            not_tested[rule.code] = result.why
        elif isinstance(result, NotApplicable):
            not_applicable.append(rule.code)
        else:
            tested.append(rule.code)
            if isinstance(result, Found):
                hits.append(Hit(rule.code, rule.version, rule.title, result.text, result.inputs, result.threshold, result.observed))
    return Evaluation(tuple(hits), tuple(tested), tuple(not_applicable), not_tested)
