"""Several proposals by one decision over their digests: only plain ones of one kind, and each has a result of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from approvals.bulk import services
from approvals.bulk.errors import BulkOutdated, NothingToApprove, StaleBulk
from approvals.bulk.events import BulkEvent
from approvals.bulk.models import Bulk, BulkItem
from approvals.bulk.policies import Kind
from approvals.bulk.sets import SetItem, digest_of_set
from approvals.errors import StepUpRequired
from approvals.models import Decision
from approvals.services.decisions import decide as decide_once
from audit.models import Event
from kernel.canonical import parse_json
from kernel.clock import now as clock_now
from kernel.errors import DomainError, NotVisible
from kernel.money import Money
from proposals.models import Proposal
from proposals.states import ProposalState
from tests.builders.approvals import Cast, an_order, approved, make_cast
from tests.builders.identity import actor
from tests.builders.proposals import FACTS, PlainErp
from tests.builders.work import bulk_row, factors

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast(db: None, erp: PlainErp) -> Cast:
    """Return the cast under a matrix that allows bulk approval up to 10,000.00 EUR, and never for larger orders."""
    finance = ({"group": "purchasing", "min_approvals": 1}, {"group": "finance", "min_approvals": 1})
    never = {"bulk_up_to_minor": None, "from_minor": 25_000_01, "steps": finance}
    return make_cast([bulk_row(10, up_to_minor=25_000_00), bulk_row(20, **never)])


def prepare(cast: Cast, *orders: Proposal) -> Bulk:
    ids = [order.public_id for order in orders]
    return services.prepare(user=cast.alice, proposal_ids=ids, actor=actor(cast.alice), now=clock_now())


def confirm(cast: Cast, bulk: Bulk, **changes: object) -> Bulk:
    at = clock_now()
    values = {
        "user": cast.alice,
        "bulk_id": bulk.pk,
        "set_digest": bulk.set_digest,
        "actor": actor(cast.alice),
        "factors": factors(at),
        "now": at,
    }
    return services.confirm(**{**values, **changes})  # type: ignore[arg-type]


def results(bulk: Bulk) -> list[tuple[str, str]]:
    return list(BulkItem.objects.filter(bulk=bulk).values_list("state", "code"))


def excluded(bulk: Bulk) -> dict[str, str]:
    return {item["proposal"]: item["code"] for item in bulk.excluded}


def human_of(order: Proposal) -> dict[str, object]:
    event = Event.objects.get(proposal=order.public_id, kind="approval:decided")
    record = parse_json(bytes(event.bytes))
    assert isinstance(record, dict)
    return dict(record["human"])


def test_one_decision_approves_the_set_and_each_event_names_its_digest(cast: Cast) -> None:
    orders = [an_order(cast, amount) for amount in ("100.00", "200.00", "9999.99")]
    bulk = prepare(cast, *orders)
    confirm(cast, bulk)
    assert results(bulk) == [("approved", "")] * 3
    assert Decision.objects.filter(user=cast.alice).count() == 3
    for order in orders:
        order.refresh_from_db()
        assert order.state == ProposalState.APPROVED
        assert human_of(order)["set_digest"] == bulk.set_digest
    event = Event.objects.get(kind=BulkEvent.CONFIRMED)
    record = parse_json(bytes(event.bytes))
    assert isinstance(record, dict)
    assert sorted(item["proposal"] for item in record["human"]["items"]) == sorted(order.public_id for order in orders)
    assert record["human"]["second_factor"]["type"] == "totp"


def test_the_digest_is_of_the_set_whatever_the_order_of_picking() -> None:
    kind = Kind("create_purchase_order", "purchasing", 1)
    items = [
        SetItem("prop_b", "sha256:2", "sha256:p2", Money(2_00, "EUR")),
        SetItem("prop_a", "sha256:1", "sha256:p1", Money(1_00, "EUR")),
    ]
    assert digest_of_set(kind, items) == digest_of_set(kind, items[::-1])
    assert digest_of_set(kind, items) != digest_of_set(kind, items[:1])
    assert digest_of_set(kind, items) != digest_of_set(kind, [replace(items[0], presentation_digest="sha256:p3"), items[1]])
    assert digest_of_set(kind, items) != digest_of_set(kind, [replace(items[0], amount=Money(3_00, "EUR")), items[1]])


def test_what_is_left_out_is_named_with_its_reason(cast: Cast, erp: PlainErp) -> None:
    plain = [an_order(cast, "100.00"), an_order(cast, "200.00")]
    large, two_steps, own = an_order(cast, "10000.01"), an_order(cast, "30000.00"), an_order(cast, "1.00", on_behalf_of="alice")
    done = approved(an_order(cast, "50.00"), cast.bob)
    found = excluded(prepare(cast, *plain, large, two_steps, own, done))
    assert found == {
        large.public_id: "over_bulk_cap",
        two_steps.public_id: "never_in_bulk",
        own.public_id: "sod_asked",
        done.public_id: "proposal_not_pending",
    }
    erp.facts["period_status"] = "closed"
    with pytest.raises(NothingToApprove) as refused:
        prepare(cast, *plain)
    assert {item["code"] for item in refused.value.data["excluded"]} == {"check_not_holding"}  # type: ignore[attr-defined]
    erp.facts = dict(FACTS)
    erp.is_down = True
    with pytest.raises(NothingToApprove) as refused:
        prepare(cast, plain[0])
    assert [item["code"] for item in refused.value.data["excluded"]] == ["erp_unavailable"]  # type: ignore[attr-defined]


def test_nobody_picks_what_they_cannot_see_or_may_not_decide(cast: Cast) -> None:
    order = an_order(cast, "100.00")
    for user, code in ((cast.charlie, "not_found"), (cast.dora, "not_a_member")):
        with pytest.raises(NothingToApprove) as refused:
            services.prepare(user=user, proposal_ids=[order.public_id, "nonsense"], actor=actor(user), now=clock_now())
        listed = refused.value.data["excluded"]
        assert [item["code"] for item in listed if item["proposal"] == order.public_id] == [code]  # type: ignore[attr-defined]
    for user, ids in ((cast.olga, [order.public_id]), (cast.alice, []), (cast.alice, [f"prop_{number}" for number in range(101)])):
        with pytest.raises(DomainError):
            services.prepare(user=user, proposal_ids=ids, actor=actor(user), now=clock_now())
    assert not Bulk.objects.exists()
    assert Event.objects.filter(kind=BulkEvent.REFUSED).count() == 5


def test_one_stale_item_loses_nothing_else(cast: Cast, erp: PlainErp, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [an_order(cast, "100.00"), an_order(cast, "200.00", vendor="1700"), an_order(cast, "300.00")]
    taken = an_order(cast, "400.00")
    bulk = prepare(cast, *orders, taken)
    approved(taken, cast.bob)
    asked: list[str] = []

    def decide(**values: object) -> Decision:
        asked.append(str(values["proposal_id"]))
        erp.facts["vendor_status"] = "blocked" if values["proposal_id"] == orders[1].public_id else "active"
        return decide_once(**values)  # type: ignore[arg-type]

    monkeypatch.setattr("approvals.bulk.services.decide", decide)
    confirm(cast, bulk)
    assert asked == [order.public_id for order in (*orders, taken)]
    assert results(bulk) == [("approved", ""), ("refused", "stale_page"), ("approved", ""), ("refused", "proposal_not_pending")]
    assert Event.objects.filter(proposal=orders[1].public_id, kind="approval:refused").count() == 1


def test_sending_it_again_and_dying_in_the_middle_change_nothing(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [an_order(cast, "100.00"), an_order(cast, "200.00"), an_order(cast, "300.00")]
    bulk = prepare(cast, *orders)
    real, calls = services._advance, []

    def dies(item: BulkItem, *arguments: object, **values: object) -> None:
        calls.append(item)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(item, *arguments, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(services, "_advance", dies)
    with pytest.raises(KeyboardInterrupt):
        confirm(cast, bulk)
    monkeypatch.setattr(services, "_advance", real)
    assert [state for state, _ in results(bulk)] == ["approved", "pending", "pending"]
    for _ in range(2):
        # No factor is asked for again: the decision was made.
        confirm(cast, bulk, factors=())
        assert results(bulk) == [("approved", "")] * 3
    assert Decision.objects.count() == 3
    assert Event.objects.filter(kind=BulkEvent.CONFIRMED).count() == 1


def test_it_takes_a_second_factor_newer_than_the_display(cast: Cast) -> None:
    order = an_order(cast, "100.00")
    before = clock_now()
    bulk = prepare(cast, order)
    for stale in ((), factors(before)):
        with pytest.raises(StepUpRequired):
            confirm(cast, bulk, factors=stale)
    assert not Decision.objects.exists()
    assert not Event.objects.filter(kind=BulkEvent.REFUSED).exists()


def test_another_set_another_person_and_another_day_are_refused(cast: Cast) -> None:
    bulk = prepare(cast, an_order(cast, "100.00"))
    attempts: Sequence[tuple[type[DomainError], dict[str, object]]] = [
        (StaleBulk, {"set_digest": "sha256:other"}),
        (NotVisible, {"user": cast.bob}),
        (BulkOutdated, {"now": bulk.valid_until}),
    ]
    for error, changes in attempts:
        with pytest.raises(error):
            confirm(cast, bulk, **changes)
    assert results(bulk) == [("pending", "")]
    assert Event.objects.filter(kind=BulkEvent.REFUSED).count() == 3


def test_the_database_keeps_the_set_as_it_was_shown(cast: Cast) -> None:
    bulk = prepare(cast, an_order(cast, "100.00"))
    item = bulk.items.get()
    other = approved(an_order(cast, "200.00"), cast.alice)
    for change in ({"payload_digest": "sha256:x"}, {"amount_minor": 1}):
        with pytest.raises(IntegrityError, match="stays as it was shown"), transaction.atomic():
            BulkItem.objects.filter(pk=item.pk).update(**change)
    with pytest.raises(IntegrityError, match="not the one on this item"), transaction.atomic():
        BulkItem.objects.filter(pk=item.pk).update(state="approved", decision=other.decisions.get(), settled_at=clock_now())
    with pytest.raises(IntegrityError, match="stays as it was shown"), transaction.atomic():
        Bulk.objects.filter(pk=bulk.pk).update(valid_until=bulk.valid_until + timedelta(days=1))
