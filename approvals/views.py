"""The approvers' door: inbox, proposal page, decision, policies. Rules live in services; a view carries things across."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from approvals import services, stepup
from approvals.errors import StalePage, StalePayload, StepUpRequired
from approvals.forms import DecisionForm, open_shown, seal_shown
from approvals.matrix.pages import in_flight_text
from approvals.models import Decision, Policy
from approvals.oversight.queries import review_waiting
from approvals.pages.discussion import discussion_of
from approvals.pages.inbox import inbox_page
from approvals.pages.listing import proposals_page
from approvals.pages.outcome import outcome_panel
from approvals.pages.policies import policy_line, policy_page, versions
from approvals.pages.proposal import field_label, proposal_page, waits_for
from approvals.pages.step_up import step_up_panel
from approvals.pages.words import DECIDED_THIS, outcome_of, status_tag
from approvals.queries import route_view
from approvals.services import Shown
from approvals.services.strength import PURPOSE
from approvals.states import PolicyState
from approvals.work.pages import hands_panel
from approvals.work.services import note_looking
from audit.records import Subject
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.permissions import Permission, has_permission, requires
from kernel.clock import now as clock_now
from kernel.errors import ValidationFailed
from kernel.ids import Prefix, decode
from kernel.listing import page_of
from proposals.queries import get_proposal_for_person
from proposals.subjects import subject_of

STOP_POLLING = 286


@require_safe
@requires(Permission.PROPOSAL_READ)
def inbox(request: HttpRequest) -> HttpResponse:
    """Show what waits, for whom."""
    return render(request, "approvals/inbox.html", {"page": inbox_page(person_of(request), request.GET, clock_now())})


@require_safe
@requires(Permission.PROPOSAL_READ)
def proposals(request: HttpRequest) -> HttpResponse:
    """List every proposal of the person's companies, newest first, whoever has to decide."""
    return render(request, "approvals/proposals.html", {"page": proposals_page(person_of(request), request.GET, clock_now())})


@require_safe
@requires(Permission.PROPOSAL_READ)
def proposal(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Show one proposal and, when it is open to this person, the three buttons; whoever is to review it blindly does that first."""
    blind = review_waiting(person_of(request), proposal_id)
    if blind is not None:
        messages.info(request, "This was drawn for your second review. Say first what you would have decided.")
        return redirect("approvals:review", blind.public_id)
    return _proposal_page(request, proposal_id)


@require_safe
@requires(Permission.PROPOSAL_READ)
def progress(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Show where the proposal stands now: the panel that the page fetches again until nothing more can happen."""
    now = clock_now()
    found = get_proposal_for_person(person_of(request), proposal_id)
    panel = outcome_panel(found, waits_for=waits_for(route_view(found, person_of(request), now)), now=now)
    page = {
        "url": reverse("approvals:proposal", args=[proposal_id]),
        "progress_url": reverse("approvals:progress", args=[proposal_id]),
        "status": status_tag(found, outcome_of(found)),
        "outcome": panel,
    }
    return render(request, "approvals/progress.html", {"page": page}, status=200 if panel.poll_seconds else STOP_POLLING)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.PROPOSAL_DECIDE)
def decide(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Record one decision on exactly what was shown, and lead back to the page."""
    if request.method != "POST":
        # The session ended before a decision arrived, and signing in has led here. Looking never decides.
        messages.warning(request, "You were signed out before your decision arrived. Nothing was recorded: decide again.")
        return redirect("approvals:proposal", proposal_id)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _proposal_page(request, proposal_id, form)
    now = clock_now()
    shown_at = open_shown(form.cleaned_data["shown_at"], proposal_id=proposal_id, user_id=person_of(request).pk)
    try:
        made = _decided(request, proposal_id, form, shown_at, now)
    except StepUpRequired:
        return _step_up(request, proposal_id, form, shown_at or now)
    except ValidationFailed as error:
        form.refuse(error)
        return _proposal_page(request, proposal_id, form)
    except (StalePage, StalePayload) as error:
        return _stale(request, proposal_id, error)
    said = f"You {DECIDED_THIS[made.kind]} this proposal. Your decision is in the audit log."
    return lead_back(request, said, "approvals:proposal", proposal_id)


def _decided(request: HttpRequest, proposal_id: str, form: DecisionForm, shown_at: datetime | None, now: datetime) -> Decision:
    actor = actor_of(request)
    return services.decide(
        user=person_of(request),
        proposal_id=proposal_id,
        shown_at=shown_at,
        actor=actor,
        authentication=actor.authentication,
        factors=stepup.factors_of(request),
        answer=form.answer(),
        now=now,
        **form.values(),
    )


@require_safe
@requires(Permission.POLICY_READ)
def policies(request: HttpRequest) -> HttpResponse:
    """List the versions of the authority matrix."""
    page = page_of([policy_line(policy) for policy in versions()], request.GET)
    active = Policy.objects.filter(state=PolicyState.ACTIVE).first()
    user = person_of(request)
    context = {
        "page": page,
        "summary": f"Version {active.version} is active." if active else "No version is active: every write is refused as unroutable.",
        "in_flight": in_flight_text(user, clock_now()),
        "may_edit": has_permission(user, Permission.POLICY_EDIT),
    }
    return render(request, "approvals/policies.html", context)


@require_safe
@requires(Permission.POLICY_READ)
def policy(request: HttpRequest, policy_id: str) -> HttpResponse:
    """Show the matrix of one version."""
    found = get_object_or_404(versions(), pk=decode(Prefix.POLICY, policy_id))
    return render(request, "approvals/policy.html", {"page": policy_page(found, person_of(request))})


@require_POST
@requires(Permission.POLICY_EDIT)
def submit_policy(request: HttpRequest, policy_id: str) -> HttpResponse:
    """Put a draft into review."""
    key = decode(Prefix.POLICY, policy_id)
    services.submit_policy(policy_id=key, user=person_of(request), actor=actor_of(request), now=clock_now())
    return lead_back(request, "Submitted. Its text is fixed; a second person activates it.", "approvals:policy", policy_id)


@require_POST
@requires(Permission.POLICY_ACTIVATE)
def activate_policy(request: HttpRequest, policy_id: str) -> HttpResponse:
    """Activate a reviewed version as its second person."""
    key, now = decode(Prefix.POLICY, policy_id), clock_now()
    try:
        services.activate_policy(
            policy_id=key, user=person_of(request), actor=actor_of(request), now=now, factors=stepup.factors_of(request)
        )
    except StepUpRequired as error:
        back, digest = reverse("approvals:policy", args=[policy_id]), str(error.data["subject"])
        return stepup.ask(request, purpose="policy", subject=digest, shown_at=now, back=back, about=Subject("policy", policy_id))
    return lead_back(request, "Active. Proposals submitted from now on are routed by it.", "approvals:policy", policy_id)


def _proposal_page(request: HttpRequest, proposal_id: str, form: DecisionForm | None = None) -> HttpResponse:
    now, user = clock_now(), person_of(request)
    shown = services.show(user=user, proposal_id=proposal_id, now=now, actor=actor_of(request))
    panel = step_up_panel(shown, user, stepup.factors_of(request), now)
    form = _form(shown, user, form, panel.draft if panel else {})
    note_looking(user=user, proposal=shown.proposal, now=now)
    context = {
        "page": proposal_page(shown, user, now),
        "form": form,
        "step_up": panel,
        "discussion": discussion_of(shown, user, now),
        "hands": hands_panel(shown, user, now),
    }
    return render(request, "approvals/proposal.html", context, status=422 if form.is_bound else 200)


def _step_up(request: HttpRequest, proposal_id: str, form: DecisionForm, shown_at: datetime) -> HttpResponse:
    """Lead to the second factor; what was pressed and typed waits for the person on the page they come back to."""
    values = form.values()
    return stepup.ask(
        request,
        purpose=PURPOSE,
        subject=values["presentation_digest"],
        shown_at=shown_at,
        back=reverse("approvals:proposal", args=[proposal_id]),
        about=subject_of(get_proposal_for_person(person_of(request), proposal_id)),
        draft={name: values[name] for name in ("kind", "reason_code", "comment")},
    )


def _form(shown: Shown, user: User, sent: DecisionForm | None, draft: Mapping[str, str]) -> DecisionForm:
    """Return the form of exactly this page; what was typed is kept, the digests and the instant are those shown now."""
    sealed = seal_shown(proposal_id=shown.proposal.public_id, user_id=user.pk, shown_at=shown.shown_at)
    digests = {
        "payload_digest": shown.payload_digest,
        "presentation_digest": shown.presentation_digest,
        "shown_at": sealed,
    }
    if sent is None:
        return DecisionForm(initial={**draft, **digests})
    # A signature is over what was sent, once; the next press signs anew.
    sent.data = {**{name: sent.data.get(name, "") for name in sent.fields}, **digests, "ceremony": "", "credential": ""}
    return sent


def _stale(request: HttpRequest, proposal_id: str, error: StalePage | StalePayload) -> HttpResponse:
    found = error.data.get("changes")
    listed = found if isinstance(found, list) else []
    changes = [{**item, "label": field_label(item["label"]) if "." in item["label"] else item["label"]} for item in listed]
    context = {"error": error, "changes": changes, "proposal_url": reverse("approvals:proposal", args=[proposal_id])}
    return render(request, "approvals/stale.html", context, status=409)
