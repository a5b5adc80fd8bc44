"""Background work of the gate: wake-ups of the bulk cluster, each harmless to repeat and made up for when it was missed."""

from __future__ import annotations

import logging

from django.conf import settings

from approvals.calendars import services as calendars
from approvals.mail import preparing, sending
from approvals.matrix.importing import import_rates as take_over
from approvals.oversight import services as oversight
from approvals.work import services as work
from gateway.reference_rates import fetch
from kernel.clock import now
from kernel.context import Origin, origin
from kernel.errors import DomainError

logger = logging.getLogger(__name__)

ESCALATE_LIMIT = 500


def escalate_overdue(*_ids: str) -> int:
    """Open steps that are overdue ask their fallback group as well; returns how many. Scheduled every minute."""
    total = 0
    with origin(Origin(channel="task")):
        while escalated := calendars.escalate_overdue(now=now(), limit=ESCALATE_LIMIT):
            total += escalated
    return total


def mail(*_ids: str) -> int:
    """Whoever has something to be told is mailed; returns how many mails were sent. Woken by changes of turn, and every minute."""
    if not settings.IS_MAIL_ON:
        return 0
    with origin(Origin(channel="task")):
        preparing.prepare_mails(now=now())
        sending.forget_old(now=now())
        return sending.send_due(now=now)


def draw_reviews() -> int:
    """Every day that is over has its sample for the blind second review; returns how many reviews are new. Scheduled every hour."""
    with origin(Origin(channel="task")):
        work.forget_looking(now=now())
        return oversight.draw_due(now=now())


def import_rates() -> int:
    """Published exchange rates stand as the configured source has them; returns how many are new. Scheduled every hour.

    A source that does not answer, or answers nonsense, leaves the rates as they are; they grow old, and then the gate refuses.
    """
    if not settings.RATES_URL:
        return 0
    with origin(Origin(channel="task")):
        try:
            found = take_over(content=fetch(settings.RATES_URL), source=settings.RATES_SOURCE, now=now())
        except DomainError as error:
            logger.warning("exchange rates were not imported: %s", error.detail or error.title)
            return 0
    return found.made.count if found.made else 0
