"""What the sample agents want first: a handful of proposals over all four write tools, resting on real reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from config.sample.agents import AGENTS
from identity.models import Agent
from identity.principals import AgentPrincipal, TokenDetail
from identity.queries import open_grant
from proposals.body import ProposeBody
from proposals.models import Proposal
from proposals.services import propose, read

COMPANY = "DE01"
BUDGET_PRODUCTION = ("check_budget", {"cost_centre": "4010", "year": 2026})
BUDGET_SALES = ("check_budget", {"cost_centre": "4020", "year": 2026})
PERIOD = ("get_period_status", {"on": "2026-11-20"})

ReadWanted = tuple[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One proposal of the sample: whose, what, why, and the reads it rests on."""

    key: str
    agent: str
    tool: str
    payload: Mapping[str, Any]
    rationale: str
    reads: Sequence[ReadWanted] = field(default=())


def _order(vendor: str, reference: str, cost_centre: str, *lines: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "vendor": vendor,
        "reference": reference,
        "ordered_on": "2026-11-20",
        "deliver_on": "2026-12-04",
        "cost_centre": cost_centre,
        "currency": "EUR",
        "lines": [{"item": item, "quantity": quantity, "unit_price": price} for item, quantity, price in lines],
    }


WANTED = (
    Wanted(
        "sample-order-brake-pads",
        "purchasing-agent",
        "create_purchase_order",
        _order("70003", "REQ-2071", "4010", ("P-1007", "1200", "1.7200"), ("P-1008", "300", "3.1500")),
        "Stock of brake pads falls below the reorder point on Thursday. Neckar delivers in nine days at our last price.",
        (BUDGET_PRODUCTION, ("get_stock", {"item": "P-1007"}), ("get_vendor", {"vendor": "70003"})),
    ),
    Wanted(
        "sample-order-rims",
        "purchasing-agent",
        "create_purchase_order",
        _order("70001", "REQ-2072", "4010", ("P-1006", "1400", "22.4000")),
        "The spring series needs 1,400 rims; Rheinland holds this price until the end of the month.",
        (BUDGET_PRODUCTION, ("get_vendor", {"vendor": "70001"})),
    ),
    Wanted(
        "sample-order-hubs",
        "purchasing-agent",
        "create_purchase_order",
        _order("70002", "REQ-2073", "4010", ("P-1003", "120", "30.5000"), ("P-1004", "120", "27.1000")),
        "Hubs for the December build.",
        (BUDGET_PRODUCTION,),
    ),
    Wanted(
        "sample-release-cranks",
        "purchasing-agent",
        "release_inventory",
        {
            "item": "P-1001",
            "location": "MAIN",
            "quantity": "40",
            "order": "SO-20418",
            "effective_on": "2026-11-20",
            "cost_centre": "4020",
        },
        "Sales order SO-20418 is paid and due for delivery.",
        (("get_stock", {"item": "P-1001"}),),
    ),
    Wanted(
        "sample-entry-freight",
        "close-assistant",
        "post_journal_entry",
        {
            "effective_on": "2026-11-20",
            "currency": "EUR",
            "description": "Accrual for freight, November",
            "lines": [
                {"account": "6400", "cost_centre": "4020", "debit": "12400.00", "text": "Freight not yet invoiced"},
                {"account": "2200", "credit": "12400.00"},
            ],
        },
        "Nordlicht has delivered 31 times in November and has not invoiced yet; the accrual is the average of three months.",
        (PERIOD, BUDGET_SALES, ("get_account_balance", {"account": "6400"})),
    ),
    Wanted(
        "sample-entry-travel",
        "close-assistant",
        "post_journal_entry",
        {
            "effective_on": "2026-11-20",
            "currency": "EUR",
            "description": "Reclass of travel cost",
            "lines": [
                {"account": "6200", "cost_centre": "4020", "debit": "880.00"},
                {"account": "6200", "cost_centre": "4030", "credit": "880.00"},
            ],
        },
        "The fair in Cologne was a sales trip but was booked to Administration.",
        (PERIOD,),
    ),
    Wanted(
        "sample-customer-limit",
        "close-assistant",
        "update_customer",
        {"customer": "10003", "expected_version": 1, "changes": {"credit_limit": "35000.00"}, "reason": "Paid on time 24 of 24"},
        "Radhaus Kiel wants to order for the season and has always paid within terms.",
        (("get_customer", {"customer": "10003"}),),
    ),
)


def load_proposals(*, now: datetime) -> None:
    """Propose what is wanted, each under its own key; what was proposed before stays as it is."""
    known = set(Proposal.objects.filter(idempotency_key__in=[item.key for item in WANTED]).values_list("idempotency_key", flat=True))
    names = {sample.file: sample.name for sample in AGENTS}
    for wanted in WANTED:
        if wanted.key in known:
            continue
        agent = Agent.objects.get(name=names[wanted.agent])
        receipts = [
            read(principal=_principal(agent, "read", tool), tool=tool, company=COMPANY, arguments=arguments, now=now).receipt
            for tool, arguments in wanted.reads
        ]
        body = ProposeBody(
            tool=wanted.tool,
            company=COMPANY,
            payload=dict(wanted.payload),
            reads=[receipt.public_id for receipt in receipts],
            rationale=wanted.rationale,
        )
        principal = _principal(agent, "propose", wanted.tool)
        propose(principal=principal, idempotency_key=wanted.key, body=body, now=now)


def _principal(agent: Agent, action: Any, tool: str) -> AgentPrincipal:
    """Return the agent as a token for this tool would make it."""
    grant = open_grant(agent.pk, tool)
    assert grant is not None
    return AgentPrincipal(
        agent_id=agent.pk,
        agent_name=agent.name,
        details=(TokenDetail(action, tool, COMPANY, grant.pk),),
        credential_thumbprint=agent.credentials.get().thumbprint,
        token_id="sample",  # noqa: S106  not a secret: the id a token would have had
    )
