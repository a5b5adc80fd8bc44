"""Building blocks for proposals: payloads, a submission, a gate and an ERP of plain values."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from audit.records import NewEvent
from gateway.errors import ErpUnavailable
from gateway.port import Fact, Landed, Level, WriteOutcome, WriteRequest
from identity.principals import AgentPrincipal
from kernel.clock import now as clock_now
from kernel.ids import new_id
from kernel.together import Together
from proposals.body import parse_proposal
from proposals.gate import Draft, Plan, Unroutable, register_gate
from proposals.models import Proposal
from proposals.services import propose

COMPANY = "DE01"


def a_key() -> str:
    """Return an idempotency key that was never used."""
    return f"key-{new_id()}"


def a_purchase_order(**changes: Any) -> dict[str, Any]:
    """Return the payload of an order of 550 pedals at 5.0256: 2,764.08 EUR."""
    payload = {
        "vendor": "1580",
        "reference": "PO-4711",
        "ordered_on": "2026-11-23",
        "cost_centre": "4100",
        "currency": "EUR",
        "lines": [{"item": "PD-T852", "quantity": "550", "unit_price": "5.0256"}],
    }
    return {**payload, **changes}


def an_order_over(amount: str, **changes: Any) -> dict[str, Any]:
    """Return the payload of an order over exactly this amount."""
    return a_purchase_order(lines=[{"item": "PD-T852", "quantity": "1", "unit_price": amount}], **changes)


def a_journal_entry(**changes: Any) -> dict[str, Any]:
    """Return the payload of a balanced entry over 120.00 EUR."""
    payload = {
        "effective_on": "2026-11-23",
        "currency": "EUR",
        "description": "Accrue cleaning",
        "lines": [
            {"account": "6300", "cost_centre": "4100", "debit": "120.00"},
            {"account": "3500", "credit": "120.00"},
        ],
    }
    return {**payload, **changes}


def submit(
    principal: AgentPrincipal,
    tool: str = "create_purchase_order",
    payload: Mapping[str, Any] | None = None,
    *,
    key: str = "",
    now: datetime | None = None,
    **fields: Any,
) -> Proposal:
    """Propose as this principal would over the API and return the proposal; `fields` are further fields of the body."""
    body = {
        "tool": tool,
        "company": principal.details[0].company,
        "payload": dict(payload) if payload is not None else a_purchase_order(),
        **fields,
    }
    submission = propose(principal=principal, idempotency_key=key or a_key(), body=parse_proposal(body), now=now or clock_now())
    return submission.proposal


@dataclass
class PlainGate:
    """A gate that asks for a person for everything; what is above `limit_minor` is unroutable. It is its own routing."""

    limit_minor: int = 10**12
    drafts: list[Draft] = field(default_factory=list)
    attached: list[Proposal] = field(default_factory=list)

    def routing(self, drafts: Sequence[Draft]) -> PlainGate:
        return self

    def ask(self, together: Together) -> None:
        """Nothing is looked up."""

    def plan(self, draft: Draft) -> Plan:
        self.drafts.append(draft)
        if draft.effect.amount.minor > self.limit_minor:
            raise Unroutable(detail="No row of the policy covers this amount.")
        return Plan(policy_version=1, row_id=1, route_version=1, is_automatic=False)

    def attach(self, planned: Sequence[tuple[Proposal, Plan]], now: datetime) -> list[NewEvent]:
        self.attached.extend(proposal for proposal, _ in planned)
        return []


@contextmanager
def routed_by(gate: PlainGate) -> Iterator[PlainGate]:
    """Submissions inside the block are routed by this gate."""
    previous = register_gate(gate)
    try:
        yield gate
    finally:
        if previous is not None:
            register_gate(previous)


FACTS = {
    "company_currency": "EUR",
    "business_date": "2026-11-23",
    "period_status": "open",
    "vendor_name": "Litware, Inc.",
    "vendor_status": "active",
    "vendor_bank_fingerprint": "f1",
    "cost_centre_name": "Assembly",
    "budget_amount": "900000000.00",
    "budget_consumed": "0.00",
    "budget_remaining": "900000000.00",
    "item_name": "Pedal",
    "account_name": "An account",
    "account_status": "active",
    "account_kind": "expense",
    "order_count": "0",
    "release_count": "0",
    "entry_count": "0",
}


@dataclass
class PlainErp:
    """A connector that answers from a table and writes nothing; for tests that are not about the ERP."""

    facts: dict[str, str] = field(default_factory=lambda: dict(FACTS))
    result: dict[str, Any] = field(default_factory=lambda: {"budget": "500.00", "rows": [{"account": "6300"}]})
    is_down: bool = False
    name: str = "plain"
    title: str = "Plain values"
    level: Level = Level.A

    def read(self, tool: str, company: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        self._require_up()
        return self.result

    def observe(self, facts: Sequence[Fact]) -> list[str]:
        self._require_up()
        return [self.facts[fact.name] for fact in facts]

    def _require_up(self) -> None:
        if self.is_down:
            raise ErpUnavailable(detail="The ERP gave no answer.")

    def commit_many(self, requests: Sequence[WriteRequest], *, now: datetime) -> list[WriteOutcome]:
        raise NotImplementedError

    def close_many(self, keys: Sequence[uuid.UUID], *, now: datetime) -> dict[uuid.UUID, WriteOutcome]:
        return {}

    def open_many(self, keys: Sequence[uuid.UUID]) -> None:
        """Nothing was closed."""

    def find_many(self, keys: Sequence[uuid.UUID]) -> dict[uuid.UUID, WriteOutcome]:
        return {}

    def read_back_many(self, company: str, documents: Sequence[str]) -> dict[str, Mapping[str, object]]:
        return {}

    def extract(self, company: str, since: datetime | None, until: datetime) -> Iterator[Landed]:
        return iter(())

    def trial_balance(self, company: str) -> Mapping[str, object]:
        return {}

    def companies(self) -> list[Mapping[str, object]]:
        return [{"code": COMPANY, "name": "Countersign Deutschland", "currency": "EUR"}]

    def health(self) -> Mapping[str, object]:
        return {"is_up": not self.is_down}
