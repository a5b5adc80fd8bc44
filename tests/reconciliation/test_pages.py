"""The console: the work queue by address, its export, the trend, and what somebody from elsewhere sees of it."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from audit.models import Event
from identity.models import Role
from kernel.clock import now as clock_now
from reconciliation import services
from reconciliation.exporting import harmless
from reconciliation.models import Break, Run
from reconciliation.pages import name_of
from reconciliation.trend import trend
from tests.builders.commits import Gate, as_owner, outcome_of
from tests.builders.identity import COMPANY, actor, make_user
from tests.reconciliation.builders import alter, an_orphan, committed, reconcile, write_past_the_gate

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def get(user: User, path: str) -> str:
    response = signed_in(user).get(path)
    assert response.status_code == 200, response.content
    return response.content.decode()


def exported(user: User, query: str = "") -> list[dict[str, str]]:
    response = signed_in(user).post(f"/reconciliation/breaks/export/{query}")
    assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert response.streaming
    text = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def outsider(gate: Gate) -> User:
    return make_user("otis", [Role.OPERATOR], companies=("US01",))


def two_breaks(gate: Gate) -> tuple[str, str]:
    """Return an altered order that was found five days ago, and an orphan of today."""
    _, altered = committed(gate)
    alter(altered)
    reconcile()
    as_owner("UPDATE reconciliation_break SET opened_at = opened_at - interval '5 days'")
    orphan = write_past_the_gate()
    reconcile()
    return altered, orphan


def test_queue_shows_writes_without_an_approval_first_and_filters_by_address(gate: Gate, outsider: User) -> None:
    altered, orphan = two_breaks(gate)
    services.take_break(break_id=Break.objects.get(document=orphan).public_id, user=gate.otto, actor=actor(gate.otto), now=clock_now())
    page = get(gate.otto, "/reconciliation/breaks/")
    assert page.index(orphan) < page.index(altered)
    assert "altered" in page.lower()
    for query, shown in (
        ("?kind=orphan", {orphan}),
        ("?kind=altered", {altered}),
        ("?owner=me", {orphan}),
        ("?owner=nobody", {altered}),
        ("?age=1d", {orphan}),
        ("?age=7d", {altered}),
        ("?age=30d", set()),
        ("?state=resolved", set()),
        ("?state=all&q=" + altered, {altered}),
        ("?company=DE01", {orphan, altered}),
        ("?company=FR01", set()),
        ("?kind=x&age=x&owner=you&state=x", {orphan, altered}),
    ):
        page = get(gate.otto, f"/reconciliation/breaks/{query}")
        assert {number for number in (orphan, altered) if f">{number}<" in page} == shown, query
    assert not any(number in get(outsider, "/reconciliation/breaks/?state=all") for number in (orphan, altered))


def test_export_has_what_the_address_asks_for_and_is_recorded(gate: Gate, outsider: User) -> None:
    altered, orphan = two_breaks(gate)
    rows = exported(gate.otto)
    assert [(row["kind"], row["document"], row["amount"], row["currency"]) for row in rows] == [
        ("orphan", orphan, "77.00", "EUR"),
        ("altered", altered, "100.00", "EUR"),
    ]
    assert [row["document"] for row in exported(gate.otto, "?kind=altered&age=7d")] == [altered]
    assert exported(outsider, "?state=all") == []
    events = Event.objects.filter(kind="reconciliation:exported").order_by("event_id")
    assert [outcome_of(event)["rows"] for event in events] == [2, 1, 0]
    assert outcome_of(events[1])["filters"]["kind"] == "altered"
    refused = signed_in(gate.cast.alice).post("/reconciliation/breaks/export/")
    assert refused.status_code == 403
    assert signed_in(gate.otto).get("/reconciliation/breaks/export/").status_code == 405


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert harmless("PO-1") == "PO-1"


def test_explanation_that_is_a_formula_is_exported_as_text(gate: Gate) -> None:
    found = an_orphan()
    services.explain_break(
        break_id=found.public_id, user=gate.otto, actor=actor(gate.otto), now=clock_now(), explanation='=HYPERLINK("http://x")'
    )
    (row,) = exported(gate.otto, "?state=explained")
    assert row["explanation"] == '\'=HYPERLINK("http://x")'


def test_break_page_tells_its_history(gate: Gate) -> None:
    olaf = make_user("olaf", [Role.OPERATOR])
    found = an_orphan("5000.00")
    path = f"/reconciliation/breaks/{found.public_id}/"
    assert "Above 100.00 EUR a second person has to agree" in get(gate.otto, path)
    client = signed_in(gate.otto)
    client.post(f"{path}take/")
    client.post(f"{path}write-off/", {"reason": "Paid in cash"})
    page = get(olaf, path)
    otto, other = name_of(gate.otto), name_of(olaf)
    for said in ("Found by a run", f"{otto} took it", f"{otto} wants it written off", "Paid in cash", "I agree: written off"):
        assert said in page
    assert signed_in(gate.otto).post(f"{path}second/").status_code == 409
    assert signed_in(olaf).post(f"{path}second/").status_code == 303
    assert f"{other} agreed: written off" in get(olaf, path)


def test_runs_say_what_they_matched_instead_of_nothing(gate: Gate) -> None:
    committed(gate)
    done = reconcile()
    assert f"Run {done.started_at:%H:%M} matched 1 of 1, 0 differences." in get(gate.otto, "/reconciliation/")
    assert "In numbers" not in get(gate.otto, "/reconciliation/")


def runs_of(*counts: int, company: str = COMPANY) -> None:
    now = clock_now()
    for number, count in enumerate(counts):
        day = date(2026, 11, 1) + timedelta(days=number)
        Run.objects.create(
            kind="nightly",
            company=company,
            business_date=day,
            cut_off_at=now,
            state="completed",
            intended_count=10,
            matched_count=10 - count,
            break_count=count,
            started_at=now,
            finished_at=now,
        )


def test_trend_adds_companies_up_and_is_told_in_words(gate: Gate, outsider: User) -> None:
    now = clock_now().replace(year=2026, month=11, day=20)
    assert trend({COMPANY}, now=now) is None
    runs_of(0, 4, 0)
    runs_of(1, 1, 0, company="US01")
    drawn = trend({COMPANY, "US01"}, now=now)
    assert drawn is not None
    assert [(day.breaks, day.matched) for day in drawn.days] == [(1, 19), (5, 15), (0, 20)]
    assert [bar.is_quiet for bar in drawn.bars] == [False, False, True]
    assert drawn.bars[1].height == max(bar.height for bar in drawn.bars)
    assert drawn.sentence == "3 days from 2026-11-01 to 2026-11-03: 1 without a difference; at most 5, on 2026-11-02; 0 on the last."
    own = trend({COMPANY}, now=now)
    assert own is not None
    assert [day.breaks for day in own.days] == [0, 4, 0]
    page = get(gate.otto, "/reconciliation/")
    assert '<svg class="trend"' in page
    assert "style=" not in page.split('<svg class="trend"')[1].split("</svg>")[0]
