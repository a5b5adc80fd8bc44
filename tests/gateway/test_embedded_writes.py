"""Writes through the port: once per key, read back as approved, undone by what the tool proposes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connections

from gateway import facts
from gateway.catalogue import get_write_tool
from gateway.connectors.embedded import EmbeddedConnector
from gateway.port import SendStatus, WriteOutcome
from kernel.canonical import canonical_bytes
from kernel.ids import new_id
from ledger import services
from ledger.services import post_staff_entry
from tests.builders.gateway import (
    COMPANY,
    PAYLOADS,
    ConnectionLost,
    Fault,
    FaultyConnector,
    entry_payload,
    order_payload,
    release_payload,
    write_request,
)

pytestmark = pytest.mark.django_db(databases=["ledger"])


def write(connector: EmbeddedConnector, tool: str, payload: dict[str, Any], now: datetime) -> WriteOutcome:
    (outcome,) = connector.commit_many([write_request(tool, payload)], now=now)
    return outcome


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_write_lands_as_approved(connector: EmbeddedConnector, instant: datetime, name: str) -> None:
    tool = get_write_tool(name)
    params = tool.canonical(tool.validate(PAYLOADS[name]()))
    request = write_request(name, params)
    (outcome,) = connector.commit_many([request], now=instant)
    assert outcome.status is SendStatus.POSTED
    assert outcome.document
    landed = connector.read_back_many(COMPANY, [outcome.document])[outcome.document]
    assert tool.compare(params, landed) == []
    assert landed["document"] == outcome.document
    assert landed["proposal"] == request.reference
    assert landed["content_digest"]
    canonical_bytes(landed)
    assert connector.find_many([request.key])[request.key].document == outcome.document
    assert connector.trial_balance(COMPANY)["is_balanced"] is True


@pytest.mark.parametrize("name", PAYLOADS)
def test_extract_tells_amount_and_counterparty_as_the_gate_saw_them(connector: EmbeddedConnector, instant: datetime, name: str) -> None:
    tool = get_write_tool(name)
    effect = tool.effect(tool.validate(PAYLOADS[name]()), COMPANY, connector)
    outcome = write(connector, name, PAYLOADS[name](), instant)
    (row,) = [row for row in connector.extract(COMPANY, instant, instant + timedelta(1)) if row.document == outcome.document]
    assert (row.tool, row.total_minor, row.currency) == (name, effect.amount.minor, effect.amount.currency)
    assert row.counterparty == effect.counterparty
    # A customer change has no date of its own in the payload: the ERP dates it when it is written.
    assert name == "update_customer" or row.effective_on == effect.effective_on


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_replay_lands_nothing_twice(connector: EmbeddedConnector, instant: datetime, name: str) -> None:
    request = write_request(name, PAYLOADS[name]())
    (first,) = connector.commit_many([request], now=instant)
    (second,) = connector.commit_many([request], now=instant + timedelta(days=1))
    assert (second.status, second.document) == (SendStatus.REPLAYED, first.document)
    assert second.answer == first.answer
    landed = [row for row in connector.extract(COMPANY, None, instant + timedelta(days=2)) if row.key == str(request.key)]
    assert [row.document for row in landed] == [first.document]


def test_the_same_key_with_another_payload_is_a_conflict(connector: EmbeddedConnector, instant: datetime) -> None:
    request = write_request("create_purchase_order", order_payload())
    connector.commit_many([request], now=instant)
    other = write_request("create_purchase_order", order_payload(note="other"), key=request.key, reference=request.reference)
    (outcome,) = connector.commit_many([other], now=instant)
    assert outcome.status is SendStatus.CONFLICT
    assert outcome.document == ""


def test_a_batch_answers_in_order_and_a_refused_item_spoils_no_other(connector: EmbeddedConnector, instant: datetime) -> None:
    good = write_request("create_purchase_order", order_payload())
    closed = write_request("post_journal_entry", entry_payload(effective_on="2026-03-01"))
    broken = replace(write_request("create_purchase_order", {}), action_bytes=b'{"params": 1.5}')
    without = replace(write_request("create_purchase_order", {}), action_bytes=b"{}")
    too_much = write_request("release_inventory", release_payload(quantity="100000"))
    fine = write_request("release_inventory", release_payload())
    requests = [closed, good, broken, too_much, without, fine]
    outcomes = connector.commit_many(requests, now=instant)
    assert [outcome.key for outcome in outcomes] == [request.key for request in requests]
    assert [(outcome.status.value, outcome.code, outcome.is_retryable) for outcome in outcomes] == [
        ("refused", "period_closed", True),
        ("posted", "", False),
        ("refused", "invalid_action", False),
        ("refused", "stock_insufficient", True),
        ("refused", "invalid_action", False),
        ("posted", "", False),
    ]
    assert set(connector.find_many([request.key for request in requests])) == {good.key, fine.key}
    assert connector.commit_many([], now=instant) == []


@pytest.mark.parametrize("name", ["create_purchase_order", "post_journal_entry", "release_inventory"])
def test_a_reversal_takes_the_effect_back(connector: EmbeddedConnector, instant: datetime, name: str) -> None:
    asked = [
        facts.budget(COMPANY, "4010", 2026, "remaining"),
        facts.budget(COMPANY, "4030", 2026, "remaining"),
        facts.stock_quantity(COMPANY, "P-1003", "MAIN"),
    ]
    before = connector.observe(asked)
    payload = PAYLOADS[name]() if name != "release_inventory" else release_payload(cost_centre="4010")
    document = write(connector, name, payload, instant).document
    assert connector.observe(asked) != before
    landed = connector.read_back_many(COMPANY, [document])[document]
    tool_name, reversal = get_write_tool(name).reversal(payload, document, landed)
    tool = get_write_tool(tool_name)
    validated = tool.validate(reversal)
    presented = tool.present(validated, COMPANY, connector)
    assert presented.headline.startswith(f"Reverse {document} by a journal entry: ")
    outcome = write(connector, tool_name, tool.canonical(validated), instant)
    assert outcome.status is SendStatus.POSTED
    assert connector.observe(asked) == before
    assert connector.observe([facts.document_status(COMPANY, document)]) == ["reversed"]
    assert connector.observe([facts.document_status(COMPANY, outcome.document)]) == ["reversal"]


def test_a_customer_change_is_restored(connector: EmbeddedConnector, instant: datetime) -> None:
    tool = get_write_tool("update_customer")
    payload = PAYLOADS["update_customer"](changes={"credit_limit": "35000", "payment_terms_days": 30, "status": "on_hold"})
    document = write(connector, tool.name, payload, instant).document
    landed = connector.read_back_many(COMPANY, [document])[document]
    assert tool.compare(payload, landed) == []
    name, restoring = tool.reversal(payload, document, landed)
    assert restoring["changes"] == {"credit_limit": "25000.00", "payment_terms_days": 14, "status": "active"}
    assert write(connector, name, restoring, instant).status is SendStatus.POSTED
    assert connector.read("get_customer", COMPANY, {"customer": "10003"}) == {
        "company": COMPANY,
        "customer": "10003",
        "name": "Radhaus Kiel",
        "status": "active",
        "currency": "EUR",
        "credit_limit": "25000.00",
        "payment_terms_days": 14,
        "version": 3,
    }


def test_extract_gives_what_the_gate_wrote_sorted_and_leaves_staff_out(connector: EmbeddedConnector, instant: datetime) -> None:
    requests = [write_request(name, PAYLOADS[name]()) for name in PAYLOADS]
    connector.commit_many(requests, now=instant)
    lines = [{"account": "1010", "debit": "5.00"}, {"account": "1000", "credit": "5.00"}]
    staff = entry_payload(description="By hand", lines=lines)
    post_staff_entry(company=COMPANY, action=staff, written_by="erp.accounting", now=instant)
    orphan = post_staff_entry(company=COMPANY, action=staff, written_by=services.GATE, now=instant)
    named = post_staff_entry(company=COMPANY, action=staff, written_by="erp.accounting", reference=requests[0].reference, now=instant)
    rows = list(connector.extract(COMPANY, instant, instant + timedelta(seconds=1)))
    assert [row.reference for row in rows] == sorted(["", requests[0].reference, *(item.reference for item in requests)])
    by_document = {row.document: row for row in rows}
    assert by_document[orphan.document].key == ""
    assert by_document[named.document].reference == requests[0].reference
    assert {row.key for row in rows if row.key} == {str(request.key) for request in requests}
    assert list(connector.extract(COMPANY, instant + timedelta(seconds=1), instant + timedelta(days=1))) == []
    landed = connector.read_back_many(COMPANY, list(by_document))
    assert {document: row["content_digest"] for document, row in landed.items()} == {
        document: row.content_digest for document, row in by_document.items()
    }


def raising(error: Exception) -> Callable[..., None]:
    def call(*_: object, **__: object) -> None:
        raise error

    return call


def lost(sqlstate: str | None) -> OperationalError:
    cause = {None: psycopg.OperationalError, "40P01": psycopg.errors.DeadlockDetected}[sqlstate]("gone")
    error = OperationalError("gone")
    error.__cause__ = cause
    return error


def test_without_a_connection_nothing_was_sent(connector: EmbeddedConnector, instant: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    request = write_request("create_purchase_order", order_payload())
    monkeypatch.setattr(connections["ledger"], "ensure_connection", raising(OperationalError("refused")))
    (outcome,) = connector.commit_many([request], now=instant)
    assert (outcome.status, outcome.code, outcome.is_retryable) == (SendStatus.NOT_SENT, "erp_unreachable", True)


def test_an_answer_that_was_lost_is_unknown(connector: EmbeddedConnector, instant: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    request = write_request("create_purchase_order", order_payload())
    monkeypatch.setattr(services, "execute_batch", raising(lost(None)))
    (outcome,) = connector.commit_many([request], now=instant)
    assert (outcome.status, outcome.code, outcome.is_retryable) == (SendStatus.UNKNOWN, "answer_lost", False)


def test_a_transaction_that_rolled_back_was_not_sent_except_what_landed_before(
    connector: EmbeddedConnector, instant: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed, other = (write_request("create_purchase_order", order_payload()) for _ in range(2))
    (posted,) = connector.commit_many([landed], now=instant)
    monkeypatch.setattr(services, "execute_batch", raising(lost("40P01")))
    outcomes = connector.commit_many([landed, other], now=instant)
    assert [(outcome.status, outcome.document) for outcome in outcomes] == [
        (SendStatus.POSTED, posted.document),
        (SendStatus.NOT_SENT, ""),
    ]


def test_the_faulty_connector_fails_as_told(connector: EmbeddedConnector, instant: datetime) -> None:
    faulty = FaultyConnector(connector, faults=[Fault.NOT_SENT, Fault.REFUSED, Fault.RAISES, Fault.ANSWER_LOST, Fault.RAISES_AFTER_COMMIT])
    request, second = (write_request("create_purchase_order", order_payload()) for _ in range(2))
    assert faulty.commit_many([request], now=instant)[0].status is SendStatus.NOT_SENT
    assert faulty.commit_many([request], now=instant)[0].status is SendStatus.REFUSED
    with pytest.raises(ConnectionLost):
        faulty.commit_many([request], now=instant)
    assert connector.find_many([request.key]) == {}
    assert faulty.commit_many([request], now=instant)[0].status is SendStatus.UNKNOWN
    assert set(faulty.find_many([request.key])) == {request.key}
    with pytest.raises(ConnectionLost):
        faulty.commit_many([second], now=instant)
    (replayed,) = faulty.commit_many([second], now=instant)
    assert replayed.status is SendStatus.REPLAYED
    faulty.altered = {"total": "1.00"}
    found = faulty.read_back_many(COMPANY, [replayed.document])[replayed.document]
    tool = get_write_tool("create_purchase_order")
    assert [item["field"] for item in tool.compare(order_payload(), found)] == ["/total"]


def test_a_key_is_never_found_before_it_landed(connector: EmbeddedConnector) -> None:
    assert connector.find_many([new_id()]) == {}
    assert connector.read_back_many(COMPANY, ["PO-2026-999999"]) == {}
    assert connector.read_back_many(COMPANY, []) == {}
