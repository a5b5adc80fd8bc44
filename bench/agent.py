"""The bench's own agent: registered through the services, with ceilings that do not end the run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from bench.load import COMPANY, TOOL
from examples.agent_client import AgentClient

if TYPE_CHECKING:
    from identity.principals import AgentPrincipal

NAME = "Bench agent"
CEILING_MINOR = 10_000_000_000


def bench_agent(url: str) -> AgentClient:
    """Return a client of the bench's agent, with a new key."""
    from django.contrib.auth import get_user_model
    from joserfc.jwk import ECKey

    from identity.models import Agent
    from identity.queries import open_grant
    from identity.services.agents import activate_agent, register_agent
    from identity.services.credentials import register_credential, revoke_credential
    from identity.services.grants import GrantTerms, activate_grant, issue_grant
    from kernel.actors import Actor
    from kernel.clock import now

    instant = now()
    people = {user.username: user for user in get_user_model().objects.filter(username__in=["tomas", "petra"])}
    owner = Actor.human(people["tomas"].pk)
    agent = Agent.objects.filter(name=NAME).first()
    if agent is None:
        agent = register_agent(
            name=NAME,
            purpose="Measures",
            runtime="This machine",
            owner_id=people["tomas"].pk,
            sponsor_id=people["petra"].pk,
            companies=[COMPANY],
            model="No model: a script",
            expires_on=(instant + timedelta(days=100)).date(),
            actor=owner,
            now=instant,
        )
        activate_agent(agent_id=agent.pk, actor=owner, now=instant)
    if open_grant(agent.pk, TOOL) is None:
        terms = GrantTerms(
            companies=(COMPANY,),
            valid_until=instant + timedelta(days=90),
            currency="EUR",
            ceiling_minor=CEILING_MINOR,
            ceiling_day_minor=CEILING_MINOR,
            ceiling_30_days_minor=CEILING_MINOR,
            count_per_hour=100_000,
        )
        grant = issue_grant(agent_id=agent.pk, tool=TOOL, terms=terms, actor=owner, now=instant)
        activate_grant(grant_id=grant.pk, actor=owner, now=instant)
    for credential in agent.credentials.filter(revoked_at__isnull=True):
        revoke_credential(credential_id=credential.pk, actor=owner, now=instant)
    key = ECKey.generate_key("P-256")
    register_credential(
        agent_id=agent.pk,
        jwk=key.as_dict(private=False),
        not_after=instant + timedelta(days=90),
        actor=owner,
        now=instant,
    )
    return AgentClient(url, agent.public_id, key)


def principal() -> AgentPrincipal:
    """Return the bench's agent as a token for its one tool makes it, for measurements inside this process."""
    from identity.models import Agent
    from identity.principals import AgentPrincipal, TokenDetail
    from identity.queries import open_grant

    agent = Agent.objects.get(name=NAME)
    grant = open_grant(agent.pk, TOOL)
    assert grant is not None
    credential = agent.credentials.filter(revoked_at__isnull=True).get()
    detail = TokenDetail("propose", TOOL, COMPANY, grant.pk)
    return AgentPrincipal(agent.pk, agent.name, (detail,), credential.thumbprint, "bench")
