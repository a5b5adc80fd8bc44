"""The states of a mail and what it is about."""

from __future__ import annotations

from django.db.models import TextChoices

from kernel.transitions import Transitions


class MailKind(TextChoices):
    """At once for one proposal, or what waits in one mail a day."""

    NOW = "now", "At once"
    DIGEST = "digest", "Digest"


class MailState(TextChoices):
    """A mail waits, is handed to the mail server, was no longer wanted, or was given up."""

    QUEUED = "queued", "Queued"
    SENT = "sent", "Sent"
    DROPPED = "dropped", "Not sent"
    FAILED = "failed", "Given up"


MAIL_TRANSITIONS: Transitions = {
    MailState.QUEUED: frozenset({MailState.SENT, MailState.DROPPED, MailState.FAILED}),
    MailState.SENT: frozenset(),
    MailState.DROPPED: frozenset(),
    MailState.FAILED: frozenset(),
}
