"""The page about the quality of oversight: habits with their signs, time against amount as a drawing, what the second review found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from approvals.oversight.indicators import DECISIONS_MIN, percent, signs_of
from approvals.oversight.models import Draw
from approvals.oversight.statistics import Agreement, Band, Habits, agreement, bands, habits
from kernel.display import Tag, Tone, counted, span

PERIODS = (30, 90, 365)
WIDTH, HEIGHT, BASE, TOP = 640, 200, 164, 28
DRAWS_MAX = 20


@dataclass(frozen=True, slots=True)
class PersonLine:
    """One person's habits as texts."""

    name: str
    decisions: str
    approved: str
    median: str
    fast: str
    opened: str
    in_bulk: str
    streak: str
    signs: Sequence[Tag]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the drawing, with the same in words."""

    x: int
    y: int
    width: int
    height: int
    middle: int
    label: str
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Median time by size of amount; `sentence` says what it shows to whoever doesn't see it."""

    width: int
    height: int
    base: int
    label_y: int
    bars: Sequence[Bar]
    sentence: str
    sign: str


@dataclass(frozen=True, slots=True)
class OversightPage:
    """Everything the page shows."""

    days: int
    periods: Sequence[tuple[str, str, bool]]
    summary: str
    people: Sequence[PersonLine]
    chart: Chart | None
    review_sentence: str
    draws: Sequence[tuple[str, str, str, str]]


def oversight_page(*, companies: Iterable[str], days: int, now: datetime) -> OversightPage:
    """Return the page for these companies over so many days; a handful of queries."""
    wanted, since = sorted(companies), now - timedelta(days=days)
    found = habits(since=since, until=now, companies=wanted)
    names = {user.pk: user.get_full_name() or user.get_username() for user in _people(found)}
    currency, by_size = bands(since=since, until=now, companies=wanted)
    agreed = agreement(since=since, until=now, companies=wanted)
    total = sum(item.decisions for item in found)
    return OversightPage(
        days=days,
        periods=[(f"{number} days", f"?days={number}", number == days) for number in PERIODS],
        summary=f"{counted(total, 'decision', 'decisions')} by {counted(len(found), 'person', 'people')} in {days} days.",
        people=[_line(item, names) for item in found],
        chart=chart_of(currency, by_size) if by_size else None,
        review_sentence=_review_sentence(agreed),
        draws=[
            (
                f"{draw.company} {draw.on.isoformat()}",
                f"{draw.share_permille:,} of 1,000",
                f"{draw.population_count:,}",
                draw.seed,
            )
            for draw in Draw.objects.filter(company__in=wanted, on__gte=since.date()).order_by("-on", "company")[:DRAWS_MAX]
        ],
    )


def chart_of(currency: str, by_size: Sequence[Band]) -> Chart:
    """Return the bars, the tallest over the whole height; nobody needs a pixel to know the number."""
    most = max(1, *(band.median_seconds for band in by_size))
    step = WIDTH // len(by_size)
    bars = []
    for index, band in enumerate(by_size):
        height = max(2, (BASE - TOP) * band.median_seconds // most)
        value = span(timedelta(seconds=band.median_seconds))
        bars.append(
            Bar(
                x=index * step + step // 4,
                y=BASE - height,
                width=step // 2,
                height=height,
                middle=index * step + step // 2,
                label=band.label,
                value=value,
                text=f"{band.label} {currency}: {value} in the median of {counted(band.decisions, 'decision', 'decisions')}",
            )
        )
    told = "; ".join(bar.text for bar in bars)
    is_told = len(by_size) > 1 and min(by_size[0].decisions, by_size[-1].decisions) >= DECISIONS_MIN
    is_flat = is_told and by_size[-1].median_seconds <= by_size[0].median_seconds
    sign = "The largest amounts get no more time than the smallest." if is_flat else ""
    return Chart(WIDTH, HEIGHT, BASE, BASE + 24, bars, f"Median time from page to decision by amount: {told}.", sign)


def _people(found: Sequence[Habits]) -> list[User]:
    return list(get_user_model().objects.filter(pk__in=[item.user_id for item in found]))


def _line(found: Habits, names: dict[int, str]) -> PersonLine:
    return PersonLine(
        name=names.get(found.user_id, f"Person {found.user_id}"),
        decisions=f"{found.decisions:,}",
        approved=percent(found.approvals, found.decisions),
        median="–" if found.median_seconds is None else span(timedelta(seconds=found.median_seconds)),
        fast=percent(found.fast, found.alone),
        opened=percent(found.evidence_opened, found.with_evidence),
        in_bulk=percent(found.in_bulk, found.decisions),
        streak=f"{found.streak:,}",
        signs=[Tag(sign.text, Tone.WARN, "warn") for sign in signs_of(found)],
    )


def _review_sentence(found: Agreement) -> str:
    if not found.drawn:
        return "Nothing was drawn for a second review in this period."
    rate = f", {percent(found.disagreed, found.given)} of them would not have approved" if found.given else ""
    alone = f" For {found.without_reviewer:,} nobody else could be asked." if found.without_reviewer else ""
    return f"{counted(found.drawn, 'proposal', 'proposals')} drawn, {found.given:,} reviewed{rate}.{alone}"
