"""Payloads over the sample company, connectors that answer from a table, and connectors that fail on purpose."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.errors import ErpUnavailable
from gateway.facts import ABSENT
from gateway.port import Connector, Fact, Json, Landed, Level, SendStatus, WriteOutcome, WriteRequest
from kernel.canonical import canonical_bytes
from kernel.ids import Prefix, encode, new_id

COMPANY = "DE01"


def order_payload(**changes: Any) -> dict[str, Any]:
    """Return an order of two lines worth 1,250.90 EUR with vendor 70001; valid in the sample company in November 2026."""
    return {
        "vendor": "70001",
        "reference": "REQ-2026-0815",
        "ordered_on": "2026-11-23",
        "deliver_on": "2026-12-11",
        "cost_centre": "4010",
        "currency": "EUR",
        "lines": [
            {"item": "P-1009", "quantity": "100", "unit_price": "0.9590"},
            {"item": "P-1003", "quantity": "37.5", "unit_price": "30.80", "description": "black"},
        ],
    } | changes


def entry_payload(**changes: Any) -> dict[str, Any]:
    """Return an entry of three lines, 12,400.00 EUR, valid in the sample company in November 2026."""
    return {
        "effective_on": "2026-11-23",
        "currency": "EUR",
        "description": "Licences of November",
        "lines": [
            {"account": "6300", "cost_centre": "4030", "debit": "10000.00", "text": "Design software"},
            {"account": "1570", "debit": "2400.00"},
            {"account": "2000", "credit": "12400.00"},
        ],
    } | changes


def release_payload(**changes: Any) -> dict[str, Any]:
    """Return a release of 40 pieces of P-1003 from MAIN, worth 1,243.20 EUR."""
    return {
        "item": "P-1003",
        "location": "MAIN",
        "quantity": "40",
        "order": "SO-20418",
        "effective_on": "2026-11-23",
    } | changes


def customer_payload(**changes: Any) -> dict[str, Any]:
    """Return a change that raises the limit of customer 10003 from 25,000 to 35,000 EUR."""
    return {
        "customer": "10003",
        "expected_version": 1,
        "changes": {"credit_limit": "35000.00"},
        "reason": "Order volume has doubled",
    } | changes


PAYLOADS = {
    "create_purchase_order": order_payload,
    "post_journal_entry": entry_payload,
    "release_inventory": release_payload,
    "update_customer": customer_payload,
}


def action_bytes(tool: str, params: Mapping[str, object], *, company: str = COMPANY) -> bytes:
    """Return the bytes of an action as proposals stores them, as far as a connector looks at it."""
    return canonical_bytes({"schema": "countersign.action/1", "tool": tool, "tool_version": 1, "company": company, "params": params})


def write_request(
    tool: str, params: Mapping[str, object], *, company: str = COMPANY, key: uuid.UUID | None = None, reference: str = ""
) -> WriteRequest:
    """Return a request for the port."""
    return WriteRequest(
        key=key or new_id(),
        tool=tool,
        company=company,
        reference=reference or encode(Prefix.PROPOSAL, new_id()),
        action_bytes=action_bytes(tool, params, company=company),
    )


class Fault(StrEnum):
    """What goes wrong with one call of commit_many."""

    NONE = "none"
    NOT_SENT = "not_sent"
    REFUSED = "refused"
    ANSWER_LOST = "answer_lost"
    RAISES = "raises"
    RAISES_AFTER_COMMIT = "raises_after_commit"


class ConnectionLost(Exception):
    """What a connector raises that breaks its promise never to raise."""


@dataclass
class FaultyConnector:
    """A connector that does what the inner one does, except where it was told to fail.

    `faults` are used up one per commit_many call; when they are gone everything works. `altered` replaces landed fields
    by name in every read-back; `is_down` makes reads unavailable; `delay_seconds` comes before each commit_many.
    """

    inner: Connector
    faults: list[Fault] = field(default_factory=list)
    altered: dict[str, object] = field(default_factory=dict)
    is_down: bool = False
    delay_seconds: float = 0
    level: Level = Level.A
    name: str = "faulty"
    title: str = "Faulty ERP"
    sent: list[WriteRequest] = field(default_factory=list)

    def commit_many(self, requests: Sequence[WriteRequest], *, now: datetime) -> list[WriteOutcome]:
        fault = self.faults.pop(0) if self.faults else Fault.NONE
        time.sleep(self.delay_seconds)
        if fault is Fault.NOT_SENT:
            return [
                WriteOutcome(item.key, SendStatus.NOT_SENT, code="erp_unreachable", detail="no route", is_retryable=True)
                for item in requests
            ]
        if fault is Fault.REFUSED:
            return [WriteOutcome(item.key, SendStatus.REFUSED, code="constraint_violated", detail="The ERP refused.") for item in requests]
        if fault is Fault.RAISES:
            raise ConnectionLost
        self.sent.extend(requests)
        outcomes = self.inner.commit_many(requests, now=now)
        if fault is Fault.RAISES_AFTER_COMMIT:
            raise ConnectionLost
        if fault is Fault.ANSWER_LOST:
            return [WriteOutcome(item.key, SendStatus.UNKNOWN, code="answer_lost", detail="connection reset") for item in requests]
        return outcomes

    def read_back_many(self, company: str, documents: Sequence[str]) -> dict[str, Json]:
        self._require_up()
        found = self.inner.read_back_many(company, documents)
        return {document: {**landed, **self.altered} for document, landed in found.items()}

    def read(self, tool: str, company: str, arguments: Json) -> Json:
        self._require_up()
        return self.inner.read(tool, company, arguments)

    def observe(self, facts: Sequence[Fact]) -> list[str]:
        self._require_up()
        return self.inner.observe(facts)

    def find_many(self, keys: Sequence[uuid.UUID]) -> dict[uuid.UUID, WriteOutcome]:
        self._require_up()
        return self.inner.find_many(keys)

    def close_many(self, keys: Sequence[uuid.UUID], *, now: datetime) -> dict[uuid.UUID, WriteOutcome]:
        self._require_up()
        return self.inner.close_many(keys, now=now)

    def open_many(self, keys: Sequence[uuid.UUID]) -> None:
        self._require_up()
        self.inner.open_many(keys)

    def extract(self, company: str, since: datetime | None, until: datetime) -> Iterator[Landed]:
        self._require_up()
        return self.inner.extract(company, since, until)

    def trial_balance(self, company: str) -> Json:
        self._require_up()
        return self.inner.trial_balance(company)

    def companies(self) -> list[Json]:
        return self.inner.companies()

    def health(self) -> Json:
        return {"is_answering": not self.is_down, "since": "", "detail": ""}

    def _require_up(self) -> None:
        if self.is_down:
            raise ErpUnavailable(detail="The ERP does not answer: told so by a test.")


# The sample company as facts, for tests that need no database.
SAMPLE_FACTS: Mapping[str, str] = {
    "company_currency": "EUR",
    "business_date": "2026-11-23",
    "period_status": "open",
    "vendor_name": "Rheinland Stahlhandel GmbH",
    "vendor_status": "active",
    "vendor_bank_fingerprint": "sha256:0123",
    "cost_centre_name": "Production",
    "budget_amount": "480000.00",
    "budget_consumed": "25476.00",
    "budget_remaining": "454524.00",
    "item_name": "Hub, rear",
    "item_standard_cost": "31.08",
    "stock_quantity": "331",
    "account_name": "Software and licences",
    "account_status": "active",
    "account_kind": "expense",
    "document_status": "posted",
    "customer_name": "Radhaus Kiel",
    "customer_status": "active",
    "customer_version": "1",
    "customer_currency": "EUR",
    "customer_credit_limit": "25000.00",
    "customer_payment_terms_days": "14",
}


@dataclass
class StubConnector:
    """A connector that answers facts from a table and writes into a list: no database, no ERP.

    A fact is looked up as `name:argument,argument` first, then as `name`, then it is "absent".
    """

    facts: Mapping[str, str] = field(default_factory=lambda: dict(SAMPLE_FACTS))
    results: Mapping[str, Json] = field(default_factory=dict)
    landed: dict[str, Json] = field(default_factory=dict)
    level: Level = Level.A
    name: str = "stub"
    title: str = "Stub ERP"
    observed: list[Fact] = field(default_factory=list)
    sent: list[WriteRequest] = field(default_factory=list)

    def observe(self, facts: Sequence[Fact]) -> list[str]:
        self.observed.extend(facts)
        return [self.facts.get(f"{fact.name}:{','.join(fact.arguments.values())}", self.facts.get(fact.name, ABSENT)) for fact in facts]

    def read(self, tool: str, company: str, arguments: Json) -> Json:
        return self.results[tool]

    def commit_many(self, requests: Sequence[WriteRequest], *, now: datetime) -> list[WriteOutcome]:
        known = {request.key for request in self.sent}
        self.sent.extend(request for request in requests if request.key not in known)
        return [
            WriteOutcome(
                request.key,
                SendStatus.REPLAYED if request.key in known else SendStatus.POSTED,
                document=f"STUB-{request.key.hex[-8:]}",
            )
            for request in requests
        ]

    def close_many(self, keys: Sequence[uuid.UUID], *, now: datetime) -> dict[uuid.UUID, WriteOutcome]:
        return self.find_many(keys)

    def open_many(self, keys: Sequence[uuid.UUID]) -> None:
        """Nothing was closed."""

    def find_many(self, keys: Sequence[uuid.UUID]) -> dict[uuid.UUID, WriteOutcome]:
        return {
            request.key: WriteOutcome(request.key, SendStatus.POSTED, document=f"STUB-{request.key.hex[-8:]}")
            for request in self.sent
            if request.key in keys
        }

    def read_back_many(self, company: str, documents: Sequence[str]) -> dict[str, Json]:
        return {document: self.landed[document] for document in documents if document in self.landed}

    def extract(self, company: str, since: datetime | None, until: datetime) -> Iterator[Landed]:
        return iter(())

    def trial_balance(self, company: str) -> Json:
        return {"is_balanced": True, "rows": []}

    def companies(self) -> list[Json]:
        return [{"code": COMPANY, "name": "Adventure Parts GmbH", "currency": "EUR"}]

    def health(self) -> Json:
        return {"is_answering": True, "since": "", "detail": ""}
