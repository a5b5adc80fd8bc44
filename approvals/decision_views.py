"""What surrounds a decision: the passkey's challenge, the way to a second factor, comments, attachments, pages as they were shown."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import content_disposition_header, url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.http import require_POST, require_safe

from approvals.forms import DecisionForm
from approvals.models import Presentation
from approvals.renderers import UnknownRenderer
from approvals.renderers import render as render_page
from approvals.services import discussion
from approvals.services.signing_decisions import begin_signature
from approvals.stepup import ENROL_NEXT, must_sign_in_again, way_of
from approvals.uploads import REQUEST_SIZE_MAX, download_name, is_too_long
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.permissions import Permission, requires
from kernel.clock import now as clock_now
from kernel.errors import DomainError, FieldError, ValidationFailed
from proposals.queries import get_proposal_for_person

DOWNLOAD_POLICY = "sandbox; default-src 'none'"
# Beside the policy that stands in the page itself and allows its one style.
PAGE_POLICY = "sandbox; script-src 'none'; frame-ancestors 'none'"


@require_POST
@requires(Permission.PROPOSAL_DECIDE)
def sign(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Answer the challenge for exactly the decision that the form is about to send; a refusal is a sentence."""
    get_proposal_for_person(person_of(request), proposal_id)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"detail": "The form is not complete."}, status=422)
    values = form.values()
    wanted = {name: values[name] for name in ("kind", "presentation_digest", "reason_code", "comment")}
    try:
        begun = begin_signature(user=person_of(request), proposal_id=proposal_id, now=clock_now(), **wanted)
    except DomainError as error:
        return JsonResponse({"detail": error.detail or error.title, "code": error.code}, status=error.status.value)
    return JsonResponse({"ceremony": begun.ceremony, "publicKey": begun.options})


@require_safe
@requires(Permission.PROPOSAL_READ)
def second_factor(request: HttpRequest) -> HttpResponse:
    """Say why a second factor is needed and how to get one; with one, lead to it."""
    wanted = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    back = wanted if is_ours else reverse("approvals:inbox")
    request.session[ENROL_NEXT] = back
    context = {
        "back": back,
        "is_enrolled": way_of(request) != "approvals:second_factor",
        "has_password": person_of(request).has_usable_password(),
        "must_sign_in_again": must_sign_in_again(request),
        "here": f"{request.path}?{urlencode({'next': back})}",
    }
    return render(request, "approvals/second_factor.html", context)


@require_POST
@requires(Permission.PROPOSAL_COMMENT)
def comment(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Add a comment and lead back to it."""
    text = request.POST.get("text", "")
    discussion.comment(user=person_of(request), proposal_id=proposal_id, text=text, actor=actor_of(request), now=clock_now())
    return lead_back(request, "Your comment stands beside the proposal.", "approvals:proposal", proposal_id)


@require_POST
@requires(Permission.PROPOSAL_COMMENT)
def attach(request: HttpRequest, proposal_id: str) -> HttpResponse:
    """Attach a file and lead back to the page, which is another page from now on."""
    get_proposal_for_person(person_of(request), proposal_id)
    upload = request.FILES.get("file")
    if upload is None or is_too_long(request):
        found = "no file" if upload is None else f"more than {REQUEST_SIZE_MAX:,} bytes"
        raise ValidationFailed(detail=f"There was {found} in the form.", errors=(FieldError("/file", found, discussion.TYPES_IN_WORDS),))
    name, content = upload.name or "", upload.read()
    discussion.attach(
        user=person_of(request), proposal_id=proposal_id, name=name, content=content, actor=actor_of(request), now=clock_now()
    )
    return lead_back(request, "Attached. Whoever has the page open will be shown it anew.", "approvals:proposal", proposal_id)


@require_safe
@requires(Permission.PROPOSAL_READ)
def attachment(request: HttpRequest, proposal_id: str, attachment_id: str) -> HttpResponse:
    """Send the file to be saved, never to be opened inside the console; who took it is on record."""
    found = discussion.fetch(
        user=person_of(request), proposal_id=proposal_id, attachment_id=attachment_id, actor=actor_of(request), now=clock_now()
    )
    response = HttpResponse(bytes(found.content), content_type="application/octet-stream")
    name = download_name(found.name, found.media_type)
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or "attachment"
    response["Content-Security-Policy"] = DOWNLOAD_POLICY
    response["Cache-Control"] = "private, no-store"
    return response


@require_safe
@requires(Permission.PROPOSAL_READ)
def as_shown(request: HttpRequest, proposal_id: str, digest: str) -> HttpResponse:
    """Show a page as it was shown, made again from its stored facts; the page carries its own policy, stricter than the console's."""
    found = get_proposal_for_person(person_of(request), proposal_id)
    kept = Presentation.objects.filter(proposal=found, digest=f"sha256:{digest}").first()
    if kept is None:
        raise Http404
    try:
        page = render_page(bytes(kept.stored_bytes))
    except UnknownRenderer as error:
        raise Http404 from error
    response = HttpResponse(page)
    response["Content-Security-Policy"] = PAGE_POLICY
    return response
