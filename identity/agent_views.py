"""Pages of an agent's life: register, describe, renew, suspend, resume, decommission, start, history."""

from __future__ import annotations

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from audit.records import Subject
from audit.services import record_denial
from identity import services
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.events import IdentityEvent
from identity.forms import DecommissionForm, EditForm, KeyForm, ReasonForm, Refusable, RegisterForm, RenewForm, TokenTermsForm
from identity.history import history_of
from identity.lifecycle_pages import Consequence, consequences, releases, start_page, suspension_text, tool_choices
from identity.models import Agent
from identity.permissions import Permission, companies_with, requires
from identity.queries import get_agent_for, get_managed_agent_for
from identity.services.token_terms import set_token_terms
from identity.states import AgentState
from kernel.clock import now as clock_now
from kernel.errors import DomainError, PermissionRefused

NEXT_START = "start"
KINDS = {"python": ("agent.py", "text/x-python; charset=utf-8"), "shell": ("agent.sh", "text/x-shellscript; charset=utf-8")}


def save(form: Refusable, action: Callable[[], HttpResponse]) -> HttpResponse | None:
    """Return the answer of an action behind a form, or None when form or service refuse and the form says why.

    A denial for want of rights is no matter of the form: it is raised as it is.
    """
    if not form.is_valid():
        return None
    try:
        return action()
    except PermissionRefused:
        raise
    except DomainError as error:
        form.refuse(error)
        return None


def sent(request: HttpRequest) -> QueryDict | None:
    """Return what a form sent, or None for a page that only shows it."""
    return request.POST if request.method == "POST" else None


def managed_agent(request: HttpRequest, agent_id: str) -> Agent:
    """Return the agent behind a page that changes it; raises NotVisible, or PermissionRefused, which an attempted change records."""
    try:
        return get_managed_agent_for(person_of(request), agent_id)
    except PermissionRefused as error:
        if request.method == "POST":
            subject = Subject("agent", agent_id)
            record_denial(kind=IdentityEvent.AGENT_REFUSED, actor=actor_of(request), subject=subject, now=clock_now(), error=error)
        raise


def lead_to_agent(request: HttpRequest, agent: Agent, message: str) -> HttpResponse:
    """Return the redirect to the agent's page, or to its start when the form came from there."""
    is_start = request.POST.get("next") == NEXT_START
    return lead_back(request, message, "identity:start" if is_start else "identity:agent", agent.public_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.AGENT_MANAGE)
def new_agent(request: HttpRequest) -> HttpResponse:
    """Register an agent, as a draft; its start goes on with its key."""
    now = clock_now()
    form = RegisterForm(sent(request), registrar=person_of(request), today=now.date())

    def register() -> HttpResponse:
        agent = services.register_agent(**form.registration(), actor=actor_of(request), now=now)
        return lead_back(request, f"{agent.name} is registered.", "identity:start", agent.public_id)

    answer = save(form, register) if request.method == "POST" else None
    return answer or render(request, "identity/new_agent.html", {"form": form}, status=form.status)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.AGENT_MANAGE)
def edit(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Describe an agent anew."""
    agent = managed_agent(request, agent_id)
    form = EditForm(sent(request), agent=agent)

    def describe() -> HttpResponse:
        services.edit_agent(agent_id=agent.pk, **form.description(), actor=actor_of(request), now=clock_now())
        return lead_to_agent(request, agent, f"{agent.name} is described anew.")

    answer = save(form, describe) if request.method == "POST" else None
    context = {"form": form, "agent": agent, "title": f"Describe {agent.name}", "button": "Save"}
    return answer or render(request, "identity/agent_form.html", context, status=form.status)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.AGENT_MANAGE)
def tokens(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Say how the agent's tokens are made; a downgrade is shown on its page."""
    agent = managed_agent(request, agent_id)
    form = TokenTermsForm(sent(request), agent=agent)

    def change() -> HttpResponse:
        set_token_terms(agent_id=agent.pk, **form.cleaned_data, actor=actor_of(request), now=clock_now())
        return lead_to_agent(request, agent, f"The tokens of {agent.name} are of this kind from its next request on.")

    answer = save(form, change) if request.method == "POST" else None
    context = {"form": form, "agent": agent, "title": f"Tokens of {agent.name}", "button": "Save"}
    return answer or render(request, "identity/agent_form.html", context, status=form.status)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.AGENT_MANAGE)
def renew(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Give a reviewed agent a new review date; one that only its review kept suspended works again."""
    agent, now = managed_agent(request, agent_id), clock_now()
    form = RenewForm(sent(request), today=now.date())

    def prolong() -> HttpResponse:
        found = services.renew_agent(agent_id=agent.pk, expires_on=form.cleaned_data["expires_on"], actor=actor_of(request), now=now)
        return lead_to_agent(request, agent, f"{agent.name} is to be reviewed by {found.expires_on.isoformat()}.")

    answer = save(form, prolong) if request.method == "POST" else None
    note = f"Review by {agent.expires_on.isoformat()} until now. Look at its grants, keys and rates first: renewing says that you did."
    context = {"form": form, "agent": agent, "title": f"Renew {agent.name}", "button": "Renew", "note": note}
    return answer or render(request, "identity/agent_form.html", context, status=form.status)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.AGENT_MANAGE)
def suspend(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Suspend an agent: from its next request on it may do nothing, and what it has open is frozen."""
    agent, now = managed_agent(request, agent_id), clock_now()
    form = ReasonForm(sent(request))

    def stop() -> HttpResponse:
        services.suspend_agent(agent_id=agent.pk, actor=actor_of(request), now=now, reason=form.cleaned_data["reason"])
        return lead_to_agent(request, agent, f"{agent.name} is suspended.")

    answer = save(form, stop) if request.method == "POST" else None
    touched = consequences(agent, AgentState.SUSPENDED, now)
    note = "It takes effect at its next request, and can be undone."
    return answer or _confirmation(request, agent, form, title=f"Suspend {agent.name}", touched=touched, note=note, is_dangerous=True)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.AGENT_MANAGE)
def resume(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Let a suspended agent work again, with the keys and grants it had."""
    agent = managed_agent(request, agent_id)
    form = Refusable(sent(request))

    def release() -> HttpResponse:
        services.resume_agent(agent_id=agent.pk, actor=actor_of(request), now=clock_now())
        return lead_to_agent(request, agent, f"{agent.name} is active again.")

    answer = save(form, release) if request.method == "POST" else None
    note = suspension_text(agent) or f"{agent.name} is {agent.get_state_display().lower()}."
    return answer or _confirmation(request, agent, form, title=f"Resume {agent.name}", touched=releases(agent), note=note)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.AGENT_MANAGE)
def decommission(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Retire an agent for good, after showing what that takes with it."""
    agent, now = managed_agent(request, agent_id), clock_now()
    form = DecommissionForm(sent(request), agent=agent)

    def retire() -> HttpResponse:
        services.decommission_agent(agent_id=agent.pk, actor=actor_of(request), now=now, reason=form.cleaned_data["reason"])
        return lead_to_agent(request, agent, f"{agent.name} is decommissioned for good.")

    answer = save(form, retire) if request.method == "POST" else None
    touched = consequences(agent, AgentState.DECOMMISSIONED, now)
    note = "This can't be undone. Every record stays: its proposals, decisions, commits, reads and history."
    return answer or _confirmation(request, agent, form, title=f"Decommission {agent.name}", touched=touched, note=note, is_dangerous=True)


def _confirmation(
    request: HttpRequest,
    agent: Agent,
    form: Refusable,
    *,
    title: str,
    touched: list[Consequence],
    note: str,
    is_dangerous: bool = False,
) -> HttpResponse:
    context = {"form": form, "agent": agent, "title": title, "touched": touched, "note": note, "is_dangerous": is_dangerous}
    return render(request, "identity/confirm.html", context, status=form.status)


@require_safe
@requires(Permission.AGENT_MANAGE)
def start(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show the next step of an agent's start, and at its end a code sample that works."""
    agent, now = managed_agent(request, agent_id), clock_now()
    page = start_page(agent, now, tool=request.GET.get("tool", ""))
    context = {
        "page": page,
        "form": KeyForm(today=now.date()) if page.wants == "key" else None,
        "groups": tool_choices(agent, is_start=True)[:2] if page.wants == "tool" else [],
    }
    return render(request, "identity/start.html", context)


@require_safe
@requires(Permission.AGENT_MANAGE)
def sample(request: HttpRequest, agent_id: str, kind: str) -> HttpResponse:
    """Download the code sample."""
    agent = managed_agent(request, agent_id)
    found = start_page(agent, clock_now(), tool=request.GET.get("tool", "")).sample
    if found is None or kind not in KINDS:
        raise Http404
    name, content_type = KINDS[kind]
    response = HttpResponse(found.python if kind == "python" else found.shell, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_safe
@requires(Permission.AGENT_READ)
def history(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show what happened to an agent, its keys and its grants, with before and after."""
    person = person_of(request)
    agent = get_agent_for(person, agent_id)
    may_audit = not companies_with(person, Permission.AUDIT_READ).isdisjoint(agent.companies)
    entries = history_of(agent, may_audit=may_audit)
    return render(request, "identity/history.html", {"agent": agent, "entries": entries})
