"""Claim, forward, return, snooze, and who is looking: they order the work and change nobody's rights."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from approvals.queries import badge, inbox
from approvals.queries.authority import standing_of
from approvals.work import services
from approvals.work.events import WorkEvent
from approvals.work.models import Claim, Looking, Snooze
from approvals.work.queries import hands_of, may_be_asked
from approvals.work.states import ClaimEnd
from audit.models import Event
from kernel.clock import now as clock_now
from kernel.errors import DomainError, NotVisible, StateConflict, ValidationFailed
from proposals.models import Proposal
from proposals.services import expire_due
from tests.builders.approvals import Cast, a_row, an_order, approved, make_cast
from tests.builders.identity import actor
from tests.builders.proposals import PlainErp
from tests.builders.work import delegated

pytestmark = pytest.mark.django_db


def ids(user: User, view: str) -> set[str]:
    return {row.id for row in inbox(user, view, now=clock_now()).rows}


def claim(user: User, order: Proposal) -> Claim:
    return services.claim(user=user, proposal_id=order.public_id, actor=actor(user), now=clock_now())


def forward(user: User, order: Proposal, to: User, note: str = "") -> Claim:
    return services.forward(user=user, proposal_id=order.public_id, to_user_id=to.pk, note=note, actor=actor(user), now=clock_now())


def give_back(user: User, order: Proposal) -> None:
    services.return_to_group(user=user, proposal_id=order.public_id, actor=actor(user), now=clock_now())


def askable(order: Proposal, user: User) -> list[User]:
    now = clock_now()
    return may_be_asked(order, standing_of(user, order, now), user, now)


def refused(kind: type[DomainError], call: object, *arguments: object) -> str:
    with pytest.raises(kind) as error:
        call(*arguments)  # type: ignore[operator]
    return error.value.code


def test_a_claim_takes_it_from_the_others_list_and_not_their_right(cast: Cast) -> None:
    order = an_order(cast)
    claim(cast.alice, order)
    assert ids(cast.alice, "mine") == {order.public_id}
    assert (ids(cast.bob, "mine"), ids(cast.bob, "group"), badge(cast.bob, clock_now())) == (set(), {order.public_id}, 0)
    assert refused(StateConflict, claim, cast.bob, order) == "already_claimed"
    assert refused(StateConflict, claim, cast.alice, order) == "already_claimed"
    hands = hands_of([order.pk], cast.bob, clock_now())[order.pk]
    assert (hands.claimed_by, hands.is_mine) == (("Alice",), False)
    approved(order, cast.bob)
    assert Event.objects.filter(proposal=order.public_id, kind=WorkEvent.REFUSED).count() == 2
    assert Claim.objects.count() == 1


def test_giving_back_brings_it_back(cast: Cast) -> None:
    order = an_order(cast)
    assert refused(StateConflict, give_back, cast.alice, order) == "not_claimed"
    claim(cast.alice, order)
    assert refused(StateConflict, give_back, cast.bob, order) == "not_claimed"
    give_back(cast.alice, order)
    assert ids(cast.bob, "mine") == {order.public_id}
    assert Claim.objects.get().ended_because == ClaimEnd.RETURNED
    claim(cast.bob, order)


def test_forwarding_gives_it_to_somebody_who_may_decide(cast: Cast) -> None:
    order, asked = an_order(cast), an_order(cast, on_behalf_of="bob")
    assert askable(order, cast.alice) == [cast.bob]
    assert askable(asked, cast.alice) == []
    claim(cast.alice, order)
    made = forward(cast.alice, order, cast.bob, "You know this vendor.")
    assert (made.user, made.given_by) == (cast.bob, cast.alice)
    assert (ids(cast.alice, "mine"), ids(cast.bob, "mine")) == ({asked.public_id}, {order.public_id})
    hands = hands_of([order.pk], cast.bob, clock_now())[order.pk]
    assert (hands.given_by, hands.note, hands.claimed_by) == ("Alice", "You know this vendor.", ("you",))
    for to in (cast.dora, cast.olga, cast.charlie, cast.alice):
        assert refused(ValidationFailed, forward, cast.alice, asked, to) == "validation_failed"
    assert refused(DomainError, forward, cast.dora, order, cast.bob) == "not_a_member"
    assert refused(NotVisible, forward, cast.charlie, order, cast.bob) == "not_found"
    assert Claim.objects.filter(ended_at__isnull=True).count() == 1


def test_a_delegate_may_be_asked_too(cast: Cast) -> None:
    order = an_order(cast)
    delegated(cast.bob, cast.dora)
    assert askable(order, cast.alice) == [cast.bob, cast.dora]
    forward(cast.alice, order, cast.dora)
    assert ids(cast.dora, "delegated") == {order.public_id}


def test_a_step_that_needs_two_has_two_places(db: None, erp: PlainErp) -> None:
    cast = make_cast([a_row(10, steps=({"group": "purchasing", "min_approvals": 2},))])
    order = an_order(cast)
    claim(cast.alice, order)
    assert ids(cast.bob, "mine") == {order.public_id}
    claim(cast.bob, order)
    assert sorted(Claim.objects.values_list("place", flat=True)) == [1, 2]


def test_nothing_can_be_claimed_that_is_over(cast: Cast) -> None:
    order, expired = an_order(cast), an_order(cast)
    approved(order, cast.alice)
    assert refused(StateConflict, claim, cast.bob, order) == "proposal_not_pending"
    at = expired.expires_at + timedelta(seconds=1)
    with pytest.raises(DomainError) as error:
        services.claim(user=cast.bob, proposal_id=expired.public_id, actor=actor(cast.bob), now=at)
    assert error.value.code == "proposal_expired"
    expire_due(now=at)
    assert refused(StateConflict, claim, cast.bob, expired) == "proposal_not_pending"


def test_the_database_keeps_places_and_segregation(cast: Cast) -> None:
    order = an_order(cast)
    step, now = order.route.steps.get(), clock_now()
    for user, place, constraint in ((cast.alice, 2, "has_place"), (cast.olga, 1, "not_excluded")):
        with pytest.raises(IntegrityError) as error, transaction.atomic():
            Claim.objects.create(step=step, place=place, user=user, given_by=user, claimed_at=now)
        assert error.value.__cause__.diag.constraint_name == f"approvals_claim_{constraint}"  # type: ignore[union-attr]
    claim(cast.alice, order)
    with pytest.raises(IntegrityError, match="approvals_one_claim_per_place"), transaction.atomic():
        Claim.objects.create(step=step, place=1, user=cast.bob, given_by=cast.bob, claimed_at=now)
    with pytest.raises(IntegrityError, match="a claim stays"), transaction.atomic():
        Claim.objects.update(user=cast.bob)


def test_snoozing_hides_until_its_time_and_no_longer(cast: Cast) -> None:
    order, now = an_order(cast), clock_now()
    until = now + timedelta(hours=3)

    def snooze(when: object) -> Snooze:
        return services.snooze(user=cast.alice, proposal_id=order.public_id, until=when, actor=actor(cast.alice), now=now)  # type: ignore[arg-type]

    snooze(now + timedelta(hours=1))
    snooze(until)
    assert Snooze.objects.get().until == until
    assert (ids(cast.alice, "mine"), ids(cast.bob, "mine")) == (set(), {order.public_id})
    assert {row.id for row in inbox(cast.alice, "mine", now=until).rows} == {order.public_id}
    for when in (now, order.expires_at):
        assert refused(ValidationFailed, snooze, when) == "validation_failed"
    services.wake_up(user=cast.alice, proposal_id=order.public_id, actor=actor(cast.alice), now=now)
    assert ids(cast.alice, "mine") == {order.public_id}
    with pytest.raises(StateConflict):
        services.wake_up(user=cast.alice, proposal_id=order.public_id, actor=actor(cast.alice), now=now)


def test_looking_is_seen_for_two_minutes_and_written_seldom(cast: Cast) -> None:
    order, now = an_order(cast), clock_now()
    services.note_looking(user=cast.alice, proposal=order, now=now)
    with CaptureQueriesContext(connection) as captured:
        services.note_looking(user=cast.alice, proposal=order, now=now + timedelta(seconds=10))
    assert not [query for query in captured.captured_queries if query["sql"].startswith("UPDATE")]
    assert hands_of([order.pk], cast.bob, now + timedelta(minutes=1))[order.pk].looking == ("Alice",)
    assert hands_of([order.pk], cast.alice, now) == {}
    assert hands_of([order.pk], cast.bob, now + timedelta(minutes=3)) == {}
    assert services.forget_looking(now=now + timedelta(days=2)) == 1
    assert not Looking.objects.exists()
