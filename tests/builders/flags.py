"""Thresholds for tests: a company whose flags do not depend on the day on which a test runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time

from django.contrib.auth.models import User

from approvals.calendars.models import BusinessCalendar
from approvals.flags.models import ThresholdSet
from approvals.flags.services import activate_thresholds, propose_thresholds
from kernel.actors import Actor
from kernel.clock import now as clock_now
from tests.builders.identity import COMPANY

# Under these no rule about dates can strike.
ANY_DAY = {"period_end_days": "0", "back_days": "100000", "future_days": "100000", "close_grace_days": "100000"}


def thresholds(values: Mapping[str, str], *, author: User, activator: User, company: str = COMPANY) -> ThresholdSet:
    """Return these thresholds in force, written by one controller and activated by another."""
    now = clock_now()
    made = propose_thresholds(company=company, values=values, reason="For tests", user=author, actor=Actor.human(author.pk), now=now)
    return activate_thresholds(company=company, version=made.version, user=activator, actor=Actor.human(activator.pk), now=now)


def calm(*, author: User, activator: User, company: str = COMPANY) -> None:
    """Make a company work every day, and never hold a date against a write: what a test flags is then what it means to."""
    BusinessCalendar.objects.create(
        company=company, weekend=[], opens_at=time(0), closes_at=time(23, 59, 59), updated_at=clock_now(), updated_by=author
    )
    thresholds(ANY_DAY, author=author, activator=activator, company=company)
