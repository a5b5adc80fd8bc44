"""What holds of the pure parts for every input: no floats, no crash, integers that agree with a slow definition."""

from __future__ import annotations

from datetime import date, timedelta
from statistics import median_low
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.rules import Line, Past, Thresholds, evaluate
from approvals.rules.past import REMEMBERED_MAX, limit_above, robust
from kernel.errors import ValidationFailed
from kernel.money import Money
from reconciliation.assurance.population import Member
from reconciliation.assurance.sampling import draw_monetary, draw_random, draw_stratified, shares_of
from tests.assurance.facts import ENTERED_AT, a_case, a_history, a_usage, an_entry

AMOUNTS = st.integers(min_value=0, max_value=10**12)
DAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2199, 12, 31))


@settings(max_examples=80, deadline=None)
@given(minor=AMOUNTS, day=DAYS, words=st.text(max_size=40), others=st.lists(AMOUNTS, min_size=1, max_size=60))
def test_every_write_is_evaluated_and_says_why_in_text(minor: int, day: date, words: str, others: list[int]) -> None:
    middle, deviation = robust(others)
    entry = an_entry(
        amount="0.00",
        tool="post_journal_entry",
        effective_on=day,
        description=words,
        lines=(Line("6300", True, minor), Line("2000", False, minor)),
    )
    history = a_history(observations=len(others), median_minor=middle, deviation_minor=deviation)
    found = evaluate(a_case(entry, history=history, usage=a_usage()), Thresholds())
    assert len(found.tested) + len(found.not_applicable) + len(found.not_tested) == 17
    for hit in found.hits:
        assert hit.text
        assert all(isinstance(value, str) for part in (hit.inputs, hit.threshold, hit.observed) for value in part.values())


@given(values=st.lists(AMOUNTS, min_size=1, max_size=80))
def test_median_and_deviation_are_the_lower_ones(values: list[int]) -> None:
    middle, deviation = robust(values)
    assert middle == median_low(values)
    assert deviation == median_low([abs(value - middle) for value in values])


@given(minor=AMOUNTS, limits=st.lists(st.integers(min_value=1, max_value=10**12), max_size=6), percent=st.integers(1, 50))
def test_an_amount_is_just_below_the_lowest_limit_it_is_near(minor: int, limits: list[int], percent: int) -> None:
    found = limit_above(minor, limits, percent)
    near = [limit for limit in limits if limit * (100 - percent) <= minor * 100 <= limit * 100]
    assert found == (min(near) if near else 0)


@settings(max_examples=40, deadline=None)
@given(amounts=st.lists(st.sampled_from([100, 4_900_00, 4_950_00, 5_000_00]), max_size=90))
def test_the_past_counts_what_was_added(amounts: list[int]) -> None:
    past, thresholds = Past(), Thresholds()
    for number, minor in enumerate(amounts):
        entry = an_entry(Money(minor, "EUR").decimal_text(), entered_at=ENTERED_AT + timedelta(minutes=number))
        past.add(entry, key=f"prop_{number}")
    now = an_entry("4900.00", entered_at=ENTERED_AT + timedelta(hours=2))
    found = past.history(now, thresholds, limits=[5_000_00])
    remembered = amounts[-REMEMBERED_MAX:]
    assert found.observations == len(remembered)
    assert len(found.alike) == remembered.count(4_900_00)
    assert found.near_limit == sum(minor >= 4_500_00 for minor in remembered)
    assert found.agent_writes == found.agent_writes_here == len(amounts)


@settings(max_examples=60)
@given(
    values=st.fixed_dictionaries(
        {},
        optional={
            "seldom_uses": st.integers(0, 1000).map(str),
            "outlier_z": st.decimals("0.1", "99", places=1).map(str),
            "boilerplate": st.lists(st.sampled_from(["misc", "as agreed", "n/a"]), unique=True).map(", ".join),
            "holidays": st.lists(DAYS, max_size=4, unique=True).map(lambda days: ", ".join(sorted(day.isoformat() for day in days))),
            "opens_at": st.just("07:30"),
            "closes_at": st.just("18:00"),
        },
    )
)
def test_thresholds_survive_being_stored(values: dict[str, str]) -> None:
    if ("opens_at" in values) != ("closes_at" in values):
        with pytest.raises(ValidationFailed):
            Thresholds.from_dict(values)
        return
    made = Thresholds.from_dict(values)
    assert Thresholds.from_dict(made.as_dict()) == made
    assert {name: made.as_dict()[name] for name in values} == values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seldom_uses", "-1"), ("seldom_uses", "1.5"), ("round_unit", "0"), ("round_unit", "1e3"), ("time_zone", "Mars/Olympus"),
        ("time_zone", "../etc"),
        ("opens_at", "25:00"), ("cluster_percent", "51"), ("working_days", "mon, someday"), ("cash_accounts", "10 00"),
        ("holidays", "2026-02-30"), ("unheard_of", "1"), ("outlier_z", "NaN"),
    ],
)  # fmt: skip
def test_thresholds_without_a_form_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        Thresholds.from_dict({name: value})
    assert refused.value.errors[0].path in {f"/{name}", "/opens_at"}


def a_population(amounts: list[int], currency: str = "EUR") -> list[Member]:
    return [Member(UUID(int=number + 1), minor, currency, f"PO-{number}") for number, minor in enumerate(amounts)]


SOME = st.lists(st.integers(0, 10**9), min_size=1, max_size=60)


@settings(deadline=None)
@given(amounts=SOME, size=st.integers(1, 70), seed=st.sampled_from(["a", "b", "0f"]))
def test_samples_are_drawn_again_from_their_seed(amounts: list[int], size: int, seed: str) -> None:
    members = a_population(amounts)
    for draw in (draw_random, draw_stratified):
        picked = draw(members, size=size, seed=seed)
        keys = [item.member.key for item in picked]
        assert len(keys) == len(set(keys)) == min(size, len(members))
        assert [item.member.key for item in draw(list(reversed(members)), size=size, seed=seed)] == keys, (
            "the order of reading changes nothing"
        )


@given(amounts=SOME, size=st.integers(1, 70))
def test_strata_share_the_size(amounts: list[int], size: int) -> None:
    counts: dict[tuple[str, int], int] = {}
    for minor in amounts:
        key = ("EUR", len(str(minor)))
        counts[key] = counts.get(key, 0) + 1
    shares = shares_of(counts, size)
    assert sum(shares.values()) == min(size, len(amounts))
    assert all(0 <= shares[key] <= count for key, count in counts.items())
    if size >= len(counts):
        assert min(shares.values()) >= 1


@given(amounts=SOME, size=st.integers(1, 70), seed=st.sampled_from(["a", "b"]))
def test_monetary_units_take_every_large_write(amounts: list[int], size: int, seed: str) -> None:
    members = a_population(amounts)
    picked = draw_monetary(members, size=size, seed=seed)
    total = sum(amounts)
    interval = max(total // size, 1)
    taken = {item.member.key for item in picked}
    assert len(taken) == len(picked)
    assert all(member.key in taken for member in members if member.minor >= interval and total)
    assert all(item.member.minor > 0 for item in picked)
