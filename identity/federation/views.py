"""Pages about trusted issuers, and about the federated credentials of an agent. Rules live in services."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from identity.actors import actor_of
from identity.agent_views import lead_to_agent, managed_agent, save, sent
from identity.console import lead_back, person_of
from identity.federation.forms import FederatedForm, IssuerForm
from identity.federation.pages import issuer_rows
from identity.federation.queries import get_issuer_for
from identity.federation.services.credentials import register_federated_credential, revoke_federated_credential
from identity.federation.services.issuers import activate_issuer, enter_issuer, suspend_issuer
from identity.permissions import Permission, permissions_of, requires
from identity.queries import get_agent_for
from kernel.clock import now as clock_now
from kernel.errors import NotVisible
from kernel.ids import Prefix, decode


@require_safe
@requires(Permission.AGENT_READ)
def issuers(request: HttpRequest) -> HttpResponse:
    """List the issuers whose tokens may prove an agent."""
    person = person_of(request)
    may_enter = Permission.ISSUER_TRUST in permissions_of(person)
    return render(request, "identity/issuers.html", {"rows": issuer_rows(person, clock_now()), "may_enter": may_enter})


# Somebody may paste a private key: then it must not turn up in a report of an error either.
@sensitive_post_parameters("pinned_keys")
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.ISSUER_TRUST)
def new_issuer(request: HttpRequest) -> HttpResponse:
    """Enter an issuer; another person activates it."""
    form = IssuerForm(sent(request), person=person_of(request))

    def enter() -> HttpResponse:
        found = enter_issuer(terms=form.terms(), actor=actor_of(request), now=clock_now())
        return lead_back(request, f"{found.name} is entered. Nothing of it counts until somebody else activates it.", "identity:issuers")

    answer = save(form, enter) if request.method == "POST" else None
    form.forget()
    return answer or render(request, "identity/new_issuer.html", {"form": form}, status=form.status)


@require_POST
@requires(Permission.ISSUER_TRUST)
def activate(request: HttpRequest, issuer_id: str) -> HttpResponse:
    """Let an issuer's tokens count."""
    found = get_issuer_for(person_of(request), issuer_id)
    activate_issuer(issuer_id=found.pk, actor=actor_of(request), now=clock_now())
    return lead_back(request, f"{found.name} is active.", "identity:issuers")


@require_POST
@requires(Permission.ISSUER_TRUST)
def suspend(request: HttpRequest, issuer_id: str) -> HttpResponse:
    """Let nothing of an issuer count."""
    found = get_issuer_for(person_of(request), issuer_id)
    suspend_issuer(issuer_id=found.pk, actor=actor_of(request), now=clock_now())
    return lead_back(
        request, f"{found.name} is suspended, and with it every token that was got with one of its tokens.", "identity:issuers"
    )


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.AGENT_MANAGE)
def new_federated(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Say which subject of which issuer stands for the agent."""
    agent, now = managed_agent(request, agent_id), clock_now()
    form = FederatedForm(sent(request), agent=agent, today=now.date())

    def register() -> HttpResponse:
        data = form.cleaned_data
        register_federated_credential(
            agent_id=agent.pk,
            trusted_issuer_id=form.issuers[data["issuer"]].pk,
            subject=data["subject"],
            claims=data["claims"],
            not_after=form.end(),
            actor=actor_of(request),
            now=now,
        )
        return lead_to_agent(request, agent, "The federated credential is registered.")

    answer = save(form, register) if request.method == "POST" else None
    return answer or render(request, "identity/new_federated.html", {"form": form, "agent": agent}, status=form.status)


@require_POST
@requires(Permission.AGENT_MANAGE)
def revoke_federated(request: HttpRequest, agent_id: str, federated_id: str) -> HttpResponse:
    """Take a federated credential away."""
    agent = get_agent_for(person_of(request), agent_id)
    key = decode(Prefix.FEDERATED, federated_id)
    if not agent.federated_credentials.filter(pk=key).exists():
        raise NotVisible(detail="This agent has no such row.")
    revoke_federated_credential(federated_id=key, actor=actor_of(request), now=clock_now())
    return lead_to_agent(request, agent, "The federated credential is revoked.")
