"""How an agent's tokens are: bound to a key or not, for one thing or several, and what they are for when it does not say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from audit.services import record
from identity.events import IdentityEvent
from identity.models import Agent, TokenBinding, TokenShape
from identity.services.guards import agent_subject, field_error, lock_managed_agent, records_refusal, remember_change
from identity.states import AgentState
from identity.tokens.details import SET_ENTRIES_MAX, read_details
from identity.tokens.errors import TokenRefused
from kernel.actors import Actor
from kernel.errors import StateConflict


@records_refusal(IdentityEvent.AGENT_REFUSED)
def set_token_terms(
    *,
    agent_id: UUID,
    token_binding: str,
    token_shape: str,
    is_strict: bool,
    default_details: Sequence[object],
    actor: Actor,
    now: datetime,
) -> Agent:
    """The agent's tokens are of this kind from its next request on; tokens that are out and do not fit are refused.

    `default_details` is what a token is for when the agent does not say (its wire form, as in `authorization_details`); whether
    its grants cover that is asked when a token is issued. Raises ValidationFailed, StateConflict, NotVisible, PermissionRefused.
    """
    with transaction.atomic():
        agent, manager = lock_managed_agent(agent_id, actor)
        if agent.state == AgentState.DECOMMISSIONED:
            raise StateConflict(detail=f"{agent.name} is decommissioned for good.", data={"state": agent.state})
        terms = {
            "token_binding": _known(token_binding, TokenBinding.values, "/token_binding"),
            "token_shape": _known(token_shape, TokenShape.values, "/token_shape"),
            "is_strict": is_strict,
            "default_details": _default(default_details, token_shape),
        }
        if is_strict and token_binding != TokenBinding.DPOP:
            raise field_error("/is_strict", "A Bearer token has no proof that could cover the body.", "DPoP, or not strict")
        before = {name: getattr(agent, name) for name in terms}
        Agent.objects.filter(pk=agent.pk).update(**terms, last_edited_by=manager)
        for name, value in terms.items():
            setattr(agent, name, value)
        agent.last_edited_by = manager
        remember_change([agent], user=manager, now=now)
        changed = sorted(name for name, value in terms.items() if before[name] != value)
        record(
            kind=IdentityEvent.AGENT_TOKEN_TERMS_CHANGED,
            actor=actor,
            subject=agent_subject(agent),
            now=now,
            outcome={
                "changed": changed,
                "token_binding": token_binding,
                "token_shape": token_shape,
                "is_strict": is_strict,
                "downgrades": [code for code, _ in downgrades(agent)],
            },
            payload={"before": {name: before[name] for name in changed}, "default_details": agent.default_details},
        )
        return agent


def downgrades(agent: Agent) -> list[tuple[str, str]]:
    """Return in which ways the agent's tokens are weaker than they could be: a code and a sentence each."""
    found = []
    if agent.token_binding == TokenBinding.BEARER:
        found.append(("bearer", "Bearer tokens. Whoever gets hold of one of its tokens can use it until it ends."))
    if agent.token_shape == TokenShape.SET:
        found.append(("set", "Several actions in one token. Whoever gets hold of it can do all of them, not only one."))
    return found


def _known(value: str, values: Sequence[str], path: str) -> str:
    if value not in values:
        raise field_error(path, f"{value[:20]!r} is not known.", " or ".join(values))
    return value


def _default(entries: Sequence[object], token_shape: str) -> list[dict[str, object]]:
    """Return the entries in their wire form; raises ValidationFailed when the token endpoint would not take them."""
    if not entries:
        return []
    entries_max = SET_ENTRIES_MAX if token_shape == TokenShape.SET else 1
    try:
        return [detail.as_dict() for detail in read_details(list(entries), entries_max=entries_max)]
    except TokenRefused as error:
        raise field_error("/default_details", error.detail, str(error.data.get("acceptable", ""))) from error
