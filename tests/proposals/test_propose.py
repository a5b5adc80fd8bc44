"""Submitting a proposal: what stands afterwards, and each way of being refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django_q.models import OrmQ

from audit.models import Event
from identity import services as identity_services
from identity.models import Role
from kernel.canonical import digest_of_bytes, parse_json
from kernel.clock import now
from proposals.documents import ProposalDocument
from proposals.models import Proposal
from tests.builders import identity
from tests.builders.proposals import PlainErp, PlainGate, a_journal_entry, a_key, a_purchase_order, an_order_over, submit
from tests.proposals.conftest import Door, a_body, bounded_door, only_refused, paths, problem, row_counts

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def test_one_pending_proposal_stands_with_its_action_its_event_and_its_route(door: Door, gate: PlainGate) -> None:
    response = door.propose(key='"order-1"', rationale="Stock is low.\nTwo weeks left.")
    assert response.status_code == 202, response.content
    answer = response.json()
    ProposalDocument.model_validate(answer)
    proposal = Proposal.objects.get()
    assert answer["id"] == proposal.public_id
    assert response["Location"] == f"/api/v1/proposals/{proposal.public_id}"
    assert (answer["status"], answer["is_final"]) == ("pending", False)
    assert (answer["amount"], answer["currency"]) == ("2764.08", "EUR")
    assert (proposal.idempotency_key, proposal.counterparty, proposal.revision) == ("order-1", "1580", 1)
    assert "Idempotency-Replayed" not in response
    assert gate.attached == [proposal]
    action = parse_json(bytes(proposal.action_bytes))
    assert isinstance(action, dict)
    assert action["params"] == a_purchase_order()
    assert (action["agent_id"], action["policy_version"]) == (door.agent.public_id, 1)
    assert proposal.payload_digest == digest_of_bytes("countersign.action/1", bytes(proposal.action_bytes))
    event = Event.objects.get(proposal=proposal.public_id)
    record = parse_json(bytes(event.bytes))
    assert isinstance(record, dict)
    assert (record["type"], record["link"]["position"]) == ("proposal:proposed", 1)
    assert record["action_digest"] == proposal.payload_digest
    assert "Stock is low" not in bytes(event.bytes).decode()


def test_two_equal_intents_are_two_actions(door: Door) -> None:
    first, second = door.propose().json(), door.propose().json()
    assert first["id"] != second["id"]
    assert first["payload_digest"] != second["payload_digest"]


def test_the_life_is_the_installations_or_shorter(door: Door, settings: Any) -> None:
    settings.PROPOSAL_LIFETIME_HOURS = 10
    door.propose()
    door.propose(expires_in_seconds=600)
    long, short = Proposal.objects.order_by("created_at")
    assert long.expires_at - long.created_at == timedelta(hours=10)
    assert short.expires_at - short.created_at == timedelta(seconds=600)
    with only_refused("validation_failed"):
        document = problem(door.propose(expires_in_seconds=36_001), 422, "validation_failed")
    assert document["errors"][0]["acceptable"] == "60 to 36000"


def acting_for(door: Door, owner: User, *people: User) -> None:
    """Register these as the people the agent may name, and nobody else."""
    described = {name: getattr(door.agent, name) for name in ("purpose", "runtime", "model", "model_version")}
    identity_services.edit_agent(
        agent_id=door.agent.pk, acts_for=[person.pk for person in people], actor=identity.actor(owner), now=now(), **described
    )


def test_the_person_who_asked_is_kept(door: Door, alice: User, bob: User) -> None:
    acting_for(door, alice, bob)
    door.propose(on_behalf_of="bob")
    door.propose(on_behalf_of=str(bob.pk))
    assert [proposal.on_behalf_of for proposal in Proposal.objects.all()] == [bob, bob]
    event = Event.objects.filter(kind="proposal:proposed").first()
    assert event is not None
    record = parse_json(bytes(event.bytes))
    assert isinstance(record, dict)
    assert record["actor"]["on_behalf_of"] == str(bob.pk)


@pytest.mark.parametrize("named", ["bob", "alice", "nobody", "1"])
def test_an_agent_names_only_whom_it_is_registered_to_act_for(door: Door, alice: User, bob: User, named: str) -> None:
    """It could otherwise exclude from deciding whom it likes; somebody unknown gets the same answer as a colleague."""
    with only_refused("on_behalf_of_refused"):
        document = problem(door.propose(on_behalf_of=named), 403, "on_behalf_of_refused")
    assert (paths(document), document["errors"][0]["acceptable"]) == (["/on_behalf_of"], "leave it out: the agent acts for nobody")
    acting_for(door, alice, identity.make_user("dora", [Role.APPROVER]))
    with only_refused("on_behalf_of_refused"):
        document = problem(door.propose(on_behalf_of=named), 403, "on_behalf_of_refused")
    assert document["errors"][0]["acceptable"] == "a person in the agent's registration"


def test_somebody_who_left_can_no_longer_have_asked(door: Door, alice: User, bob: User) -> None:
    acting_for(door, alice, bob)
    bob.role_assignments.all().delete()
    with only_refused("validation_failed"):
        assert paths(problem(door.propose(on_behalf_of="bob"), 422, "validation_failed")) == ["/on_behalf_of"]


def test_the_database_asks_for_the_registration_too(door: Door, bob: User) -> None:
    door.propose()
    named = {"id", "idempotency_key", "on_behalf_of_id"}
    copied = ", ".join(str(field.column) for field in Proposal._meta.concrete_fields if field.column not in named)
    with pytest.raises(IntegrityError, match="does not act for"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO proposals_proposal (id, idempotency_key, on_behalf_of_id, {copied}) "
            f"SELECT gen_random_uuid(), 'another', %s, {copied} FROM proposals_proposal",
            [bob.pk],
        )


def test_a_log_only_grant_proposes_what_is_never_committed(alice: User) -> None:
    answer = bounded_door(alice, is_active=False).propose().json()
    assert (answer["is_log_only"], answer["status"]) == (True, "pending")


def test_few_queries(door: Door, django_assert_max_num_queries: Any) -> None:
    door.propose()
    # Token, key lookup, savepoint pair, key lock, agent, then its grant, key again, usage, row, event.
    with django_assert_max_num_queries(12):
        assert door.propose().status_code == 202


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"tool": "create_purchase_order", "company": "DE01"}, "/payload"),
        (a_body(confidence="high"), "/confidence"),
        (a_body(compensates="brk_1"), "/compensates"),
        (a_body(rationale="x" * 4001), "/rationale"),
        (a_body(rationale="pay \u202e123"), "/rationale"),
        (a_body(rationale="null\u0000"), "/rationale"),
        (a_body(rationale="zero\u200bwidth"), "/rationale"),
        (a_body(reads="read_1"), "/reads"),
        (a_body(a_purchase_order(note="\u2066hidden")), "/payload/note"),
        (a_body(a_purchase_order(vendor=1580)), "/payload/vendor"),
        (a_body(a_purchase_order(surprise="1")), "/payload/surprise"),
        (a_body(a_purchase_order(lines=[{"item": "PD-T852", "quantity": 550, "unit_price": "1"}])), "/payload/lines/0/quantity"),
        (a_body(a_purchase_order(ordered_on="2026-02-30")), "/payload/ordered_on"),
    ],
)
def test_a_wrong_field_is_named(door: Door, body: dict[str, Any], path: str) -> None:
    with only_refused("validation_failed"):
        document = problem(door.post("proposals", body, key=a_key()), 422, "validation_failed")
    assert path in paths(document)


def test_a_float_is_refused(door: Door) -> None:
    text = '{"tool": "create_purchase_order", "company": "DE01", "payload": {"lines": [{"unit_price": 4.5}]}}'
    with only_refused("not_canonical"):
        document = problem(door.post("proposals", key=a_key(), text=text), 422, "not_canonical")
    assert "4.5" in document["detail"]


@pytest.mark.parametrize("text", ["{", '{"a": 1, "a": 2}', '{"a": NaN}'])
def test_a_body_without_canonical_form_is_refused(door: Door, text: str) -> None:
    with only_refused("not_canonical"):
        problem(door.post("proposals", key=a_key(), text=text), 422, "not_canonical")


def test_a_body_that_is_no_object_is_refused(door: Door) -> None:
    with only_refused("validation_failed"):
        problem(door.post("proposals", key=a_key(), text="[]"), 422, "validation_failed")


def test_a_body_too_large_is_refused(door: Door, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    with only_refused("body_too_large"):
        problem(door.propose(rationale="x" * 2000), 413, "body_too_large")


def test_another_media_type_is_refused(door: Door) -> None:
    headers = identity.bearer(door.token) | {"Idempotency-Key": a_key()}
    with only_refused("unsupported_media_type"):
        response = Client().post("/api/v1/proposals", "tool=1", content_type="text/plain", headers=headers)
        problem(response, 415, "unsupported_media_type")


def test_an_unbalanced_entry_is_refused(door: Door) -> None:
    lines = [{"account": "6300", "cost_centre": "4100", "debit": "120.00"}, {"account": "3500", "credit": "119.99"}]
    body = a_body(a_journal_entry(lines=lines), tool="post_journal_entry")
    holder = door.holding(tool="post_journal_entry")
    with only_refused("unbalanced_entry"):
        problem(holder.post("proposals", body, key=a_key()), 422, "unbalanced_entry")


def test_a_closed_period_is_refused(door: Door, erp: PlainErp) -> None:
    erp.facts["period_status"] = "closed"
    with only_refused("period_closed"):
        problem(door.propose(), 422, "period_closed")


def test_an_erp_that_does_not_answer_is_said_to_be_worth_another_try(door: Door, erp: PlainErp) -> None:
    erp.is_down = True
    with only_refused("erp_unavailable"):
        assert problem(door.propose(), 503, "erp_unavailable")["retryable"] is True


def test_nobody_to_decide_means_no_proposal(door: Door, gate: PlainGate) -> None:
    gate.limit_minor = 100
    with only_refused("unroutable"):
        problem(door.propose(), 422, "unroutable")


@pytest.mark.parametrize(
    ("token", "fields"),
    [
        ({"tool": "post_journal_entry"}, {}),
        ({}, {"company": "US01"}),
        ({}, {"tool": "post_journal_entry"}),
        ({"action": "read", "tool": "check_budget"}, {}),
    ],
)
def test_a_token_for_something_else_is_refused(door: Door, token: dict[str, Any], fields: dict[str, Any]) -> None:
    holder = door.holding(**token)
    with only_refused("token_scope"):
        problem(holder.propose(**fields), 403, "token_scope")


def test_a_privileged_tool_cannot_be_proposed(door: Door) -> None:
    with only_refused("token_scope"):
        problem(door.propose(tool="close_period"), 403, "token_scope")


@pytest.mark.parametrize(
    ("bounds", "orders", "code"),
    [
        ({"ceiling_minor": 100_00}, ["100.01"], "ceiling_per_write"),
        ({"ceiling_day_minor": 250_00}, ["150.00", "100.01"], "ceiling_day"),
        ({"count_per_hour": 2}, ["1.00", "1.00", "1.00"], "count_per_hour"),
        ({"vendors": ["1496"]}, ["1.00"], "grant_vendor"),
        ({"cost_centres": ["9999"]}, ["1.00"], "grant_cost_centre"),
    ],
)
def test_what_lies_outside_the_grant_is_refused(alice: User, bounds: dict[str, Any], orders: list[str], code: str) -> None:
    door = bounded_door(alice, **bounds)
    for amount in orders[:-1]:
        assert door.propose(an_order_over(amount)).status_code == 202
    with only_refused(code):
        problem(door.propose(an_order_over(orders[-1])), 403, code)


def test_thirty_days_are_summed_up(alice: User) -> None:
    door = bounded_door(alice, ceiling_30_days_minor=250_00, valid_from=now() - timedelta(days=60))
    submit(door.principal(), payload=an_order_over("150.00"), now=now() - timedelta(days=29))
    with only_refused("ceiling_30_days"):
        problem(door.propose(an_order_over("100.01")), 403, "ceiling_30_days")
    assert door.propose(an_order_over("100.00")).status_code == 202


def test_ceilings_are_free_again_when_a_proposal_is_withdrawn_but_not_the_hourly_count(alice: User) -> None:
    door = bounded_door(alice, ceiling_day_minor=100_00, count_per_hour=2)
    first = door.propose(an_order_over("100.00")).json()
    problem(door.propose(an_order_over("100.00")), 403, "ceiling_day")
    door.post(f"proposals/{first['id']}/withdraw")
    assert door.propose(an_order_over("100.00")).status_code == 202
    problem(door.propose(an_order_over("0.01")), 403, "ceiling_day")


def test_a_narrower_token_narrows(door: Door) -> None:
    holder = door.holding(resource="vendor:1496")
    with only_refused("token_resource"):
        problem(holder.propose(), 403, "token_resource")


def test_a_suspended_agent_is_refused_at_its_next_request(door: Door, alice: User) -> None:
    identity_services.suspend_agent(agent_id=door.agent.pk, actor=identity.actor(alice), now=now(), reason="Odd orders")
    with only_refused("agent_suspended"):
        problem(door.propose(), 403, "agent_suspended")
    event = Event.objects.get(kind="proposal:refused")
    assert (event.actor_id, event.tool, event.company) == (door.agent.public_id, "create_purchase_order", "DE01")


def test_without_a_token_nothing_happens_and_nothing_is_recorded(door: Door) -> None:
    before, events = row_counts(), Event.objects.count()
    response = Door(door.agent, door.key).propose()
    document = problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert document["request_id"]
    assert (row_counts(), Event.objects.count()) == (before, events)


def test_a_forged_token_is_refused_and_recorded(door: Door) -> None:
    forged = Door(door.agent, door.key, door.token[:-4] + "AAAA")
    with only_refused("token_invalid", "token:refused"):
        problem(forged.propose(), 401, "token_invalid")


def test_another_method_is_refused(door: Door) -> None:
    response = Client().delete("/api/v1/proposals", headers=identity.bearer(door.token))
    problem(response, 405, "method_not_allowed")


def test_a_wake_up_is_written_in_the_same_transaction(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    from kernel import queue

    monkeypatch.setitem(queue._listeners, "proposed", [("proposals.tasks.expire_due", queue.Cluster.COMMIT)])
    door.propose()
    assert OrmQ.objects.count() == 1
