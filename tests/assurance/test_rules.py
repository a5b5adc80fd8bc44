"""Each rule of J1-J17 says what it should at its threshold, just below it, and without the facts it needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from approvals.rules import (
    BY_CODE,
    CODES,
    GATE_CODES,
    Case,
    DecisionFacts,
    Evaluation,
    Hit,
    Landing,
    People,
    Reversal,
    Thresholds,
    evaluate,
)
from tests.assurance.facts import ENTERED_AT, a_case, a_history, a_journal_entry, a_usage, an_entry

DEFAULTS = Thresholds()
CLEAN, NOT_APPLICABLE = "clean", "not applicable"


def asked(code: str, case: Case, **changes: Any) -> Hit | str:
    """Return the hit of one rule, or in a word what else it said."""
    found: Evaluation = evaluate(case, replace(DEFAULTS, **changes), [BY_CODE[code]])
    if found.hits:
        return found.hits[0]
    return found.not_tested.get(code) or (NOT_APPLICABLE if code in found.not_applicable else CLEAN)


def hit(code: str, case: Case, **changes: Any) -> Hit:
    """Return the hit of one rule, which has to strike."""
    found = asked(code, case, **changes)
    assert isinstance(found, Hit), found
    assert found.rule == code
    assert found.version == BY_CODE[code].version
    values = [*found.inputs.values(), *found.threshold.values(), *found.observed.values()]
    assert all(isinstance(value, str) for value in values), "facts of a hit are text"
    return found


def test_seventeen_rules_in_their_order() -> None:
    assert list(CODES) == [f"J{number}" for number in range(1, 18)]
    assert set(CODES) - set(GATE_CODES) == {"J14", "J17"}


def test_a_plain_write_meets_no_rule() -> None:
    facts = {"history": a_history(), "usage": a_usage(), "people": People("", {}), "decisions": ()}
    for entry in (an_entry(), a_journal_entry()):
        found = evaluate(a_case(entry, **facts), DEFAULTS)
        assert found.codes == frozenset()
        assert set(found.not_tested) == {"J3"}, "only the hours are unknown"


def test_what_is_not_known_is_not_tested() -> None:
    found = evaluate(a_case(a_journal_entry(reverses="JE-1")), DEFAULTS)
    assert set(found.not_tested) == {"J3", "J6", "J7", "J8", "J10", "J11", "J12", "J13", "J14", "J15", "J16"}
    assert all(found.not_tested.values()), "each says why"


@pytest.mark.parametrize(
    ("amount", "strikes"),
    [("10000.00", True), ("12000.00", True), ("10000.01", False), ("12500.00", False), ("9000.00", False), ("0.00", False)],
)
def test_j1_round_amount(amount: str, strikes: bool) -> None:
    assert (asked("J1", a_case(an_entry(amount))) != CLEAN) is strikes


def test_j1_counts_in_the_currency_s_own_units() -> None:
    assert hit("J1", a_case(an_entry("10000", currency="JPY"))).observed == {"multiple": "10"}
    assert hit("J1", a_case(an_entry("10000.000", currency="KWD"))).threshold == {"round_unit": "1000", "round_from": "10000"}


@pytest.mark.parametrize(
    ("day", "observed"),
    [(date(2026, 11, 21), "Saturday"), (date(2026, 11, 22), "Sunday"), (date(2026, 11, 23), ""), (date(2026, 12, 25), "holiday")],
)
def test_j2_weekend_or_holiday(day: date, observed: str) -> None:
    found = asked("J2", a_case(an_entry(effective_on=day)), holidays=(date(2026, 12, 25),))
    assert (found.observed["day"] if isinstance(found, Hit) else "") == observed


def test_j2_keeps_to_the_company_s_week() -> None:
    friday = a_case(an_entry(effective_on=date(2026, 11, 20)))
    assert hit("J2", friday, working_days=("sun", "mon", "tue", "wed", "thu")).text == "It is dated 2026-11-20, a Friday."


@pytest.mark.parametrize(("hour", "minute", "strikes"), [(6, 59, True), (7, 0, False), (16, 59, False), (17, 0, True)])
def test_j3_out_of_hours(hour: int, minute: int, strikes: bool) -> None:
    case = a_case(an_entry(entered_at=datetime(2026, 11, 18, hour, minute, tzinfo=UTC)))
    assert isinstance(asked("J3", case, opens_at=time(7), closes_at=time(17)), Hit) is strikes


def test_j3_reads_the_clock_of_the_company() -> None:
    case = a_case(an_entry(entered_at=datetime(2026, 11, 18, 16, 30, tzinfo=UTC)))
    found = hit("J3", case, opens_at=time(7), closes_at=time(17), time_zone="Europe/Berlin")
    assert found.observed == {"time": "17:30"}


def test_j3_is_not_about_what_the_gate_asks_again() -> None:
    """A worker writes at any hour, and people entered that write long before."""
    case = a_case(an_entry(entered_at=datetime(2026, 11, 18, 3, 0, tzinfo=UTC), is_asked_again=True))
    assert asked("J3", case, opens_at=time(7), closes_at=time(17)) == NOT_APPLICABLE


@pytest.mark.parametrize(("day", "left"), [(27, None), (28, "2"), (29, "1"), (30, "0")])
def test_j4_period_end(day: int, left: str | None) -> None:
    found = asked("J4", a_case(an_entry(effective_on=date(2026, 11, day))))
    assert (found.observed["days_left"] if isinstance(found, Hit) else None) == left


def test_j4_leaves_small_amounts_alone() -> None:
    case = a_case(an_entry("999.99", effective_on=date(2026, 11, 30)))
    assert asked("J4", case, period_end_from=Decimal(1000)) == CLEAN


@pytest.mark.parametrize(
    ("dated", "code"),
    [
        (date(2026, 11, 1), ""),
        (date(2026, 10, 31), "post_close"),
        (date(2026, 10, 17), "back_dated"),
        (date(2026, 12, 19), ""),
        (date(2026, 12, 20), "future_dated"),
    ],
)
def test_j5_unusual_dates(dated: date, code: str) -> None:
    found = asked("J5", a_case(an_entry(effective_on=dated)))
    assert (found.observed["code"] if isinstance(found, Hit) else "") == code


def test_j5_lets_the_first_days_of_a_month_close_the_one_before() -> None:
    entry = an_entry(effective_on=date(2026, 10, 31))
    assert asked("J5", a_case(replace(entry, entered_at=datetime(2026, 11, 5, 9, tzinfo=UTC)))) == CLEAN
    assert hit("J5", a_case(replace(entry, entered_at=datetime(2026, 11, 6, 9, tzinfo=UTC)))).observed["days_after_month_end"] == "6"


def test_j6_seldom_used_account() -> None:
    assert hit("J6", a_case(a_journal_entry(), usage=a_usage(a6300=2))).observed == {"6300": "2"}
    assert asked("J6", a_case(a_journal_entry(), usage=a_usage(a6300=3))) == CLEAN
    assert asked("J6", a_case(an_entry(), usage=a_usage())) == NOT_APPLICABLE
    assert "fewer than 50" in str(asked("J6", a_case(a_journal_entry(), usage=a_usage(postings=49))))


def test_j7_unusual_pair() -> None:
    assert asked("J7", a_case(a_journal_entry(), usage=a_usage())) == CLEAN
    turned = a_journal_entry(("2000", True), ("6300", False))
    assert hit("J7", a_case(turned, usage=a_usage())).observed == {"2000/6300": "0"}
    wide = a_journal_entry(*((str(6000 + number), True) for number in range(51)), ("2000", False))
    assert "51 pairs" in str(asked("J7", a_case(wide, usage=a_usage())))


@pytest.mark.parametrize(("writes", "here", "strikes"), [(20, 0, True), (19, 0, False), (20, 1, False)])
def test_j8_first_use(writes: int, here: int, strikes: bool) -> None:
    case = a_case(history=a_history(agent_writes=writes, agent_writes_here=here))
    assert isinstance(asked("J8", case), Hit) is strikes


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("", "blank"),
        (" .-", "blank"),
        ("Misc", "boilerplate"),
        ("N/A", "boilerplate"),
        ("Journal  entry!", "boilerplate"),
        ("Rent 11", "short"),
        ("Rent 11/26", ""),
    ],
)
def test_j9_empty_words(words: str, code: str) -> None:
    found = asked("J9", a_case(a_journal_entry(description=words)))
    assert (found.observed["code"] if isinstance(found, Hit) else "") == code


def test_j9_is_about_tools_with_a_description() -> None:
    assert asked("J9", a_case(an_entry())) == NOT_APPLICABLE


@pytest.mark.parametrize(("limit", "near", "strikes"), [(5_000_00, 2, True), (5_000_00, 1, False), (0, 9, False)])
def test_j10_below_limit_cluster(limit: int, near: int, strikes: bool) -> None:
    found = asked("J10", a_case(history=a_history(limit_minor=limit, near_limit=near)))
    assert isinstance(found, Hit) is strikes
    if isinstance(found, Hit):
        assert found.observed == {"limit": "5000.00", "count": "3"}


def test_j11_duplicate() -> None:
    found = hit("J11", a_case(history=a_history(alike=("prop_1", "prop_2"))))
    assert found.observed == {"count": "2", "newest": "prop_2"}
    assert found.text == "The same amount was proposed for 70001 twice in 30 days, last as prop_2."
    assert asked("J11", a_case(an_entry("0.00"), history=a_history(alike=("prop_1",)))) == CLEAN


def test_j12_sensitive_accounts() -> None:
    entry = a_journal_entry(("1000", True), ("4000", False), ("1590", False), ("IC-9", True))
    found = hit("J12", a_case(entry, usage=a_usage(a1000=9, a4000=9)), suspense_accounts=("159*",), intercompany_accounts=("ic-9",))
    assert found.observed == {"1000": "cash", "4000": "revenue", "1590": "suspense", "IC-9": "intercompany"}
    assert asked("J12", a_case(a_journal_entry(), usage=a_usage())) == CLEAN
    assert asked("J12", a_case(an_entry())) == NOT_APPLICABLE
    assert hit("J12", a_case(entry), cash_accounts=("1000",)).observed == {"1000": "cash"}, "without the ERP, the lists alone"


@pytest.mark.parametrize(("amount", "strikes"), [("1971.28", False), ("1971.29", True), ("488.71", True), ("488.72", False)])
def test_j13_outlier(amount: str, strikes: bool) -> None:
    """0.6745 × distance ÷ 100.00 reaches 5 at a distance of 741.2898 from the median 1,230.00, on either side."""
    assert isinstance(asked("J13", a_case(an_entry(amount), history=a_history())), Hit) is strikes


def test_j13_says_when_there_is_nothing_to_compare() -> None:
    assert "fewer than 20" in str(asked("J13", a_case(history=a_history(observations=19))))
    assert "are the same" in str(asked("J13", a_case(history=a_history(deviation_minor=0))))
    assert asked("J13", a_case(an_entry("1230.00"), history=a_history(deviation_minor=0))) == CLEAN


def decided(seconds: float = 60, *, user: str = "7", kind: str = "approve", **changes: Any) -> DecisionFacts:
    return DecisionFacts(user, kind, ENTERED_AT, ENTERED_AT + timedelta(seconds=seconds), **changes)


def test_j14_fast_or_bulk() -> None:
    assert hit("J14", a_case(decisions=(decided(4.9),))).observed == {"seconds:7": "4"}
    assert hit("J14", a_case(decisions=(decided(in_window=10),))).observed == {"in_window:7": "10"}
    assert asked("J14", a_case(decisions=(decided(5), decided(60, in_window=9)))) == CLEAN
    assert asked("J14", a_case(decisions=(decided(1, kind="reject"),))) == NOT_APPLICABLE


def test_j15_self_dealing() -> None:
    involved = {"7": ("owner",), "8": ("sponsor",)}
    assert hit("J15", a_case(people=People("7", involved))).observed == {"7": "asked, owner"}
    assert hit("J15", a_case(people=People("9", involved), decisions=(decided(user="8"),))).observed == {"8": "decided, sponsor"}
    assert hit("J15", a_case(people=People("9", {}), decisions=(decided(user="9"),))).observed == {"9": "decided, asked"}
    assert hit("J15", a_case(people=People("", {}), decisions=(decided(), decided()))).observed == {"7 decided": "2"}
    assert asked("J15", a_case(people=People("9", involved), decisions=(decided(user="1"), decided(user="2")))) == CLEAN


@pytest.mark.parametrize(
    ("original", "dated", "code"),
    [
        (date(2026, 10, 30), date(2026, 11, 2), "next_period"),
        (date(2026, 11, 1), date(2026, 11, 30), ""),
        (date(2026, 9, 1), date(2026, 10, 16), "next_period"),
        (date(2026, 9, 1), date(2026, 10, 17), ""),
        (date(2025, 12, 31), date(2026, 1, 1), "next_period"),
    ],
)
def test_j16_reversal_in_the_next_period(original: date, dated: date, code: str) -> None:
    entry = a_journal_entry(reverses="JE-1", effective_on=dated)
    found = asked("J16", a_case(entry, reversal=Reversal("JE-1", original)))
    assert (found.observed["code"] if isinstance(found, Hit) else "") == code


def test_j16_reversed_twice_and_unknown() -> None:
    entry = a_journal_entry(reverses="JE-1")
    assert hit("J16", a_case(entry, reversal=Reversal("JE-1", None, ("prop_1",)))).observed["others"] == "prop_1"
    assert "does not tell" in str(asked("J16", a_case(entry, reversal=Reversal("JE-1", None))))
    assert asked("J16", a_case(a_journal_entry())) == NOT_APPLICABLE


def test_j17_normalised() -> None:
    assert hit("J17", a_case(landing=Landing("PO-1", ("total", "lines 1.unit_price")))).observed["differences"] == "2"
    assert asked("J17", a_case(landing=Landing("PO-1", ()))) == CLEAN
    assert asked("J17", a_case()) == NOT_APPLICABLE
