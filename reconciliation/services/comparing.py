"""Comparing: both sides are streamed and merged, what differs becomes or stays a break, what no longer differs is resolved.

Two passes. The first (`reconciliation.first_pass`) walks through both sides once and counts what is alike. What is not goes, some
hundred references at a time, through a close look (`reconciliation.comparison`) that reads both sides again under exactly these
references: so what moved while the run went on is seen as it stands, and a window of changes never mistakes the rest for missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import dropwhile, islice

from django.db import transaction

import audit.services
from gateway.connections import connector_for
from gateway.port import Connector, ExtractsNamed, Landed
from kernel.transitions import advance
from reconciliation.comparison import DUE, Absent, Scope, absent, merge, orphan
from reconciliation.events import ReconciliationEvent
from reconciliation.first_pass import CHECKPOINT_PAIRS, Checkpoint, Suspect, first_pass
from reconciliation.models import Break, Run
from reconciliation.queries import covered, intended, lines, lock_run, unopened
from reconciliation.records import Finding, Intended, Tally
from reconciliation.services.breaks import follow_compensations, resolve_unseen, still_there, upsert_breaks
from reconciliation.services.subjects import ACTOR, subject_of_run
from reconciliation.states import RUN_TRANSITIONS, UNRESOLVED, BreakState, RunState

BATCH_ROWS = 500
CHECKPOINT_EVERY = CHECKPOINT_PAIRS


def compare(*, run: Run, now: datetime) -> Run:
    """The run is completed: both sides are counted, every difference is a break, every break that is gone is resolved.

    Goes on after the last checkpoint, so that it may be called again after a crash: what was compared is counted, breaks are found
    by fingerprint and written once. The caller holds the company's lock. Memory is bounded by one batch, whatever the size of
    either side.
    """
    look = _Look(run, now=now)
    landed = look.connector.extract(run.company, run.since, run.cut_off_at)
    if run.position:
        position = run.position
        landed = dropwhile(lambda item: item.reference <= position, landed)
    steps = first_pass(lines(run.company, since=run.since, after=run.position), landed, tally=look.tally, every=CHECKPOINT_EVERY)
    suspects: list[str] = []
    for step in steps:
        if isinstance(step, Suspect):
            suspects.append(step.reference)
        elif isinstance(step, Checkpoint):
            look.at(suspects)
            suspects = []
            _save(run, step.reference, look.tally)
        else:
            look.found(orphan(step.document, look.scope, look.tally))
        if len(suspects) >= BATCH_ROWS:
            look.at(suspects)
            suspects = []
    look.at(suspects)
    look.found(*unopened(run.company, before=run.cut_off_at - DUE))
    look.write()
    if run.since is not None:
        _look_at_open(look)
    return _complete(run, look.tally, now=now)


class _Look:
    """The close look of one run: references in, breaks out."""

    def __init__(self, run: Run, *, now: datetime) -> None:
        self.run, self.now = run, now
        self.connector = connector_for(run.company)
        self.scope = Scope(company=run.company, cut_off_at=run.cut_off_at, now=now)
        self.tally = Tally(**run.progress)
        self.findings: list[Finding] = []

    def found(self, *findings: Finding) -> None:
        """Keep findings, and write them as breaks when there are many."""
        self.findings += findings
        if len(self.findings) >= BATCH_ROWS:
            self.write()

    def write(self) -> None:
        """Make everything found so far breaks of the run."""
        upsert_breaks(run=self.run, findings=self.findings, now=self.now)
        self.findings = []

    def at(self, references: Sequence[str], *, tally: Tally | None = None) -> None:
        """Hold both sides under these references against each other, counting them, and write what differs."""
        if references:
            counted = self.tally if tally is None else tally
            commits = intended(self.run.company, references)
            documents = _named(self.connector, self.run, references)
            reversals = covered(self.run.company, {item.reversed_by for item in documents if item.reversed_by})
            missing: list[Intended] = []
            for item in merge(commits, documents, scope=self.scope, tally=counted, covered=reversals):
                if isinstance(item, Absent):
                    missing.append(item.intended)
                else:
                    self.findings.append(item)
            self.findings += self._absent(missing, counted)
        self.write()

    def _absent(self, missing: Sequence[Intended], tally: Tally) -> Iterator[Finding]:
        if not missing:
            return
        documents = self.connector.read_back_many(self.run.company, [item.document for item in missing])
        for item in missing:
            document = documents.get(item.document)
            if document is not None:
                tally.add_landed(item.amount_minor, item.currency)
            yield absent(item, self.scope, document)


def _named(connector: Connector, run: Run, references: Sequence[str]) -> list[Landed]:
    """Return the documents under these references; a connector that cannot ask for them is walked through once more."""
    if isinstance(connector, ExtractsNamed):
        return list(connector.extract_named(run.company, references, run.cut_off_at))
    wanted = frozenset(references)
    return [item for item in connector.extract(run.company, None, run.cut_off_at) if item.reference in wanted]


def _look_at_open(look: _Look) -> None:
    """Everything still open that the window did not touch is looked at once more: it may be gone, or look different.

    These are not counted: the run counts what changed.
    """
    run = look.run
    pending = Break.objects.filter(company=run.company, state__in=UNRESOLVED - {BreakState.COMPENSATING}).exclude(last_run=run)
    rows = iter(list(pending.order_by("pk").values_list("pk", "reference", "document")))
    while batch := list(islice(rows, BATCH_ROWS)):
        look.at(sorted({reference for _, reference, _ in batch if reference}), tally=Tally())
        unnamed = {key: document for key, reference, document in batch if not reference}
        if unnamed:
            present = look.connector.read_back_many(run.company, sorted(set(unnamed.values())))
            still_there(run=run, keys=[key for key, document in unnamed.items() if document in present])


def _save(run: Run, reference: str, tally: Tally) -> None:
    """The run goes on behind this reference should its worker die now."""
    run.position, run.progress = reference, tally.as_dict()
    Run.objects.filter(pk=run.pk, state=RunState.RUNNING).update(position=run.position, progress=run.progress)


def _complete(run: Run, tally: Tally, *, now: datetime) -> Run:
    with transaction.atomic():
        locked = lock_run(run.pk)
        follow_compensations(run=locked, now=now)
        resolve_unseen(run=locked, now=now)
        break_count = Break.objects.filter(last_run=locked, state__in=UNRESOLVED).count()
        advance(
            locked,
            RunState.COMPLETED,
            transitions=RUN_TRANSITIONS,
            intended_count=tally.intended_count,
            intended_totals=tally.intended_totals,
            landed_count=tally.landed_count,
            landed_totals=tally.landed_totals,
            matched_count=tally.matched_count,
            break_count=break_count,
            finished_at=now,
        )
        audit.services.record(
            kind=ReconciliationEvent.COMPLETED,
            actor=ACTOR,
            subject=subject_of_run(locked),
            now=now,
            outcome={
                "status": "completed",
                "scope": str(locked.scope),
                "intended": tally.intended_count,
                "landed": tally.landed_count,
                "matched": tally.matched_count,
                "breaks": break_count,
                "intended_totals": _wire(tally.intended_totals.items()),
                "landed_totals": _wire(tally.landed_totals.items()),
            },
        )
    return locked


def _wire(totals: Iterable[tuple[str, int]]) -> dict[str, str]:
    return {currency: str(minor) for currency, minor in sorted(totals)}
