"""The quality of oversight, and the blind second review: a sample anybody can draw again, a second person who knows nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from approvals.oversight import services
from approvals.oversight.events import ReviewEvent
from approvals.oversight.indicators import percent, signs_of
from approvals.oversight.models import Draw, EvidenceOpening, Review
from approvals.oversight.pages import chart_of
from approvals.oversight.queries import review_waiting
from approvals.oversight.sampling import choose, is_drawn, population_digest
from approvals.oversight.statistics import Band, Habits, agreement, bands, habits
from approvals.services import discussion
from audit.models import Event
from kernel.canonical import parse_json
from kernel.clock import now as clock_now
from kernel.errors import DomainError, NotVisible, StateConflict, ValidationFailed
from proposals.models import Citation, ReadReceipt
from proposals.states import ProposalState
from tests.builders.approvals import Cast, an_order, approved, decided, decided_by, opened
from tests.builders.identity import actor

pytestmark = pytest.mark.django_db


@pytest.fixture
def every(settings: Any) -> None:
    """Let every approved proposal be drawn."""
    settings.REVIEW_SHARE_PERMILLE = 1000


def tomorrow() -> datetime:
    return (clock_now() + timedelta(days=1)).replace(hour=1)


def drawn(cast: Cast) -> Review:
    approved(an_order(cast), cast.alice)
    assert services.draw_due(now=tomorrow()) == 1
    return Review.objects.get()


def give(user: User, review: Review, verdict: str = "approve", comment: str = "") -> Review:
    return services.give_review(user=user, review_id=review.pk, verdict=verdict, comment=comment, actor=actor(user), now=clock_now())


def test_a_day_that_is_over_is_drawn_once_and_missed_days_are_made_up_for(cast: Cast, every: None) -> None:
    orders = [approved(an_order(cast), person) for person in (cast.alice, cast.bob)]
    decided_by(cast.alice, an_order(cast), "reject")
    assert services.draw_due(now=clock_now()) == 0
    late = tomorrow() + timedelta(days=5)
    assert (services.draw_due(now=late), services.draw_due(now=late)) == (2, 0)
    made = Draw.objects.get()
    assert (made.company, made.population_count) == ("DE01", 2)
    assert made.population_digest == population_digest(order.public_id for order in orders)
    assert {review.proposal_id for review in made.reviews.all()} == {order.pk for order in orders}
    record = parse_json(bytes(Event.objects.get(kind=ReviewEvent.DRAWN).bytes))
    assert isinstance(record, dict)
    assert record["outcome"]["seed"] == made.seed


def test_the_second_person_is_none_of_the_first_and_excluded_from_nothing(cast: Cast, every: None) -> None:
    plain, asked = approved(an_order(cast), cast.alice), approved(an_order(cast, on_behalf_of="bob"), cast.alice)
    services.draw_due(now=tomorrow())
    found = {review.proposal_id: review for review in Review.objects.all()}
    assert found[plain.pk].reviewer == cast.bob
    assert found[asked.pk].reviewer is None
    page = found[plain.pk].presentation
    third = approved(an_order(cast), cast.alice)
    for user, reason in ((cast.alice, "the second person is another one"), (cast.olga, "segregation of duties")):
        with pytest.raises(IntegrityError, match=reason), transaction.atomic():
            Review.objects.create(draw=found[plain.pk].draw, proposal=third, presentation=page, reviewer=user, created_at=clock_now())


def test_the_same_seed_draws_the_same_sample() -> None:
    ids = [f"prop_{number}" for number in range(2_000)]
    sample = [key for key in ids if is_drawn("seed", key, 100)]
    assert sample == [key for key in ids if is_drawn("seed", key, 100)]
    assert 150 < len(sample) < 250
    assert sample != [key for key in ids if is_drawn("other", key, 100)]
    assert [key for key in ids if is_drawn("seed", key, 0)] == []
    assert choose("seed", "prop_1", [3, 1, 2]) == choose("seed", "prop_1", {1, 2, 3})
    assert choose("seed", "prop_1", []) is None


def test_a_review_is_given_once_by_its_reviewer_and_changes_nothing(cast: Cast, every: None) -> None:
    review = drawn(cast)
    assert review_waiting(cast.bob, review.proposal.public_id) == review
    assert review_waiting(cast.alice, review.proposal.public_id) is None
    with pytest.raises(StateConflict, match="Look at the proposal first"):
        give(cast.bob, review)
    services.open_review(user=cast.bob, review_id=review.pk, now=clock_now())
    with pytest.raises(NotVisible):
        services.open_review(user=cast.alice, review_id=review.pk, now=clock_now())
    with pytest.raises(NotVisible):
        give(cast.alice, review)
    for verdict, comment in (("reject", " "), ("perhaps", "x"), ("reject", "x" * 2_001)):
        with pytest.raises(ValidationFailed):
            give(cast.bob, review, verdict, comment)
    give(cast.bob, review, "reject", "The vendor is new.")
    with pytest.raises(StateConflict, match="said this already"):
        give(cast.bob, review)
    review.proposal.refresh_from_db()
    assert review.proposal.state == ProposalState.APPROVED
    assert Event.objects.filter(proposal=review.proposal.public_id, kind=ReviewEvent.GIVEN).count() == 1
    assert review_waiting(cast.bob, review.proposal.public_id) is None
    today = clock_now()
    found = agreement(since=today - timedelta(days=1), until=today, companies=["DE01"])
    assert (found.drawn, found.given, found.disagreed, found.without_reviewer) == (1, 1, 1, 0)
    with pytest.raises(IntegrityError, match="given once"), transaction.atomic():
        Review.objects.update(verdict="approve", comment="")


def test_habits_are_counted_from_the_decisions(cast: Cast) -> None:
    start = clock_now()
    for number, (amount, seconds, kind) in enumerate([("100.00", 5, "approve"), ("200.00", 20, "approve"), ("20000.00", 60, "reject")]):
        page = opened(cast.alice, an_order(cast, amount), start)
        decided(cast.alice, page, kind, now=start + timedelta(seconds=seconds, milliseconds=number))
    window = {"since": start - timedelta(days=1), "until": start + timedelta(days=1), "companies": ["DE01"]}
    (found,) = habits(**window)  # type: ignore[arg-type]
    assert (found.user_id, found.decisions, found.approvals, found.fast, found.alone, found.streak) == (cast.alice.pk, 3, 2, 1, 3, 2)
    assert found.median_seconds == 20
    currency, by_size = bands(**window)  # type: ignore[arg-type]
    assert currency == "EUR"
    assert [(band.label, band.decisions, band.median_seconds) for band in by_size] == [("below 1,000", 2, 12), ("10,000 to 50,000", 1, 60)]
    assert habits(**{**window, "companies": ["US01"]}) == []  # type: ignore[arg-type]


def test_signs_need_numbers_and_name_their_thresholds() -> None:
    careful = Habits(1, 40, 30, 0, 2, 40, 95, 30, 25, 12)
    assert signs_of(careful) == []
    stamping = Habits(1, 100, 100, 0, 40, 100, 4, 60, 3, 100)
    assert [sign.code for sign in signs_of(stamping)] == ["fast", "always_approves", "evidence_unopened", "streak"]
    assert signs_of(stamping)[0].text == "40 % decided in less than 10 s (sign from 25 %)"
    assert signs_of(Habits(1, 19, 19, 0, 19, 19, 1, 19, 0, 19)) == []
    assert (percent(1, 3), percent(2, 3), percent(1, 200), percent(0, 0)) == ("33 %", "67 %", "1 %", "–")


def test_a_drawing_says_something_only_about_enough_decisions() -> None:
    small, large = Band("below 1,000", 40, 30), Band("50,000 and more", 20, 30)
    assert chart_of("EUR", [small, large]).sign == "The largest amounts get no more time than the smallest."
    assert chart_of("EUR", [small, replace(large, decisions=19)]).sign == ""
    assert chart_of("EUR", [small, replace(large, median_seconds=31)]).sign == ""


def test_the_data_that_was_opened_stands_in_the_decisions_event(cast: Cast) -> None:
    order = an_order(cast)
    read = ReadReceipt.objects.create(
        agent=cast.agent, tool="check_budget", tool_version=1, company="DE01", arguments={}, as_of=clock_now(),
        result_bytes=b"{}", result_digest="sha256:" + "0" * 64,
    )  # fmt: skip
    Citation.objects.create(proposal=order, read=read, position=1)
    for _ in range(2):
        services.open_evidence(user=cast.alice, proposal_id=order.public_id, read_id=read.pk, actor=actor(cast.alice), now=clock_now())
    decided_by(cast.alice, order)
    record = parse_json(bytes(Event.objects.get(proposal=order.public_id, kind="approval:decided").bytes))
    assert isinstance(record, dict)
    assert record["human"]["evidence_opened"] == [read.public_id]
    assert Event.objects.filter(proposal=order.public_id, kind="read:opened").count() == 1
    (found,) = habits(since=clock_now() - timedelta(days=1), until=clock_now() + timedelta(days=1), companies=["DE01"])
    assert (found.with_evidence, found.evidence_opened) == (1, 1)


def test_an_attachment_that_was_fetched_is_evidence_opened(cast: Cast) -> None:
    order = an_order(cast)
    where: dict[str, Any] = {"proposal_id": order.public_id, "now": clock_now()}
    attached = discussion.attach(user=cast.bob, name="note.txt", content=b"As agreed.", actor=actor(cast.bob), **where)
    day = {"since": clock_now() - timedelta(days=1), "until": clock_now() + timedelta(days=1)}
    identifier = discussion.public_id(attached)
    for _ in range(2):
        discussion.fetch(user=cast.alice, attachment_id=identifier, actor=actor(cast.alice), **where)
    decided_by(cast.alice, order)
    record = parse_json(bytes(Event.objects.get(proposal=order.public_id, kind="approval:decided").bytes))
    assert isinstance(record, dict)
    assert record["human"]["evidence_opened"] == [identifier]
    (found,) = habits(companies=["DE01"], **day)
    assert (found.with_evidence, found.evidence_opened) == (1, 1)
    with pytest.raises(IntegrityError), transaction.atomic():
        EvidenceOpening.objects.create(proposal=order, user=cast.alice, opened_at=clock_now())


def test_a_read_that_the_proposal_does_not_cite_is_not_there(cast: Cast) -> None:
    order = an_order(cast)
    with pytest.raises(DomainError):
        services.open_evidence(user=cast.alice, proposal_id=order.public_id, read_id=order.pk, actor=actor(cast.alice), now=clock_now())
    assert not EvidenceOpening.objects.exists()
