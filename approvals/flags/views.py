"""The thresholds of the rules J1-J17: what is in force where, and a new version by two controllers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from approvals.flags import pages
from approvals.flags.queries import thresholds_in_force
from approvals.flags.services import activate_thresholds, propose_thresholds
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.permissions import Permission, companies_with, requires
from kernel.clock import now as clock_now

VALUE_MAX = 4_000


@require_safe
@requires(Permission.POLICY_READ)
def thresholds(request: HttpRequest) -> HttpResponse:
    """Show the rules, the thresholds of one company, its versions, and the form of a new one."""
    person = person_of(request)
    readable, writable = companies_with(person, Permission.POLICY_READ), companies_with(person, Permission.POLICY_EDIT)
    asked = request.GET.get("company", "").strip()[:12]
    company = asked if asked in readable else min(writable or readable, default="")
    found = thresholds_in_force([company])[company]
    context = {
        "company": company,
        "companies": sorted(readable),
        "version": found.version,
        "rules": pages.rule_lines(found.thresholds),
        "fields": pages.fields(found.thresholds),
        "versions": pages.version_lines(company, person),
        "may_write": company in writable,
    }
    return render(request, "approvals/thresholds.html", context)


@require_POST
@requires(Permission.POLICY_EDIT)
def propose(request: HttpRequest) -> HttpResponse:
    """Write a new version, for a second person to activate."""
    made = propose_thresholds(
        company=request.POST.get("company", "").strip()[:12],
        values={name: request.POST[name][:VALUE_MAX] for name in pages.SETTABLE if name in request.POST},
        reason=request.POST.get("reason", "").replace("\0", "")[:600],
        user=person_of(request),
        actor=actor_of(request),
        now=clock_now(),
    )
    return lead_back(request, f"Version {made.version} waits for a second person.", "approvals:thresholds")


@require_POST
@requires(Permission.POLICY_ACTIVATE)
def activate(request: HttpRequest, version: int) -> HttpResponse:
    """Put a version in force for what is submitted from now on."""
    company = request.POST.get("company", "").strip()[:12]
    made = activate_thresholds(company=company, version=version, user=person_of(request), actor=actor_of(request), now=clock_now())
    return lead_back(request, f"Version {made.version} is in force for {company or 'every company'}.", "approvals:thresholds")
