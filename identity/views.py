"""Pages about agents and tools. Rules live in services; a view carries things across."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Manager
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from gateway.catalogue import TOOLS
from identity import services
from identity.actors import actor_of
from identity.agent_views import lead_to_agent
from identity.console import lead_back, person_of
from identity.federation.pages import federated_rows
from identity.lifecycle_pages import rates_chart, suspension_text, token_tags
from identity.models import Agent
from identity.pages import agent_page, agent_row, holders_of, tool_groups, tool_row
from identity.permissions import Permission, permissions_of, requires
from identity.queries import get_agent_for, is_managed_by, visible_agents
from identity.services.token_terms import downgrades
from kernel.canonical import to_json_text
from kernel.clock import now as clock_now
from kernel.errors import NotVisible
from kernel.ids import Prefix, decode
from kernel.listing import page_of


@require_safe
@requires(Permission.AGENT_READ)
def agents(request: HttpRequest) -> HttpResponse:
    """List the agents that the person may know of."""
    found = page_of(visible_agents(person_of(request)).prefetch_related("grants"), request.GET)
    rows = [agent_row(agent, agent.grants.all(), clock_now()) for agent in found.rows]
    return render(request, "identity/agents.html", {"page": found.with_rows(rows), "may_manage": _may_manage(person_of(request))})


@require_safe
@requires(Permission.AGENT_READ)
def agent(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show one agent: who answers for it, its grants and keys, and the kill switch to whom it belongs."""
    found = get_agent_for(person_of(request), agent_id)
    now = clock_now()
    context = {
        "page": agent_page(found, now),
        "rates": rates_chart(found, now),
        "tokens": token_tags(found),
        "downgrades": downgrades(found),
        "federated": federated_rows(found, now),
        "suspension": suspension_text(found),
        "may_manage": is_managed_by(found, person_of(request)),
    }
    return render(request, "identity/agent.html", context)


@require_POST
@requires(Permission.AGENT_MANAGE)
def activate(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Let a draft begin."""
    found = get_agent_for(person_of(request), agent_id)
    services.activate_agent(agent_id=found.pk, actor=actor_of(request), now=clock_now())
    return lead_to_agent(request, found, f"{found.name} is active.")


@require_POST
@requires(Permission.AGENT_MANAGE)
def activate_grant(request: HttpRequest, agent_id: str, grant_id: str) -> HttpResponse:
    """Let a write grant out of log-only."""
    found = get_agent_for(person_of(request), agent_id)
    key = _own(found.grants, decode(Prefix.GRANT, grant_id))
    grant = services.activate_grant(grant_id=key, actor=actor_of(request), now=clock_now())
    return _back(request, found, f"The grant for {grant.tool} is active: approved proposals are committed.")


@require_POST
@requires(Permission.AGENT_MANAGE)
def revoke_grant(request: HttpRequest, agent_id: str, grant_id: str) -> HttpResponse:
    """Take a grant away."""
    found = get_agent_for(person_of(request), agent_id)
    key = _own(found.grants, decode(Prefix.GRANT, grant_id))
    grant = services.revoke_grant(grant_id=key, actor=actor_of(request), now=clock_now())
    return _back(request, found, f"The grant for {grant.tool} is revoked.")


@require_POST
@requires(Permission.AGENT_MANAGE)
def revoke_key(request: HttpRequest, agent_id: str, key_id: str) -> HttpResponse:
    """Take a key away."""
    found = get_agent_for(person_of(request), agent_id)
    key = _own(found.credentials, decode(Prefix.CREDENTIAL, key_id))
    services.revoke_credential(credential_id=key, actor=actor_of(request), now=clock_now())
    return _back(request, found, "The key is revoked.")


def _own(rows: Manager[Any], key: UUID) -> UUID:
    """Return the key if it is one of this agent's rows: an address that names another agent's is no address."""
    if not rows.filter(pk=key).exists():
        raise NotVisible(detail="This agent has no such row.")
    return key


@require_safe
@requires(Permission.TOOL_READ)
def tools(request: HttpRequest) -> HttpResponse:
    """List the catalogue."""
    return render(request, "identity/tools.html", {"groups": tool_groups()})


@require_safe
@requires(Permission.TOOL_READ)
def tool(request: HttpRequest, name: str) -> HttpResponse:
    """Show what agents read about one tool."""
    found = TOOLS.get(name)
    if found is None:
        raise Http404
    context = {
        "tool": tool_row(found),
        "holders": holders_of(found.name, person_of(request)),
        "input_schema": to_json_text(found.input_schema()),
        "output_schema": to_json_text(found.output_schema()),
    }
    return render(request, "identity/tool.html", context)


def _may_manage(user: User) -> bool:
    return Permission.AGENT_MANAGE in permissions_of(user)


def _back(request: HttpRequest, agent: Agent, message: str) -> HttpResponse:
    return lead_back(request, message, "identity:agent", agent.public_id)
