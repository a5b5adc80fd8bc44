"""Two at the same moment: one claim for one place, one decision for one right, one result for one set however often it is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from approvals.bulk.models import Bulk, BulkItem
from approvals.bulk.services import confirm, prepare
from approvals.calendars.services import escalate_overdue
from approvals.mail.models import Mail
from approvals.mail.preparing import prepare_mails
from approvals.models import Decision, RouteStep
from approvals.work.models import Claim
from approvals.work.services import claim
from audit.models import Event
from kernel.clock import now as clock_now
from proposals.models import Proposal
from tests.approvals.test_races import at_once, ready
from tests.builders.approvals import Cast, a_row, an_order, make_cast
from tests.builders.identity import actor
from tests.builders.proposals import PlainErp
from tests.builders.work import bulk_row, delegated, factors

pytestmark = pytest.mark.django_db(transaction=True)


def claims(user: User, order: Proposal) -> Callable[[], object]:
    return lambda: claim(user=user, proposal_id=order.public_id, actor=actor(user), now=clock_now())


def test_two_people_claim_one_place(erp: PlainErp, cast: Cast) -> None:
    for _ in range(3):
        order = an_order(cast)
        assert sorted(at_once([claims(cast.alice, order), claims(cast.bob, order)])) == ["already_claimed", "ok"]
        assert Claim.objects.filter(step__route_id=order.pk).count() == 1


def test_delegator_and_delegate_use_one_right(erp: PlainErp, db: None, transactional_db: None) -> None:
    cast = make_cast([a_row(10, steps=({"group": "purchasing", "min_approvals": 2},))])
    delegated(cast.alice, cast.dora)
    delegated(cast.alice, cast.erik)
    for pair in ((cast.alice, cast.dora), (cast.dora, cast.erik)):
        order = an_order(cast)
        results = at_once([ready(person, order) for person in pair])
        assert sorted(results) == ["already_decided", "ok"]
        assert Decision.objects.filter(proposal=order).count() == 1
        order.refresh_from_db()
        assert order.state == "pending"


def test_one_set_is_sent_twice_at_once(erp: PlainErp, db: None, transactional_db: None) -> None:
    cast = make_cast([bulk_row(10)])
    orders = [an_order(cast, amount) for amount in ("10.00", "20.00", "30.00", "40.00")]
    bulk = prepare(user=cast.alice, proposal_ids=[order.public_id for order in orders], actor=actor(cast.alice), now=clock_now())

    def send() -> Bulk:
        at = clock_now()
        return confirm(user=cast.alice, bulk_id=bulk.pk, set_digest=bulk.set_digest, actor=actor(cast.alice), factors=factors(at), now=at)

    assert at_once([send, send, send]) == ["ok"] * 3
    assert set(BulkItem.objects.values_list("state", "code")) == {("approved", "")}
    assert Decision.objects.count() == 4
    assert Event.objects.filter(kind="bulk:confirmed").count() == 1
    assert Event.objects.filter(kind="approval:granted").count() == 4


def test_two_machines_do_the_background_work(erp: PlainErp, db: None, transactional_db: None) -> None:
    cast = make_cast([a_row(10, steps=({"group": "purchasing", "min_approvals": 1, "due_days": 1, "fallback": "finance"},))])
    order = an_order(cast)
    due_at = RouteStep.objects.get(route_id=order.pk).due_at
    assert due_at is not None
    at_once([lambda: escalate_overdue(now=due_at)] * 2)
    assert Event.objects.filter(kind="gate:escalated").count() == 1
    at_once([lambda: prepare_mails(now=due_at)] * 2)
    assert Mail.objects.filter(kind="now").count() == 4
