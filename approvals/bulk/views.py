"""Picked in the inbox, shown as one set, approved by one decision, told one by one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from approvals import stepup
from approvals.bulk import services
from approvals.bulk.errors import NothingToApprove
from approvals.bulk.forms import ConfirmForm
from approvals.bulk.models import Bulk
from approvals.bulk.pages import bulk_page, excluded_lines
from approvals.bulk.services import STEP_UP_PURPOSE
from approvals.errors import StepUpRequired
from audit.records import Subject
from identity.actors import actor_of
from identity.console import person_of
from identity.passkeys import has_passkey
from identity.permissions import Permission, requires
from kernel.clock import now as clock_now
from kernel.errors import DomainError, NotVisible, ValidationFailed
from kernel.ids import Prefix, decode


@require_POST
@requires(Permission.PROPOSAL_DECIDE)
def prepare(request: HttpRequest) -> HttpResponse:
    """Fix what was picked and lead to the page that shows it; nothing is decided."""
    user, ids = person_of(request), request.POST.getlist("proposal")
    try:
        bulk = services.prepare(user=user, proposal_ids=ids, actor=actor_of(request), now=clock_now())
    except NothingToApprove as error:
        context = {"error": error, "excluded": excluded_lines(error.data.get("excluded"))}
        return render(request, "approvals/bulk_nothing.html", context, status=422)
    except ValidationFailed as error:
        return render(request, "approvals/bulk_nothing.html", {"error": error, "excluded": []}, status=422)
    return redirect("approvals:bulk_set", bulk.public_id)


@require_safe
@requires(Permission.PROPOSAL_DECIDE)
def bulk_set(request: HttpRequest, bulk_id: str) -> HttpResponse:
    """Show the set: what would be approved and the button, or what came of each."""
    bulk = _own(request, bulk_id)
    return render(request, "approvals/bulk.html", _context(request, bulk))


@require_POST
@requires(Permission.PROPOSAL_DECIDE)
def confirm(request: HttpRequest, bulk_id: str) -> HttpResponse:
    """Approve the set as it was shown, and lead to the results."""
    bulk, form = _own(request, bulk_id), ConfirmForm(request.POST)
    actor = actor_of(request)
    back = reverse("approvals:bulk_set", args=[bulk.public_id])
    if not form.is_valid():
        return render(request, "approvals/bulk.html", _context(request, bulk), status=422)
    try:
        services.confirm(
            user=person_of(request),
            bulk_id=bulk.pk,
            set_digest=form.cleaned_data["set_digest"],
            actor=actor,
            authentication=actor.authentication,
            factors=stepup.factors_of(request),
            answer=form.answer(),
            now=clock_now(),
        )
    except StepUpRequired:
        about = Subject(kind="bulk", id=bulk.public_id)
        shown_at, subject = bulk.prepared_at, bulk.set_digest
        return stepup.ask(request, purpose=STEP_UP_PURPOSE, subject=subject, shown_at=shown_at, back=back, about=about)
    return redirect(back)


@require_POST
@requires(Permission.PROPOSAL_DECIDE)
def sign(request: HttpRequest, bulk_id: str) -> HttpResponse:
    """Answer the challenge for the passkey over the set; a refusal is a sentence."""
    try:
        begun = services.begin_signature(user=person_of(request), bulk_id=_own(request, bulk_id).pk, now=clock_now())
    except DomainError as error:
        return JsonResponse({"detail": error.detail or error.title, "code": error.code}, status=error.status.value)
    return JsonResponse({"ceremony": begun.ceremony, "publicKey": begun.options})


def _own(request: HttpRequest, bulk_id: str) -> Bulk:
    """Return the set if it is this person's: nobody else may know of it."""
    found = Bulk.objects.select_related("group").filter(pk=decode(Prefix.BULK, bulk_id), user=person_of(request)).first()
    if found is None:
        raise NotVisible(detail="There is no such set of yours.")
    return found


def _context(request: HttpRequest, bulk: Bulk) -> dict[str, object]:
    has_code = stepup.way_of(request) == "mfa_reauthenticate"
    return {"page": bulk_page(bulk, clock_now()), "has_passkey": has_passkey(person_of(request)), "has_code": has_code}
