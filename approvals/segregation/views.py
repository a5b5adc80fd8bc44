"""The graph of segregation of duties for one proposal and for one agent."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from approvals.models import Route
from approvals.policies import EXCLUSION_SENTENCES
from approvals.queries.authority import standing_of
from approvals.queries.rail import route_view
from approvals.segregation.drawing import drawn
from approvals.segregation.graph import graph_of_agent, graph_of_proposal
from identity.console import person_of
from identity.permissions import Permission, requires
from identity.queries import get_agent_for
from kernel.clock import now as clock_now
from kernel.verdicts import Denied
from proposals.queries import get_proposal_for_person


@require_safe
@requires(Permission.PROPOSAL_READ)
def proposal_segregation(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Show who may not decide on a proposal and why, who still can, and where the person who looks stands."""
    user, now = person_of(request), clock_now()
    proposal = get_proposal_for_person(user, proposal_id)
    standing = standing_of(user, proposal, now)
    graph = graph_of_proposal(proposal, Route.objects.select_related("policy", "row").get(pk=proposal.pk), now)
    view = route_view(proposal, user, now, standing)
    context = {
        "title": proposal.headline,
        "crumb": "Proposal",
        "list_url": reverse("approvals:proposals"),
        "list_title": "Proposals",
        "url": reverse("approvals:proposal", args=[proposal_id]),
        "mine": standing.verdict.reason if isinstance(standing.verdict, Denied) else "You can decide on this proposal.",
        "is_kept_out": isinstance(standing.verdict, Denied),
        "graph": graph,
        "drawing": drawn(graph),
        "steps": [(step.group, ", ".join(step.possible) or "nobody") for step in view.steps],
    }
    return render(request, "approvals/segregation.html", context)


@require_safe
@requires(Permission.AGENT_READ)
def agent_segregation(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show who may not decide on anything an agent proposes, and why."""
    user, now = person_of(request), clock_now()
    agent = get_agent_for(user, agent_id)
    graph = graph_of_agent(agent, now)
    mine = next((tie.reason for tie in graph.ties if tie.person_id == user.pk), "")
    context = {
        "title": f"Who may not decide for {agent.name}",
        "crumb": "Agent",
        "list_url": reverse("identity:agents"),
        "list_title": "Agents",
        "url": reverse("identity:agent", args=[agent_id]),
        "is_kept_out": bool(mine),
        "mine": EXCLUSION_SENTENCES[mine].format(agent=agent.name) if mine else "Nothing keeps you out of deciding on its proposals.",
        "graph": graph,
        "drawing": drawn(graph),
        "steps": [],
    }
    return render(request, "approvals/segregation.html", context)
