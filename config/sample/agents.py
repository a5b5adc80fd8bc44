"""The sample agents, each with a key of its own: two at work in DE01, one for replays in US01, one for compensation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from joserfc.jwk import ECKey

from config.paths import SAMPLE
from gateway.catalogue import read_tools
from identity.models import Agent, Grant
from identity.services.agents import activate_agent, register_agent
from identity.services.credentials import register_credential
from identity.services.grants import GrantTerms, activate_grant, issue_grant
from kernel.actors import Actor

GRANT_DAYS = 365
REVIEW_DAYS = 180


@dataclass(frozen=True, slots=True)
class SampleAgent:
    """One agent of the sample: what it may write, where, and up to how much (minor units per write, day, 30 days)."""

    file: str
    name: str
    purpose: str
    companies: tuple[str, ...]
    currency: str
    writes: tuple[str, ...]
    ceilings: tuple[int, int, int]
    count_per_hour: int = 500
    acts_for: tuple[str, ...] = ()


PURCHASING = SampleAgent(
    "purchasing-agent",
    "Purchasing agent",
    "Orders parts before they run out and releases stock for orders.",
    ("DE01",),
    "EUR",
    ("create_purchase_order", "release_inventory"),
    (10_000_000, 50_000_000, 200_000_000),
)
CLOSING = SampleAgent(
    "close-assistant",
    "Close assistant",
    "Prepares accruals and reclassifications for the month-end close, and credit limits.",
    ("DE01",),
    "EUR",
    ("post_journal_entry", "update_customer"),
    (50_000_000, 100_000_000, 500_000_000),
    acts_for=("ines",),
)
REPLAY = SampleAgent(
    "replay-agent",
    "Replay agent",
    "Proposes the purchase orders of a directory, one by one.",
    ("US01",),
    "USD",
    ("create_purchase_order",),
    (50_000_000, 10_000_000_000, 10_000_000_000),
    count_per_hour=100_000,
)
AGENTS = (PURCHASING, CLOSING, REPLAY)
# Compensating entries are proposals too; this agent's key is thrown away, because only reconciliation speaks for it.
RECONCILIATION = "Countersign reconciliation"
COMPENSATING_TOOLS = ("post_journal_entry", "create_purchase_order", "release_inventory", "update_customer")


def load_agents(*, people: Mapping[str, User], now: datetime) -> None:
    """Register and activate the agents, with read grants for every read tool and active write grants."""
    for sample in AGENTS:
        _load(sample, people=people, now=now)
    for company, currency in (("DE01", "EUR"), ("US01", "USD")):
        sample = SampleAgent(
            "",
            f"{RECONCILIATION} {company}",
            "Proposes compensating entries for breaks that a person wants corrected.",
            (company,),
            currency,
            COMPENSATING_TOOLS,
            (10_000_000_000, 10_000_000_000, 10_000_000_000),
        )
        _load(sample, people=people, now=now)


def _load(sample: SampleAgent, *, people: Mapping[str, User], now: datetime) -> Agent:
    owner = Actor.human(people["tomas"].pk)
    agent = register_agent(
        name=sample.name,
        purpose=sample.purpose,
        runtime="Sample data",
        owner_id=people["tomas"].pk,
        sponsor_id=people["petra"].pk,
        companies=list(sample.companies),
        model="No model: a script",
        acts_for=[people[name].pk for name in sample.acts_for],
        expires_on=(now + timedelta(days=REVIEW_DAYS)).date(),
        actor=owner,
        now=now,
    )
    if sample.file:
        key = ECKey.generate_key("P-256")
        register_credential(
            agent_id=agent.pk,
            jwk=key.as_dict(private=False),
            not_after=now + timedelta(days=GRANT_DAYS),
            actor=owner,
            now=now,
        )
        _write(sample.file, agent, key)
    activate_agent(agent_id=agent.pk, actor=owner, now=now)
    until = now + timedelta(days=GRANT_DAYS)
    for tool in read_tools():
        terms = GrantTerms(companies=sample.companies, valid_until=until)
        issue_grant(agent_id=agent.pk, tool=tool.name, terms=terms, actor=owner, now=now)
    for name in sample.writes:
        activate_grant(grant_id=_write_grant(agent, name, sample, until, owner, now).pk, actor=owner, now=now)
    return agent


def _write_grant(agent: Agent, tool: str, sample: SampleAgent, until: datetime, owner: Actor, now: datetime) -> Grant:
    per_write, per_day, per_30_days = sample.ceilings
    terms = GrantTerms(
        companies=sample.companies,
        valid_until=until,
        currency=sample.currency,
        ceiling_minor=per_write,
        ceiling_day_minor=per_day,
        ceiling_30_days_minor=per_30_days,
        count_per_hour=sample.count_per_hour,
    )
    return issue_grant(agent_id=agent.pk, tool=tool, terms=terms, actor=owner, now=now)


def _write(file: str, agent: Agent, key: ECKey) -> None:
    """Write the private key where the examples look for it: it belongs to the agent, the gate keeps the public half."""
    SAMPLE.mkdir(parents=True, exist_ok=True)
    for ending, text in (("pem", key.as_pem(private=True).decode("ascii")), ("id", agent.public_id + "\n")):
        descriptor = os.open(SAMPLE / f"{file}.{ending}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
