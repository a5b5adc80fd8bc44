"""Oversight for those who may see it, second reviews for those who were drawn, and what a read had answered."""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from approvals.oversight import services
from approvals.oversight.models import Review
from approvals.oversight.pages import PERIODS, oversight_page
from approvals.oversight.states import Verdict
from approvals.pages.checks import check_lines
from approvals.pages.proposal import budget_meter, lines_of
from identity.actors import actor_of
from identity.console import lead_back, person_of
from identity.forms import Refusable
from identity.permissions import Permission, companies_with, requires
from kernel.canonical import parse_json, to_json_text
from kernel.clock import now as clock_now
from kernel.display import ago, at
from kernel.errors import ValidationFailed
from kernel.ids import Prefix, decode


class ReviewForm(Refusable):
    """What the second person would have decided."""

    verdict = forms.ChoiceField(label="What would you have decided?", choices=Verdict.choices, widget=forms.RadioSelect)
    comment = forms.CharField(
        label="Why",
        required=False,
        max_length=services.COMMENT_LENGTH_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Needed unless you would approve.",
    )


@require_safe
@requires(Permission.OVERSIGHT_READ)
def oversight(request: HttpRequest) -> HttpResponse:
    """Show how people decide."""
    companies = companies_with(person_of(request), Permission.OVERSIGHT_READ)
    asked = request.GET.get("days", "")
    days = next((number for number in PERIODS if str(number) == asked), PERIODS[1])
    page = oversight_page(companies=companies, days=days, now=clock_now())
    services.record_look(companies=companies, days=days, actor=actor_of(request), now=clock_now())
    return render(request, "approvals/oversight.html", {"page": page})


@require_safe
@requires(Permission.PROPOSAL_DECIDE)
def reviews(request: HttpRequest) -> HttpResponse:
    """List the second reviews that wait for this person, and those they gave."""
    user, now = person_of(request), clock_now()
    rows = Review.objects.filter(reviewer=user).select_related("proposal").order_by("created_at")
    waiting = [_line(row, now) for row in rows.filter(verdict="")[:100]]
    given = [_line(row, now) for row in rows.exclude(verdict="").order_by("-reviewed_at")[:20]]
    return render(request, "approvals/reviews.html", {"waiting": waiting, "given": given})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.PROPOSAL_DECIDE)
def review(request: HttpRequest, review_id: str) -> HttpResponse:
    """Show one proposal as it was decided on, without the decision, and take the second person's word."""
    user, now, key = person_of(request), clock_now(), decode(Prefix.REVIEW, review_id)
    form = ReviewForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            services.give_review(user=user, review_id=key, actor=actor_of(request), now=now, **form.cleaned_data)
        except ValidationFailed as error:
            form.refuse(error)
        else:
            return lead_back(request, "Thank you. The first decision is not affected.", "approvals:reviews")
    found = services.open_review(user=user, review_id=key, now=now)
    return render(request, "approvals/review.html", {"form": form, "page": _page(found)}, status=form.status)


@require_safe
@requires(Permission.PROPOSAL_READ)
def read(request: HttpRequest, proposal_id: str, read_id: str) -> HttpResponse:
    """Show what a read that the proposal cites had answered; that it was opened is kept."""
    key = decode(Prefix.READ, read_id)
    found = services.open_evidence(user=person_of(request), proposal_id=proposal_id, read_id=key, actor=actor_of(request), now=clock_now())
    facts = [
        ("Read", found.tool),
        *((str(name), str(value)) for name, value in sorted(found.arguments.items())),
        ("As of", at(found.as_of)),
        ("Digest", found.result_digest),
    ]
    context = {
        "facts": facts,
        "tool": found.tool,
        "result": to_json_text(parse_json(bytes(found.result_bytes))),
        "proposal_url": reverse("approvals:proposal", args=[proposal_id]),
        "proposal_id": proposal_id,
    }
    template = "approvals/read_answer.html" if getattr(request, "htmx", False) else "approvals/read.html"
    return render(request, template, context)


def _line(row: Review, now: datetime) -> dict[str, object]:
    return {
        "url": "" if row.verdict else reverse("approvals:review", args=[row.public_id]),
        "headline": row.proposal.headline,
        "company": row.proposal.company,
        "at": ago(row.reviewed_at or row.created_at, now),
        "verdict": Verdict(row.verdict).label if row.verdict else "",
    }


def _page(found: Review) -> dict[str, object]:
    """Return the facts of the page that was decided on; nothing of who decided what."""
    facts = found.presentation.facts
    return {
        "url": reverse("approvals:review", args=[found.public_id]),
        "headline": found.proposal.headline,
        "company": found.proposal.company,
        "amount": str(found.proposal.amount),
        "facts": [(str(label), str(value)) for label, value in facts.get("facts", [])],
        "table": lines_of(facts.get("table")),
        "budget": budget_meter(facts.get("budget")),
        "checks": check_lines(facts, ()),
        "rationale": facts["rationale"]["text"],
        "is_given": bool(found.verdict),
    }
