"""Agents, their lifecycle, what they prove themselves with, and the tools."""

from __future__ import annotations

from collections.abc import Iterator

from identity.models import Agent
from identity.services import suspend_agent
from kernel.actors import Actor
from kernel.clock import now
from tests.browser.sweep import Stop
from tests.builders.console import Installation
from tests.builders.federation import BY_NAME, enter, federate, trust
from tests.builders.webhooks import make_delivery_log


def pages(installation: Installation) -> Iterator[Stop]:
    """Yield them as their owner and as others see them."""
    agent = Agent.objects.get(name="Purchasing agent")
    first, second = installation.person("ruth"), installation.person("adele")
    enter(BY_NAME["aws_sts"], first)
    federate(agent, trust(BY_NAME["kubernetes"], first, second), BY_NAME["kubernetes"])
    make_delivery_log(agent, now())
    its = f"/agents/{agent.public_id}"
    yield "maria", "/agents/", "agents"
    yield "tomas", f"{its}/", "agent"
    yield "tomas", "/agents/new/", "agent-new"
    yield "tomas", f"{its}/edit/", "agent-edit"
    yield "tomas", f"{its}/tokens/", "agent-tokens"
    yield "tomas", f"{its}/renew/", "agent-renew"
    yield "tomas", f"{its}/suspend/", "agent-suspend"
    yield "tomas", f"{its}/decommission/", "agent-decommission"
    yield "tomas", f"{its}/start/", "agent-start"
    yield "tomas", f"{its}/history/", "agent-history"
    yield "tomas", f"{its}/webhooks/", "agent-webhooks"
    yield "tomas", f"{its}/keys/new/", "agent-key"
    yield "tomas", f"{its}/grants/new/", "agent-tools"
    yield "tomas", f"{its}/grants/new/?tool=post_journal_entry", "agent-grant"
    yield "tomas", f"{its}/federated/new/", "agent-federated"
    yield "tomas", f"{suspended(installation)}/resume/", "agent-resume"
    yield "adele", "/issuers/", "issuers"
    yield "ruth", "/issuers/new/", "issuer-new"
    yield "maria", "/tools/", "tools"
    yield "maria", "/tools/create_purchase_order/", "tool"


def suspended(installation: Installation) -> str:
    """Return the address of an agent that was stopped."""
    agent = Agent.objects.exclude(name="Purchasing agent").filter(state="active").order_by("pk")[0]
    owner = installation.person("tomas")
    suspend_agent(agent_id=agent.pk, actor=Actor.human(owner.pk), now=now(), reason="It repeats itself.")
    return f"/agents/{agent.public_id}"
