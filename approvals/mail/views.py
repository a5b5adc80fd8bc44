"""What I am mailed, and for operators the log of every mail."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from approvals.mail.models import Mail, MailPreference
from approvals.mail.services import choose_mails
from approvals.mail.states import MailState
from approvals.mail.texts import SUBJECTS
from identity.console import lead_back, person_of
from identity.permissions import Permission, companies_with, requires
from kernel.clock import now as clock_now
from kernel.display import Tag, Tone, at, counted
from kernel.listing import page_of

STATE_TAGS = {
    MailState.QUEUED: Tag("Queued", Tone.INFO, "clock"),
    MailState.SENT: Tag("Sent", Tone.GOOD, "check"),
    MailState.DROPPED: Tag("Not sent", Tone.PLAIN, "return"),
    MailState.FAILED: Tag("Given up", Tone.BAD, "cross"),
}


class NotificationForm(forms.Form):
    """Two choices."""

    at_once = forms.BooleanField(required=False, label="At once, when something is due soon, of high risk, forwarded or escalated")
    digest = forms.BooleanField(required=False, label="Once a business day, what waits for me")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.PROPOSAL_DECIDE)
def notifications(request: HttpRequest) -> HttpResponse:
    """Show and change what the person is mailed."""
    user = person_of(request)
    if request.method == "POST":
        form = NotificationForm(request.POST)
        form.full_clean()
        choose_mails(user=user, now=clock_now(), **form.cleaned_data)
        return lead_back(request, "Kept.", "approvals:notifications")
    wants = MailPreference.objects.filter(user=user).first() or MailPreference(user=user)
    form = NotificationForm(initial={"at_once": wants.at_once, "digest": wants.digest})
    context = {"form": form, "address": user.email, "is_on": settings.IS_MAIL_ON, "hour": settings.MAIL_DIGEST_HOUR}
    return render(request, "approvals/notifications.html", context)


@require_safe
@requires(Permission.COMMIT_OPERATE)
def mails(request: HttpRequest) -> HttpResponse:
    """List the mails about the operator's companies, newest first."""
    companies = sorted(companies_with(person_of(request), Permission.COMMIT_OPERATE))
    rows = Mail.objects.filter(companies__contained_by=companies).select_related("user").order_by("-created_at")
    page = page_of(rows, request.GET)
    lines = [
        {
            "at": at(mail.created_at),
            "to": mail.user.get_full_name() or mail.user.get_username(),
            "what": f"{SUBJECTS.get(mail.reason, 'Digest')}: {counted(len(mail.proposals), 'proposal', 'proposals')}",
            "state": STATE_TAGS[MailState(mail.state)],
            "attempts": str(mail.attempt_count),
            "detail": mail.detail,
        }
        for mail in page.rows
    ]
    return render(request, "approvals/mails.html", {"page": page.with_rows(lines), "is_on": settings.IS_MAIL_ON})
