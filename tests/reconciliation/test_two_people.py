"""Above the limit it takes two people to close a break: in the service, and in the database."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from approvals.models import Exclusion
from audit.models import Event
from identity.models import Role
from kernel.clock import now as clock_now
from kernel.errors import DomainError, NotVisible, PermissionRefused, StateConflict
from reconciliation import services
from reconciliation.errors import ReasonMissing, SecondPersonExcluded, SecondPersonNeeded
from reconciliation.models import Break
from tests.builders.commits import Gate
from tests.builders.identity import actor, make_user
from tests.reconciliation.builders import alter, an_orphan, committed, reconcile

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
LARGE = "100.01"


@pytest.fixture
def olaf(gate: Gate) -> User:
    return make_user("olaf", [Role.OPERATOR])


def write_off(found: Break, user: User) -> Break:
    return services.write_off(break_id=found.public_id, user=user, actor=actor(user), now=clock_now(), reason="Not worth it")


def second(found: Break, user: User) -> Break:
    return services.second(break_id=found.public_id, user=user, actor=actor(user), now=clock_now())


def decline(found: Break, user: User, reason: str = "It is worth it") -> Break:
    return services.decline_closing(break_id=found.public_id, user=user, actor=actor(user), now=clock_now(), reason=reason)


def kinds(found: Break) -> list[str]:
    return [event.kind for event in Event.objects.filter(subject_id=found.public_id).order_by("recorded_at", "position")]


@pytest.mark.parametrize(("amount", "state"), [("100.00", "written_off"), (LARGE, "closing")])
def test_limit_is_where_the_second_person_begins(gate: Gate, amount: str, state: str) -> None:
    found = write_off(an_orphan(amount), gate.otto)
    assert (found.state, found.limit_minor, found.closed_at is None) == (state, 100_00, state == "closing")


def test_currency_without_a_limit_always_takes_two(gate: Gate, settings: pytest.FixtureRequest) -> None:
    settings.WRITE_OFF_LIMITS_MINOR = {"USD": 1_000_000}  # type: ignore[attr-defined]
    assert write_off(an_orphan("0.01"), gate.otto).state == "closing"


def test_second_person_closes_it(gate: Gate, olaf: User) -> None:
    found = an_orphan(LARGE)
    write_off(found, gate.otto)
    done = second(found, olaf)
    assert (done.state, done.handled_by, done.seconded_by, done.closing_as) == ("written_off", gate.otto, olaf, "")
    assert kinds(found) == ["reconciliation:break_opened", "reconciliation:break_closing", "reconciliation:break_written_off"]
    assert (reconcile().break_count, Break.objects.get().state) == (0, "written_off")
    with pytest.raises(StateConflict):
        second(found, olaf)


def refused(error: type[DomainError], found: Break, user: User) -> None:
    before = (Break.objects.values().get(), Event.objects.count())
    with pytest.raises(error):
        second(found, user)
    assert (Break.objects.values().get(), Event.objects.count()) == before


def test_one_person_is_not_two(gate: Gate, olaf: User) -> None:
    found = an_orphan(LARGE)
    refused(StateConflict, found, olaf)
    write_off(found, gate.otto)
    refused(SecondPersonNeeded, found, gate.otto)
    refused(PermissionRefused, found, gate.cast.alice)
    refused(NotVisible, found, make_user("otis", [Role.OPERATOR], companies=("US01",)))


def test_who_may_not_decide_may_not_agree(gate: Gate, olaf: User) -> None:
    proposal, document = committed(gate, "500.00")
    alter(document)
    reconcile()
    found = Break.objects.get()
    Exclusion.objects.create(route_id=proposal.pk, user=olaf, reason="owner")
    write_off(found, gate.otto)
    refused(SecondPersonExcluded, found, olaf)
    with pytest.raises(IntegrityError, match="is excluded from its proposal"), transaction.atomic():
        Break.objects.update(state="written_off", closing_as="", seconded_by=olaf)


def test_declined_break_is_open_again(gate: Gate, olaf: User) -> None:
    found = an_orphan(LARGE)
    write_off(found, gate.otto)
    with pytest.raises(ReasonMissing):
        decline(found, olaf, " ")
    done = decline(found, olaf)
    assert (done.state, done.handled_by, done.limit_minor, done.closing_as, done.explanation) == ("open", None, None, "", "")
    with pytest.raises(StateConflict):
        decline(found, olaf)
    assert kinds(found)[-1] == "reconciliation:break_declined"


def test_break_that_looks_different_while_it_waits_is_open_again(gate: Gate) -> None:
    _, document = committed(gate, "500.00")
    alter(document)
    reconcile()
    write_off(Break.objects.get(), gate.otto)
    alter(document, "altered once more")
    assert reconcile().break_count == 1
    assert Break.objects.get().state == "open"


def test_break_that_is_gone_while_it_waits_is_resolved(gate: Gate) -> None:
    _, document = committed(gate, "500.00")
    alter(document)
    reconcile()
    write_off(Break.objects.get(), gate.otto)
    alter(document, "")
    assert reconcile().break_count == 0
    assert Break.objects.get().state == "resolved"


@pytest.mark.parametrize(
    "values",
    [
        {"state": "written_off", "limit_minor": 100_00},
        {"state": "explained", "limit_minor": None},
        {"state": "closing", "closing_as": ""},
        {"state": "open", "closing_as": "explained"},
    ],
)
def test_database_refuses_what_the_service_would(gate: Gate, values: dict[str, object]) -> None:
    an_orphan(LARGE)
    with pytest.raises(IntegrityError), transaction.atomic():
        Break.objects.update(handled_by=gate.otto, **values)


def test_database_refuses_the_same_person_twice(gate: Gate) -> None:
    an_orphan(LARGE)
    with pytest.raises(IntegrityError, match="seconded_by_another"), transaction.atomic():
        Break.objects.update(state="written_off", limit_minor=100_00, handled_by=gate.otto, seconded_by=gate.otto)


def test_owner_takes_and_gives_back(gate: Gate, olaf: User) -> None:
    found = an_orphan()
    arguments = {"break_id": found.public_id, "now": clock_now()}
    for user, refusal in (
        (gate.cast.alice, PermissionRefused),
        (make_user("otis", [Role.OPERATOR], companies=("US01",)), NotVisible),
    ):
        with pytest.raises(refusal):
            services.take_break(**arguments, user=user, actor=actor(user))  # type: ignore[arg-type]
    services.take_break(**arguments, user=gate.otto, actor=actor(gate.otto))  # type: ignore[arg-type]
    services.take_break(**arguments, user=gate.otto, actor=actor(gate.otto))  # type: ignore[arg-type]
    assert services.take_break(**arguments, user=olaf, actor=actor(olaf)).owner == olaf  # type: ignore[arg-type]
    assert services.release_break(**arguments, user=gate.otto, actor=actor(gate.otto)).owner is None  # type: ignore[arg-type]
    assert kinds(found).count("reconciliation:break_assigned") == 3
    write_off(found, gate.otto)
    with pytest.raises(StateConflict):
        services.take_break(**arguments, user=olaf, actor=actor(olaf))  # type: ignore[arg-type]
