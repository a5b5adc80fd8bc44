"""Pages that give an agent what it needs: a public key, a grant."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from gateway.catalogue import TOOLS
from gateway.catalogue.base import ToolKind
from identity import services
from identity.actors import actor_of
from identity.agent_views import NEXT_START, lead_to_agent, managed_agent, save, sent
from identity.forms import KeyForm, grant_form
from identity.lifecycle_pages import tool_choices
from identity.pages import tool_row
from identity.pasted import public_jwk_of
from identity.permissions import Permission, requires
from kernel.clock import now as clock_now


# Somebody may paste a private key: then it must not turn up in a report of an error either.
@sensitive_post_parameters("key")
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.AGENT_MANAGE)
def new_key(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Register a pasted public key; a private one is refused, and nothing that was pasted is shown again."""
    agent, now = managed_agent(request, agent_id), clock_now()
    form = KeyForm(sent(request), today=now.date())

    def register() -> HttpResponse:
        data = form.cleaned_data
        services.register_credential(
            agent_id=agent.pk,
            jwk=public_jwk_of(data["key"]),
            not_after=form.end(),
            algorithm=data["algorithm"],
            actor=actor_of(request),
            now=now,
        )
        return lead_to_agent(request, agent, "The key is registered.")

    answer = save(form, register) if request.method == "POST" else None
    form.forget()
    context = {"form": form, "agent": agent, "is_start": NEXT_START in (request.GET.get("next"), request.POST.get("next"))}
    return answer or render(request, "identity/new_key.html", context, status=form.status)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.AGENT_MANAGE)
def new_grant(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Choose a tool, then say where, how much and until when; a read is active at once, a write begins log-only."""
    agent, now = managed_agent(request, agent_id), clock_now()
    is_start = NEXT_START in (request.GET.get("next"), request.POST.get("next"))
    tool = TOOLS.get(request.POST.get("tool", "") or request.GET.get("tool", ""))
    if tool is None or (request.method != "POST" and not tool.is_grantable):
        context = {"agent": agent, "groups": tool_choices(agent, is_start=is_start)}
        status = HTTPStatus.UNPROCESSABLE_ENTITY if request.method == "POST" else HTTPStatus.OK
        return render(request, "identity/choose_tool.html", context, status=status)
    form = grant_form(tool)(sent(request), agent=agent, today=now.date())

    def issue() -> HttpResponse:
        grant = services.issue_grant(agent_id=agent.pk, tool=tool.name, terms=form.terms(), actor=actor_of(request), now=now)
        return lead_to_agent(request, agent, f"{agent.name} has a grant for {tool.name}: {grant.get_state_display().lower()}.")

    answer = save(form, issue) if request.method == "POST" else None
    context = {"form": form, "agent": agent, "tool": tool_row(tool), "is_write": tool.kind is ToolKind.WRITE, "is_start": is_start}
    return answer or render(request, "identity/new_grant.html", context, status=form.status)
