"""Comparing: both sides are streamed and merged, what differs becomes or stays a break, what no longer differs is resolved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

import audit.services
from gateway.connections import connector_for
from gateway.port import Connector
from kernel.transitions import advance
from reconciliation.comparison import Absent, Scope, merge
from reconciliation.events import ReconciliationEvent
from reconciliation.models import Break, Run
from reconciliation.queries import intended, lock_run
from reconciliation.records import Finding, Intended, Tally
from reconciliation.services.breaks import follow_compensations, resolve_unseen, upsert_breaks
from reconciliation.services.subjects import ACTOR, subject_of_run
from reconciliation.states import RUN_TRANSITIONS, UNRESOLVED, BreakKind, RunState

BATCH_ROWS = 500


def compare(*, run: Run, now: datetime) -> Run:
    """The run is completed: both sides are counted, every difference is a break, every break that is gone is resolved.

    Starts from the beginning, so that it may be called again after a crash: breaks are found by fingerprint and written once. The
    caller holds the company's lock. Memory is bounded by one batch, whatever the size of either side.
    """
    connector = connector_for(run.company)
    scope = Scope(company=run.company, cut_off_at=run.cut_off_at, now=now)
    tally = Tally()
    findings: list[Finding] = []
    absent: list[Intended] = []
    landed = connector.extract(run.company, None, run.cut_off_at)
    for item in merge(intended(run.company), landed, scope=scope, tally=tally):
        if isinstance(item, Absent):
            absent.append(item.intended)
        else:
            findings.append(item)
        if len(absent) >= BATCH_ROWS:
            findings += _looked_at(connector, absent, scope=scope, tally=tally)
            absent = []
        if len(findings) >= BATCH_ROWS:
            upsert_breaks(run=run, findings=findings, now=now)
            findings = []
    findings += _looked_at(connector, absent, scope=scope, tally=tally)
    upsert_breaks(run=run, findings=findings, now=now)
    return _complete(run, tally, now=now)


def _looked_at(connector: Connector, absent: Sequence[Intended], *, scope: Scope, tally: Tally) -> list[Finding]:
    """Return what is really missing: a document that can be read back was only recorded after the cut-off by the ERP's clock."""
    if not absent:
        return []
    documents = connector.read_back_many(scope.company, [item.document for item in absent])
    findings = []
    for item in absent:
        document = documents.get(item.document)
        if document is not None:
            tally.add_landed(item.amount_minor, item.currency)
        if document is not None and document.get("content_digest", item.content_digest) == item.content_digest:
            tally.matched_count += 1
            continue
        findings.append(
            Finding(
                kind=BreakKind.MISSING if document is None else BreakKind.DIFFERS,
                company=scope.company,
                document=item.document,
                amount_minor=item.amount_minor,
                currency=item.currency,
                reference=item.reference,
                proposal_id=item.proposal_id,
                intended=item.as_dict(),
                landed=dict(document) if document is not None else None,
            )
        )
    return findings


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
                "intended": tally.intended_count,
                "landed": tally.landed_count,
                "matched": tally.matched_count,
                "breaks": break_count,
                "intended_totals": {currency: str(minor) for currency, minor in sorted(tally.intended_totals.items())},
                "landed_totals": {currency: str(minor) for currency, minor in sorted(tally.landed_totals.items())},
            },
        )
    return locked
