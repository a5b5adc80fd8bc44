"""Mails on their way: claimed for a time, checked once more, handed to the mail server, tried again after growing pauses.

At least once: a process that dies after the mail server took a mail sends it again, under the same Message-ID.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import F, Q

from approvals.mail import texts
from approvals.mail.models import Mail, MailPreference
from approvals.mail.preparing import DIGEST_MAX, waiting_for
from approvals.mail.states import MAIL_TRANSITIONS, MailKind, MailState
from approvals.queries.turns import Person
from kernel.ids import Prefix, decode
from kernel.transitions import advance

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
CLAIM_MAX = 50
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 480))
ATTEMPTS_MAX = len(PAUSES) + 1
KEPT = timedelta(days=90)


def send_due(*, now: Callable[[], datetime]) -> int:
    """Every mail that is due was tried once; returns how many were sent."""
    sent = 0
    while claimed := claim_due(now=now()):
        connection = get_connection(fail_silently=False)
        for mail in claimed:
            sent += _send(mail, connection, now())
        connection.close()
    return sent


def claim_due(*, now: datetime) -> list[Mail]:
    """Return up to fifty mails that are due, each claimed for five minutes, its attempt counted before it is made."""
    free = Q(leased_until__isnull=True) | Q(leased_until__lte=now)
    with transaction.atomic():
        due = Mail.objects.select_for_update(skip_locked=True, of=("self",)).filter(free, state=MailState.QUEUED, next_at__lte=now)
        found = list(due.select_related("user").order_by("next_at", "pk")[:CLAIM_MAX])
        keys = [mail.pk for mail in found]
        Mail.objects.filter(pk__in=keys).update(leased_until=now + LEASE, attempt_count=F("attempt_count") + 1)
    for mail in found:
        mail.attempt_count += 1
    return found


def forget_old(*, now: datetime) -> int:
    """What ended more than ninety days ago is no longer in the log; returns how many rows there were."""
    deleted, _ = Mail.objects.filter(finished_at__lt=now - KEPT).delete()
    return deleted


def is_due(*, now: datetime) -> bool:
    """Return whether a mail waits to be sent."""
    free = Q(leased_until__isnull=True) | Q(leased_until__lte=now)
    return Mail.objects.filter(free, state=MailState.QUEUED, next_at__lte=now).exists()


def _send(mail: Mail, connection: BaseEmailBackend, now: datetime) -> int:
    text = _text_of(mail, now)
    if text is None:
        _finish(mail, MailState.DROPPED, now, detail="It was no longer this person's turn, or they want no such mail.")
        return 0
    message = EmailMessage(
        subject=text.subject,
        body=text.body,
        from_email=settings.MAIL_FROM,
        to=[mail.user.email],
        connection=connection,
        headers={
            "Message-ID": f"<{mail.pk}@{settings.MAIL_FROM.rpartition('@')[2].strip('> ') or 'countersign'}>",
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        },
    )
    try:
        message.send(fail_silently=False)
    except (SMTPException, OSError, ValueError) as error:
        _failed(mail, error, now)
        return 0
    _finish(mail, MailState.SENT, now, subject=text.subject[:200])
    return 1


def _text_of(mail: Mail, now: datetime) -> texts.Text | None:
    """Return what is to be said now, or None when there is nothing to say any more: it has been decided, snoozed, given away."""
    wants = MailPreference.objects.filter(user=mail.user).first() or MailPreference(user=mail.user)
    if not mail.user.is_active or not mail.user.email or not (wants.at_once if mail.kind == MailKind.NOW else wants.digest):
        return None
    waiting = waiting_for(Person(mail.user, now)).select_related("agent").defer("action_bytes", "payload", "preconditions")
    if mail.kind == MailKind.DIGEST:
        total = waiting.count()
        rows = [(proposal, vars(proposal)["due_at"]) for proposal in waiting[:DIGEST_MAX]]
        return texts.digest(rows, total=total) if rows else None
    found = waiting.filter(pk__in=[decode(Prefix.PROPOSAL, key) for key in mail.proposals]).first()
    return None if found is None else texts.at_once(found, reason=mail.reason, due_at=vars(found)["due_at"])


def _failed(mail: Mail, error: Exception, now: datetime) -> None:
    # What a mail server answers may hold the address; the log keeps the kind of error and its first words.
    detail = f"{type(error).__name__}: {error}"[:300]
    if mail.attempt_count >= ATTEMPTS_MAX:
        logger.warning("a mail was given up after %s attempts: %s", mail.attempt_count, type(error).__name__)
        _finish(mail, MailState.FAILED, now, detail=detail)
        return
    pause = PAUSES[mail.attempt_count - 1]
    Mail.objects.filter(pk=mail.pk, state=MailState.QUEUED).update(next_at=now + pause, leased_until=None, detail=detail)


def _finish(mail: Mail, to: MailState, now: datetime, *, subject: str = "", detail: str = "") -> None:
    advance(mail, to, transitions=MAIL_TRANSITIONS, finished_at=now, leased_until=None, subject=subject, detail=detail)
