"""Breaks as runs see them: found, found again, gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

import audit.services
from audit.finality import LANDED, Fact, sealed_receipts
from audit.records import NewEvent
from kernel.canonical import digest
from kernel.transitions import advance
from proposals.models import Proposal
from proposals.states import OutcomeStatus, ProposalState
from reconciliation.events import ReconciliationEvent
from reconciliation.models import Break, Run
from reconciliation.queries import proposal_key
from reconciliation.records import Finding
from reconciliation.services.subjects import ACTOR, subject_of_break
from reconciliation.states import BREAK_TRANSITIONS, CLOSED_BY_PEOPLE, CONTENT_KINDS, BreakKind, BreakState

FINGERPRINT_PURPOSE = "countersign.break/1"
EVENTS_MAX = 500
REFERENCE_LENGTH_MAX = 64
# What a break loses when it is open again: who wanted it closed, and as what.
NOT_CLOSED: dict[str, Any] = {"closed_at": None, "closing_as": "", "seconded_by": None, "limit_minor": None}
# Nobody has answered these yet, so they are resolved by themselves when they are gone.
UNANSWERED = (BreakState.OPEN, BreakState.CLOSING)


def fingerprint(finding: Finding) -> str:
    """Return what makes two findings the same break: kind, company, reference and document.

    What exactly differs in a document may change from run to run; it stays one break.
    """
    kind = BreakKind.DIFFERS if finding.kind in CONTENT_KINDS else finding.kind
    return digest(
        FINGERPRINT_PURPOSE,
        {
            "kind": str(kind),
            "company": finding.company,
            "reference": finding.reference,
            "document": finding.document,
        },
    )


def upsert_breaks(*, run: Run, findings: Sequence[Finding], now: datetime) -> None:
    """Each finding is a break seen by this run: a new one, the same one as before, or one that is open again.

    A closed break is open again when it was resolved by itself and is back, or when what landed looks different than when a person
    closed it. One that was compensated stays closed: the original document stays in the ERP beside its reversal.
    """
    if not findings:
        return
    by_fingerprint = {fingerprint(finding): finding for finding in findings}
    with transaction.atomic():
        known = {
            item.fingerprint: item
            for item in Break.objects.select_for_update(no_key=True).filter(fingerprint__in=by_fingerprint).order_by("pk")
        }
        proposals = _existing_proposals(by_fingerprint.values())
        fresh = [_new_break(mark, finding, proposals, run=run, now=now) for mark, finding in by_fingerprint.items() if mark not in known]
        Break.objects.bulk_create(fresh)
        reopened = [item for mark, item in known.items() if _is_back(item, by_fingerprint[mark])]
        for item in reopened:
            advance(item, BreakState.OPEN, transitions=BREAK_TRANSITIONS, **NOT_CLOSED)
        for mark, item in known.items():
            _seen_again(item, by_fingerprint[mark], run)
        Break.objects.bulk_update(known.values(), ["last_run", "kind", "reference", "amount_minor", "currency", "intended", "landed"])
        _record(ReconciliationEvent.BREAK_OPENED, fresh, run=run, now=now)
        _record(ReconciliationEvent.BREAK_REOPENED, reopened, run=run, now=now)


def still_there(*, run: Run, keys: Sequence[UUID]) -> None:
    """These open breaks were looked at by the run and stand as they stood."""
    Break.objects.filter(pk__in=keys, company=run.company).update(last_run=run)


def follow_compensations(*, run: Run, now: datetime) -> None:
    """Breaks whose compensation is committed are resolved; those whose compensation came to nothing are open again."""
    waiting = (
        Break.objects.select_for_update(no_key=True, of=("self",))
        .select_related("compensation__outcome")
        .filter(company=run.company, state=BreakState.COMPENSATING)
        .order_by("pk")
    )
    resolved, reopened = [], []
    landings = {item.pk: Fact(item.compensation.public_id, LANDED) for item in waiting if item.compensation is not None}
    final = sealed_receipts(set(landings.values()))
    for item in waiting:
        compensation = item.compensation
        outcome = getattr(compensation, "outcome", None)
        if outcome is not None and outcome.status == OutcomeStatus.COMMITTED:
            # A compensating entry that landed is final only with a sealed receipt; until then the break stays compensating.
            if landings.get(item.pk) in final:
                resolved.append(item)
        elif compensation is None or compensation.state not in (ProposalState.PENDING, ProposalState.APPROVED):
            reopened.append(item)
    _close(resolved, run=run, now=now)
    for item in reopened:
        advance(item, BreakState.OPEN, transitions=BREAK_TRANSITIONS)
    _record(ReconciliationEvent.BREAK_REOPENED, reopened, run=run, now=now)


def resolve_unseen(*, run: Run, now: datetime) -> None:
    """Open breaks that this run would have seen and did not are resolved by themselves.

    A break last seen with a later cut-off says nothing about an earlier one: it may not have happened yet by then.
    """
    unseen = (
        Break.objects.select_for_update(no_key=True, of=("self",))
        .filter(company=run.company, state__in=UNANSWERED, last_run__cut_off_at__lte=run.cut_off_at)
        .exclude(last_run=run)
        .order_by("pk")
    )
    _close(list(unseen), run=run, now=now)


def _close(rows: Sequence[Break], *, run: Run, now: datetime) -> None:
    for item in rows:
        advance(item, BreakState.RESOLVED, transitions=BREAK_TRANSITIONS, **(NOT_CLOSED | {"closed_at": now}))
    _record(ReconciliationEvent.BREAK_RESOLVED, rows, run=run, now=now)


def _is_back(item: Break, finding: Finding) -> bool:
    if item.state == BreakState.RESOLVED:
        return item.compensation_id is None
    return item.state in (*CLOSED_BY_PEOPLE, BreakState.CLOSING) and item.landed != _json(finding.landed)


def _seen_again(item: Break, finding: Finding, run: Run) -> None:
    """The break tells what the run found; one that people closed keeps the amount they closed it at, where nothing else changed."""
    item.last_run, item.kind, item.reference = run, finding.kind, finding.reference
    item.intended, item.landed = _json(finding.intended), _json(finding.landed)
    if item.state not in CLOSED_BY_PEOPLE:
        item.amount_minor, item.currency = finding.amount_minor, finding.currency


def _existing_proposals(findings: Iterable[Finding]) -> frozenset[UUID]:
    """Return the proposals that really exist among those named: an orphan may carry any text as its reference."""
    named = {key for finding in findings if (key := _proposal_key(finding)) is not None}
    return frozenset(Proposal.objects.filter(pk__in=named).values_list("pk", flat=True))


def _proposal_key(finding: Finding) -> UUID | None:
    return finding.proposal_id or proposal_key(finding.reference)


def _new_break(mark: str, finding: Finding, proposals: frozenset[UUID], *, run: Run, now: datetime) -> Break:
    key = _proposal_key(finding)
    return Break(
        first_run=run,
        last_run=run,
        kind=finding.kind,
        company=finding.company,
        proposal_id=key if key in proposals else None,
        reference=finding.reference[:REFERENCE_LENGTH_MAX],
        document=finding.document,
        fingerprint=mark,
        intended=_json(finding.intended),
        landed=_json(finding.landed),
        amount_minor=finding.amount_minor,
        currency=finding.currency,
        opened_at=now,
    )


def _json(value: object) -> object:
    return dict(value) if isinstance(value, dict) else None


def _record(kind: ReconciliationEvent, rows: Sequence[Break], *, run: Run, now: datetime) -> None:
    events = [
        NewEvent(
            kind=kind,
            actor=ACTOR,
            subject=subject_of_break(item),
            now=now,
            outcome={"status": str(item.state), "break_kind": str(item.kind), "document": item.document, "run": run.public_id},
        )
        for item in rows
    ]
    for start in range(0, len(events), EVENTS_MAX):
        audit.services.record_many(events[start : start + EVENTS_MAX])
