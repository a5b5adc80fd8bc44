"""Pages about an agent's webhooks. Rules live in services; a view carries things across."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.models import Agent
from identity.permissions import Permission, requires
from identity.queries import get_agent_for, is_managed_by
from kernel.clock import now as clock_now
from proposals.webhooks import services
from proposals.webhooks.pages import OVERLAP_HOURS, webhook_page

PAGE = "webhooks:page"


@require_safe
@requires(Permission.AGENT_READ)
def page(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show where the agent is told what became of its proposals, and what was delivered."""
    return _shown(request, get_agent_for(person_of(request), agent_id))


@never_cache
@require_POST
@requires(Permission.AGENT_MANAGE)
def set_endpoint(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Set the address; the first time, show the secret in the answer itself, because it is shown once."""
    agent = get_agent_for(person_of(request), agent_id)
    issued = services.set_endpoint(agent_id=agent.pk, url=request.POST.get("url", ""), actor=actor_of(request), now=clock_now())
    if issued.secret:
        return _shown(request, agent, secret=issued.secret)
    return lead_back(request, "The address is changed; the secret stays.", PAGE, agent.public_id)


@never_cache
@require_POST
@requires(Permission.AGENT_MANAGE)
def rotate_secret(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Make a new secret and show it once."""
    agent = get_agent_for(person_of(request), agent_id)
    issued = services.rotate_secret(agent_id=agent.pk, actor=actor_of(request), now=clock_now())
    return _shown(request, agent, secret=issued.secret)


@require_POST
@requires(Permission.AGENT_MANAGE)
def switch_off(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Stop telling the agent."""
    agent = get_agent_for(person_of(request), agent_id)
    services.switch_off(agent_id=agent.pk, actor=actor_of(request), now=clock_now())
    return lead_back(request, "The endpoint is off.", PAGE, agent.public_id)


@require_POST
@requires(Permission.AGENT_MANAGE)
def switch_on(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Go on telling the agent."""
    agent = get_agent_for(person_of(request), agent_id)
    services.switch_on(agent_id=agent.pk, actor=actor_of(request), now=clock_now())
    return lead_back(request, "The endpoint is on.", PAGE, agent.public_id)


@require_POST
@requires(Permission.AGENT_MANAGE)
def send_test(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Put a test message on its way."""
    agent = get_agent_for(person_of(request), agent_id)
    services.request_test(agent_id=agent.pk, actor=actor_of(request), now=clock_now())
    return lead_back(request, "A test is on its way; reload this page in a moment to see the answer.", PAGE, agent.public_id)


def _shown(request: HttpRequest, agent: Agent, *, secret: str = "") -> HttpResponse:
    found = webhook_page(agent, may_manage=is_managed_by(agent, person_of(request)), now=clock_now())
    return render(request, "proposals/webhooks.html", {"page": found, "secret": secret, "overlap_hours": OVERLAP_HOURS})
