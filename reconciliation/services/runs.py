"""Runs: started once per company and night, compared by one worker at a time, finished after whatever interrupted them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

from django.contrib.auth.models import User
from django.db import connection, transaction

import audit.services
from gateway.connections import all_connectors
from identity.permissions import Permission, companies_with, require_permission
from kernel.actors import Actor
from kernel.errors import NotVisible
from kernel.queue import wake
from kernel.transitions import advance
from reconciliation.errors import RunInProgress
from reconciliation.events import ReconciliationEvent
from reconciliation.models import Run
from reconciliation.queries import lock_run
from reconciliation.services.comparing import compare
from reconciliation.services.subjects import ACTOR, subject_of_run
from reconciliation.states import RUN_TRANSITIONS, RunScope, RunState

logger = logging.getLogger(__name__)

NIGHTLY = "nightly"
ON_DEMAND = "on_demand"
# A longer gap starts afresh: the next run compares everything since the last one that was completed, so nothing is lost by it.
NIGHTS_MAX = 31
FULL_EVERY = timedelta(days=7)
# What was being written while the last run looked may carry an earlier time than it became visible at.
OVERLAP = timedelta(hours=1)


def start_run(
    *,
    company: str,
    kind: str,
    business_date: date,
    cut_off_at: datetime,
    started_by: User | None,
    actor: Actor,
    now: datetime,
) -> Run:
    """A run is running, or the night's run that exists already is returned as it stands.

    An aborted night is running again. A night that starts twice, late or on two workers is one run.
    """
    with transaction.atomic():
        since = changes_since(company, cut_off_at) if kind == NIGHTLY else None
        run = Run(
            kind=kind,
            company=company,
            business_date=business_date,
            cut_off_at=cut_off_at,
            scope=RunScope.FULL if since is None else RunScope.INCREMENTAL,
            since=since,
            started_by=started_by,
            started_at=now,
        )
        if kind == NIGHTLY:
            Run.objects.bulk_create([run], ignore_conflicts=True)
            run = Run.objects.select_for_update(no_key=True).get(kind=NIGHTLY, company=company, business_date=business_date)
        else:
            run.save(force_insert=True)
        if run.state == RunState.ABORTED:
            advance(run, RunState.RUNNING, transitions=RUN_TRANSITIONS, started_at=now, finished_at=None)
        elif run.state != RunState.RUNNING or run.started_at != now:
            return run
        audit.services.record(
            kind=ReconciliationEvent.STARTED,
            actor=actor,
            subject=subject_of_run(run),
            now=now,
            outcome={"run_kind": kind, "scope": str(run.scope), "business_date": business_date.isoformat()},
        )
    return run


def changes_since(company: str, cut_off_at: datetime) -> datetime | None:
    """Return from when on changes have to be compared up to this cut-off; None when everything has to be.

    Everything, when there is no completed run to build on, and once a week: what was altered in the ERP long after it landed leaves no
    trace that a window of changes could show.
    """
    done = Run.objects.filter(company=company, state=RunState.COMPLETED, cut_off_at__lte=cut_off_at)
    if not done.filter(scope=RunScope.FULL, cut_off_at__gt=cut_off_at - FULL_EVERY).exists():
        return None
    latest: datetime = done.order_by("-cut_off_at").values_list("cut_off_at", flat=True)[0]
    return latest - OVERLAP


def request_run(*, company: str, user: User, actor: Actor, now: datetime) -> Run:
    """A run up to this instant was asked for by a person and is compared by a worker soon.

    Raises PermissionRefused, and NotVisible for a company that is not the person's.
    """
    require_permission(user, Permission.RECONCILIATION_RUN)
    if company not in companies_with(user, Permission.RECONCILIATION_RUN):
        raise NotVisible(detail=f"You have no company {company}.")
    with transaction.atomic():
        run = start_run(company=company, kind=ON_DEMAND, business_date=now.date(), cut_off_at=now, started_by=user, actor=actor, now=now)
        wake("reconciliation_requested", run.public_id)
    return run


def reconcile(*, company: str, now: datetime, kind: str = ON_DEMAND, business_date: date | None = None) -> Run:
    """One company was compared up to the end of the business date, or up to now without one; returns the finished run.

    Raises RunInProgress when another worker compares this company, and what the ERP raises; the run is aborted then.
    """
    with company_lock(company):
        run = start_run(
            company=company,
            kind=kind,
            business_date=business_date or now.date(),
            cut_off_at=end_of(business_date) if business_date else now,
            started_by=None,
            actor=ACTOR,
            now=now,
        )
        return _finished(run, now=now)


def resume_run(*, run: Run, now: datetime) -> Run:
    """A run that was left running was compared to its end, from where it got to; raises as `reconcile` does."""
    with company_lock(run.company):
        run.refresh_from_db()
        return _finished(run, now=now)


def run_nights(*, now: datetime) -> list[Run]:
    """Every company has its run for every night up to yesterday, and no run is left behind; returns the runs compared.

    Calling it again changes nothing. A company that cannot be reached is tried again at the next call.
    """
    finished = []
    for left in Run.objects.filter(state=RunState.RUNNING).order_by("started_at"):
        finished += _attempt(left.company, partial(resume_run, run=left, now=now))
    for company in companies():
        for night in missing_nights(company, now=now):
            finished += _attempt(company, partial(reconcile, company=company, now=now, kind=NIGHTLY, business_date=night))
    return finished


def companies() -> list[str]:
    """Return the company codes of every connection, in order; a connection that does not answer is left out, and said."""
    codes = []
    for connector in all_connectors():
        try:
            codes += [str(row["code"]) for row in connector.companies()]
        except Exception:
            logger.exception("%s did not list its companies", connector.name)
    return sorted(codes)


def missing_nights(company: str, *, now: datetime) -> list[date]:
    """Return the business dates since the last completed night that have no completed run; yesterday alone for a new company."""
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    nights = Run.objects.filter(company=company, kind=NIGHTLY, business_date__lte=yesterday)
    done = set(
        nights.filter(state=RunState.COMPLETED, business_date__gt=yesterday - timedelta(days=NIGHTS_MAX)).values_list(
            "business_date", flat=True
        )
    )
    first = nights.order_by("business_date").values_list("business_date", flat=True).first() or yesterday
    start = max(first, yesterday - timedelta(days=NIGHTS_MAX - 1))
    span = (start + timedelta(days=offset) for offset in range((yesterday - start).days + 1))
    return [night for night in span if night not in done]


def end_of(business_date: date) -> datetime:
    """Return the first instant after a business date, in UTC."""
    return datetime.combine(business_date + timedelta(days=1), time.min, tzinfo=UTC)


@contextmanager
def company_lock(company: str) -> Iterator[None]:
    """Hold the comparison of one company; raises RunInProgress when somebody else does.

    A session lock: it ends with the worker that holds it, so that a run left running is free to be taken up at once.
    """
    key = f"reconciliation:{company}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [key])
        (is_held,) = cursor.fetchone()
    if not is_held:
        raise RunInProgress(detail=f"Another worker is comparing {company}.", data={"company": company})
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [key])


def _attempt(company: str, work: Callable[[], Run]) -> list[Run]:
    try:
        return [work()]
    except RunInProgress:
        return []
    except Exception:
        logger.exception("%s could not be reconciled; it is tried again at the next wake-up", company)
        return []


def _finished(run: Run, *, now: datetime) -> Run:
    if run.state != RunState.RUNNING:
        return run
    try:
        return compare(run=run, now=now)
    except Exception as error:
        with transaction.atomic():
            locked = lock_run(run.pk)
            advance(locked, RunState.ABORTED, transitions=RUN_TRANSITIONS, finished_at=now)
            audit.services.record(
                kind=ReconciliationEvent.ABORTED,
                actor=ACTOR,
                subject=subject_of_run(locked),
                now=now,
                outcome={"status": "aborted", "code": str(getattr(error, "code", type(error).__name__))},
                payload={"detail": str(error)},
            )
        raise
