"""Around a decision: delegations, calendars, notifications, the mail log, a set to approve together, second reviews, oversight."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.test import override_settings

from approvals.bulk.models import Bulk, BulkItem
from approvals.bulk.policies import Kind
from approvals.bulk.sets import SetItem, digest_of_set
from approvals.delegation.services import Scope, delegate
from approvals.mail.models import Mail
from approvals.mail.states import MailKind, MailState
from approvals.models import Presentation
from approvals.oversight.models import Review
from approvals.oversight.services import draw
from approvals.services import show
from kernel.actors import Actor
from kernel.clock import now
from kernel.ids import new_id
from tests.browser.sweep import Stop
from tests.builders.console import LARGE_ORDER, Installation


def pages(installation: Installation) -> Iterator[Stop]:
    """Yield them with something on each."""
    _delegation(installation)
    _mails(installation)
    yield "maria", "/delegations/", "work-delegations"
    yield "maria", "/calendars/", "work-calendars"
    yield "ruth", "/calendars/DE01/", "work-calendar"
    yield "maria", "/notifications/", "work-notifications"
    yield "ines", "/mails/", "work-mail-log"
    yield "maria", f"/bulk/{_bulk(installation).public_id}/", "work-bulk"
    yield "ruth", "/oversight/", "work-oversight"
    review = _review(installation)
    yield review.reviewer.username, "/reviews/", "work-second-reviews"  # type: ignore[union-attr]
    yield review.reviewer.username, f"/reviews/{review.public_id}/", "work-second-review"  # type: ignore[union-attr]


def _delegation(installation: Installation) -> None:
    maria, jonas, at = installation.person("maria"), installation.person("jonas"), now()
    delegate(
        user=maria,
        to_user_id=jonas.pk,
        scope=Scope(companies=("DE01",), tools=("post_journal_entry",)),
        starts_at=at + timedelta(days=3),
        ends_at=at + timedelta(days=10),
        note="Away for a week",
        actor=Actor.human(maria.pk),
        now=at,
    )


def _mails(installation: Installation) -> None:
    maria, large, at = installation.person("maria"), installation.proposal(LARGE_ORDER), now()
    for number, state in enumerate((MailState.QUEUED, MailState.SENT, MailState.FAILED)):
        Mail.objects.create(
            id=new_id(),
            user=maria,
            kind=MailKind.NOW,
            reason="due_soon",
            key=f"sweep:{number}",
            companies=["DE01"],
            proposals=[large.public_id],
            state=state,
            attempt_count=number,
            detail="SMTPServerDisconnected: gone" if state == MailState.FAILED else "",
            next_at=at,
            created_at=at,
            finished_at=None if state == MailState.QUEUED else at,
        )


def _bulk(installation: Installation) -> Bulk:
    """Return a set of one, made past the policy, which allows none: the page is the same."""
    maria, large, at = installation.person("maria"), installation.proposal(LARGE_ORDER), now()
    shown = show(user=maria, proposal_id=large.public_id, now=at)
    step = shown.found.step
    assert step is not None
    kind = Kind(large.tool, step.group.code, step.position)
    bulk = Bulk.objects.create(
        user=maria,
        tool=large.tool,
        group=step.group,
        position=step.position,
        set_digest=digest_of_set(kind, [SetItem(large.public_id, shown.payload_digest, shown.presentation_digest, large.amount)]),
        excluded=[{"proposal": large.public_id, "code": "over_bulk_cap", "reason": "The policy allows bulk approval up to 5,000.00 EUR."}],
        prepared_at=at,
        valid_until=at + timedelta(minutes=15),
    )
    BulkItem.objects.create(
        bulk=bulk,
        position=1,
        proposal=large,
        presentation=Presentation.objects.get(proposal=large, digest=shown.presentation_digest),
        payload_digest=shown.payload_digest,
        amount_minor=large.amount_minor,
        currency=large.currency,
    )
    return bulk


def _review(installation: Installation) -> Review:
    """Return the review of the approved order, drawn before its day is over."""
    with override_settings(REVIEW_SHARE_PERMILLE=1000):
        draw(company="DE01", on=now().date(), now=now())
    return Review.objects.filter(reviewer__isnull=False)[0]
