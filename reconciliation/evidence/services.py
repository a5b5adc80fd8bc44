"""Bundles in the background: asked for, made by one worker at a time, taken up when a worker dies, downloaded on record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

from django.contrib.auth.models import User
from django.db import transaction

import audit.services
from audit.bundle import NotSealedYet, build_bundle
from audit.bundle_parts import Scope
from audit.events import EvidenceEvent
from audit.keys import region
from audit.period_bundle import MadeBundle, Progress, make_period_bundle, plan_period
from audit.records import Subject
from audit.residency import allow_export
from audit.retention.errors import RegionRefused
from audit.sealer_process import request_seal
from audit.services import record_denial
from audit.workshop import Workshop
from identity.permissions import Permission, companies_with
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.errors import DomainError, PermissionRefused, StateConflict, ValidationFailed
from kernel.queue import wake
from kernel.transitions import advance
from reconciliation.evidence.errors import BundleNotReady, PeriodWrong
from reconciliation.evidence.eyes import visible_subjects
from reconciliation.evidence.models import Bundle
from reconciliation.evidence.queries import file_of, workshop_of
from reconciliation.evidence.states import BUNDLE_TRANSITIONS, BundleKind, BundleState

ACTOR = Actor.system("evidence")
LEASE = timedelta(minutes=10)
# How often progress goes to the database.
PROGRESS_EVERY = timedelta(seconds=2)
SEAL_WAIT_SECONDS = 15.0
POLL_SECONDS = 0.2
WAKE = "bundle_requested"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody says about a bundle: what it is for, which region it is taken to (empty: it stays), and why it leaves its own."""

    purpose: str = ""
    destination: str = ""
    reason: str = ""


def request_proposal_bundle(
    *, proposal: str, company: str, user: User, actor: Actor, now: datetime, wanted: Wanted | None = None
) -> Bundle:
    """The bundle of one proposal is queued for a worker; raises as `allow_export` does when it would leave its region."""
    _companies_of(user, company)
    row = Bundle(kind=BundleKind.PROPOSAL, proposal=proposal, companies=[company])
    return _requested(row, user=user, actor=actor, now=now, wanted=wanted or Wanted())


def request_period_bundle(
    *, since: datetime, until: datetime, user: User, actor: Actor, now: datetime, wanted: Wanted | None = None
) -> Bundle:
    """The bundle of what was recorded in since ≤ recorded_at < until is queued, showing what this person may see.

    Raises PeriodWrong unless the period lies in the past, and as `allow_export` does when it would leave its region.
    """
    if not since < until:
        raise PeriodWrong(detail="A period ends after it begins.")
    if until > now:
        raise PeriodWrong(detail="The period has to be over: what is not recorded yet can't be proved to be complete.")
    row = Bundle(kind=BundleKind.PERIOD, since=since, until=until, companies=sorted(_companies_of(user)))
    return _requested(row, user=user, actor=actor, now=now, wanted=wanted or Wanted())


def make_bundle(*, bundle: Bundle, clock: Callable[[], datetime]) -> Bundle:
    """The bundle is ready, or failed for a reason on record; what another worker holds is left to it."""
    bundle = _claimed(bundle, clock())
    try:
        made = _make(bundle, _progress_of(bundle, clock))
    except DomainError as error:
        return _failed(bundle, error, clock())
    return _ready(bundle, made, clock())


def record_download(*, bundle: Bundle, actor: Actor, now: datetime) -> Path:
    """The download is on record; returns the file. Raises BundleNotReady when there is none."""
    path = file_of(bundle)
    if bundle.state != BundleState.READY or not path.exists():
        raise BundleNotReady(detail="This bundle has no file: it is not made yet, or its file was removed.", data={"state": bundle.state})
    with transaction.atomic():
        # In the proposal's own chain, so that its history says who took its evidence along.
        audit.services.record(
            kind=EvidenceEvent.BUNDLE_DOWNLOADED,
            actor=actor,
            subject=_subject(bundle, proposal=bundle.proposal),
            now=now,
            outcome={"status": "downloaded", "sha256": bundle.sha256},
        )
    return path


def record_look(*, actor: Actor, now: datetime, seen: int) -> None:
    """The look at the list of bundles is on record."""
    with transaction.atomic():
        audit.services.record(
            kind=EvidenceEvent.BUNDLES_VIEWED,
            actor=actor,
            subject=Subject(kind="bundles", id="list"),
            now=now,
            outcome={"status": "viewed", "rows": seen},
        )


def _companies_of(user: User, *wanted: str) -> frozenset[str]:
    companies = companies_with(user, Permission.EVIDENCE_EXPORT)
    if not companies or not set(wanted) <= companies:
        raise PermissionRefused(detail="You may not export evidence of this company.", data={"companies": list(wanted)})
    return companies


def _requested(row: Bundle, *, user: User, actor: Actor, now: datetime, wanted: Wanted) -> Bundle:
    row.region, row.requested_by, row.requested_at, row.purpose = region(), user, now, wanted.purpose
    row.destination = wanted.destination.strip() or row.region
    try:
        with transaction.atomic():
            _check_lengths(wanted)
            leaves = allow_export(destination=row.destination, reason=wanted.reason, subject=_subject(row), actor=actor, now=now)
            row.reason = wanted.reason.strip() if leaves else ""
            _queue(row, actor=actor, now=now)
    except (RegionRefused, ValidationFailed) as error:
        record_denial(kind=EvidenceEvent.BUNDLE_REFUSED, actor=actor, subject=_subject(row), now=now, error=error)
        raise
    return row


def _check_lengths(wanted: Wanted) -> None:
    for name, said in asdict(wanted).items():
        longest = getattr(Bundle._meta.get_field(name), "max_length", 0)
        if len(said) > longest:
            raise ValidationFailed(detail=f"The {name} of a bundle has at most {longest} characters; this one has {len(said)}.")


def _queue(row: Bundle, *, actor: Actor, now: datetime) -> None:
    row.save(force_insert=True)
    about = {"kind": str(row.kind), "proposal": row.proposal, "companies": list(row.companies), "region": row.region}
    period = {"since": wire_time(row.since), "until": wire_time(row.until)} if row.since and row.until else {}
    payload: dict[str, object] | None = {"purpose": row.purpose} if row.purpose else None
    to = {"destination": row.destination}
    _record(EvidenceEvent.BUNDLE_REQUESTED, row, actor, now, {"status": "requested", **about, **to, **period}, payload)
    wake(WAKE, row.public_id)


def _claimed(bundle: Bundle, now: datetime) -> Bundle:
    """The bundle is this worker's; raises StateConflict when it is made already, or another worker said lately that it makes it."""
    with transaction.atomic():
        row = Bundle.objects.select_for_update(of=("self",)).select_related("requested_by").get(pk=bundle.pk)
        if row.state == BundleState.RUNNING and row.lease_until is not None and row.lease_until >= now:
            raise StateConflict(detail="Another worker makes this bundle.", data={"state": row.state})
        advance(row, BundleState.RUNNING, transitions=BUNDLE_TRANSITIONS, lease_until=now + LEASE, started_at=row.started_at or now)
    return row


def _make(bundle: Bundle, progress: Progress) -> MadeBundle:
    output = file_of(bundle)
    if bundle.kind == BundleKind.PROPOSAL:
        progress("events", 0, 1)
        found = build_bundle(bundle.proposal, wait_seconds=SEAL_WAIT_SECONDS)
        output.parent.mkdir(parents=True, exist_ok=True)
        draft = output.with_name(f".{output.name}.part")
        draft.write_bytes(found.archive)
        draft.replace(output)
        return MadeBundle(output, len(found.archive), found.sha256, found.events, 0, found.checkpoint_size)
    since, until, companies = bundle.since, bundle.until, frozenset(bundle.companies)
    if since is None or until is None:
        raise PeriodWrong(detail="A period has a beginning and an end.")
    workshop = Workshop(workshop_of(bundle))
    made = make_period_bundle(
        workshop,
        lambda: _planned(since=since, until=until, companies=companies, visible=visible_subjects(bundle.requested_by, companies)),
        output,
        progress=progress,
    )
    workshop.clear()
    return made


def _planned(*, since: datetime, until: datetime, companies: frozenset[str], visible: dict[str, frozenset[str]]) -> Scope:
    """Return the plan of a period, having waited a little for its last events to be sealed and signed."""
    deadline = monotonic() + SEAL_WAIT_SECONDS
    while True:
        try:
            return plan_period(since=since, until=until, companies=companies, visible=visible)
        except NotSealedYet:
            if monotonic() >= deadline:
                raise
            request_seal()
            sleep(POLL_SECONDS)


def _progress_of(bundle: Bundle, clock: Callable[[], datetime]) -> Progress:
    """Return what writes progress to the row now and then, and keeps the lease."""
    last: list[datetime] = []

    def progress(step: str, done: int, total: int) -> None:
        now = clock()
        if last and bundle.step == step and now - last[0] < PROGRESS_EVERY:
            return
        last[:] = [now]
        bundle.step, bundle.step_done, bundle.step_total = step, done, total
        Bundle.objects.filter(pk=bundle.pk).update(step=step, step_done=done, step_total=total, lease_until=now + LEASE)

    return progress


def _ready(bundle: Bundle, made: MadeBundle, now: datetime) -> Bundle:
    about = bundle.proposal or f"{bundle.since:%Y-%m-%d}-to-{bundle.until:%Y-%m-%d}"
    with transaction.atomic():
        advance(
            bundle,
            BundleState.READY,
            transitions=BUNDLE_TRANSITIONS,
            file_name=f"countersign-{about}.zip",
            file_bytes=made.bytes,
            sha256=made.sha256,
            event_count=made.events,
            withheld_count=made.withheld,
            checkpoint_size=made.checkpoint_size,
            lease_until=None,
            finished_at=now,
        )
        facts = {"sha256": made.sha256, "bytes": made.bytes, "events": made.events, "withheld": made.withheld, "size": made.checkpoint_size}
        _record(EvidenceEvent.BUNDLE_MADE, bundle, ACTOR, now, {"status": "made", **facts})
    return bundle


def _failed(bundle: Bundle, error: DomainError, now: datetime) -> Bundle:
    with transaction.atomic():
        advance(
            bundle,
            BundleState.FAILED,
            transitions=BUNDLE_TRANSITIONS,
            code=error.code,
            detail=error.detail,
            lease_until=None,
            finished_at=now,
        )
        _record(EvidenceEvent.BUNDLE_FAILED, bundle, ACTOR, now, {"status": "failed", "code": error.code}, {"detail": error.detail})
    return bundle


def _record(
    kind: EvidenceEvent, bundle: Bundle, actor: Actor, now: datetime, outcome: dict[str, object], payload: dict[str, object] | None = None
) -> None:
    audit.services.record(kind=kind, actor=actor, subject=_subject(bundle), now=now, outcome=outcome, payload=payload)


def _subject(bundle: Bundle, *, proposal: str = "") -> Subject:
    company = bundle.companies[0] if bundle.kind == BundleKind.PROPOSAL else ""
    return Subject(kind="bundle", id=bundle.public_id, proposal=proposal, company=company)
