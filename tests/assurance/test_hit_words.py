"""What a rule saw is told in words that an auditor reads without our names."""

from __future__ import annotations

import pytest

from reconciliation.assurance.hit_words import seen_text, threshold_text
from reconciliation.assurance.models import RuleHit

NAMES = {"7": "Maria Keller"}


@pytest.mark.parametrize(
    ("rule", "observed", "said"),
    [
        ("J1", {"multiple": "20"}, "20 times the round unit"),
        ("J2", {"day": "Saturday"}, "Saturday"),
        ("J3", {"time": "23:14"}, "entered at 23:14"),
        ("J5", {"code": "back_dated", "days_back": "40"}, "back dated; 40 days back"),
        ("J6", {"6300": "0"}, "account 6300: 0 postings before"),
        ("J7", {"6300/3500": "1"}, "debit and credit 6300/3500: 1 postings before"),
        ("J14", {"seconds:7": "0"}, "Maria Keller: approved 0 s after the page was shown"),
        ("J14", {"in_window:8": "31"}, "somebody: 31 approvals within the window for bulk"),
        ("J15", {"7": "decided, last_editor", "7 decided": "2"}, "Maria Keller: decided, last editor; Maria Keller: decided 2 times"),
        ("J17", {"fields": "total", "differences": "1"}, "differs in total; differences: 1"),
        ("J11", {"count": "1", "new_fact": "x"}, "count 1; new fact x"),
    ],
)
def test_what_was_seen(rule: str, observed: dict[str, str], said: str) -> None:
    assert seen_text(RuleHit(rule=rule, observed=observed), NAMES) == said


def test_what_it_was_held_against() -> None:
    hit = RuleHit(rule="J14", threshold={"fast_seconds": "5", "people_on_two_sides": "0", "later_one": "3"})
    assert threshold_text(hit) == "Fast: decided within seconds: 5; People on two sides allowed: 0; Later one: 3"
