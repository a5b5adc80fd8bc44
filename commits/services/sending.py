"""Sending: the ERP is asked what the approval leaned on, written to once, and read back. No transaction is open meanwhile.

What cannot be told is reported as unknown, never as failed: an exception after the request left proves nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from approvals.drift import CODE as MATERIAL_DRIFT
from approvals.drift import observe_again
from approvals.matrix.rate_checks import check_all
from commits.crash_points import CrashPoint, crash_point
from commits.records import Claimed, Refusal, Settlement
from commits.services.backoff import backoff
from commits.services.landing import landed, lost
from commits.services.twins import apart
from commits.states import AttemptOutcome, CommitState
from gateway.connections import connector_for
from gateway.errors import ErpUnavailable, UnknownCompany
from gateway.port import KEY_CLOSED, Connector, Level, SendStatus, WriteOutcome, WriteRequest
from gateway.preconditions import Check, Drift
from kernel.tracing import SpanKind, carried_on, span_of

logger = logging.getLogger(__name__)

# A write whose lease has less than this left is not sent. Of the lease's two minutes that leaves half a minute to begin in: a slow ERP then
# ends neither beyond the lease nor beyond the queue's own timeout of one minute.
LEASE_MARGIN_SECONDS = 90
# How many writes go out before the clock is looked at again. Level A takes a batch as one; elsewhere each write is a call of its own.
CHUNKS = {Level.A: 50, Level.B: 5, Level.C: 1}
# A defect before sending is not an outage: after so many attempts a person has to look.
DEFECT_ATTEMPTS_MAX = 8


def send(claimed: Sequence[Claimed], *, now: datetime) -> list[Settlement]:
    """Each claimed commit was sent at most once by this call; returns what became of each, to be settled.

    Grouped by connection. Commits whose lease is running out are not sent any more, and queued again.
    """
    settlements: list[Settlement] = []
    for company, group in groupby(sorted(claimed, key=lambda item: item.company), key=lambda item: item.company):
        batch = list(group)
        try:
            connector = connector_for(company)
        except (UnknownCompany, ErpUnavailable) as error:
            settlements += [_failed_before_sending(item, error, now=now) for item in batch]
            continue
        settlements += _send_to(connector, batch, now=now)
    return settlements


def _send_to(connector: Connector, batch: Sequence[Claimed], *, now: datetime) -> list[Settlement]:
    settlements = [_refused(item, item.refusal) for item in batch if item.refusal is not None]
    batch = [item for item in batch if item.refusal is None]
    repeated = [item for item in batch if item.is_repeated]
    try:
        found = connector.find_many([item.commit_id for item in repeated]) if repeated else {}
    except Exception as error:
        logger.exception("%s could not be asked what landed before", connector.name)
        return closed(connector, settlements, now=now) + [_failed_before_sending(item, error, now=now) for item in batch]
    settlements += landed(connector, [(item, found[item.commit_id]) for item in repeated if item.commit_id in found], now=now)
    waiting = [item for item in batch if item.commit_id not in found]
    with apart(waiting) as (first, twins):
        cleared, stopped = _checked(connector, first, now=now)
        settlements += _written(connector, cleared, now=now)
    settlements += [deferred(item, code="twin_first", detail="The same is being written by another commit.", now=now) for item in twins]
    return closed(connector, settlements + stopped, now=now)


def _written(connector: Connector, cleared: Sequence[Claimed], *, now: datetime) -> list[Settlement]:
    settlements: list[Settlement] = []
    size = CHUNKS[connector.level]
    for chunk in (cleared[start : start + size] for start in range(0, len(cleared), size)):
        alive = [item for item in chunk if item.deadline - time.monotonic() > LEASE_MARGIN_SECONDS]
        late = [item for item in chunk if item not in alive]
        settlements += [deferred(item, code="lease_short", detail="Its turn came too late in the lease.", now=now) for item in late]
        if alive:
            crash_point(CrashPoint.BEFORE_SEND)
            outcomes = _commit_many(connector, alive, now=now)
            crash_point(CrashPoint.AFTER_SEND)
            settlements += _ended(connector, alive, outcomes, now=now)
    return settlements


def _refused(claim: Claimed, refusal: Refusal) -> Settlement:
    return Settlement(
        claim=claim, to=CommitState.FAILED, attempt=AttemptOutcome.NOT_SENT, code=refusal.code, detail=refusal.reason, has_answered=True
    )


def closed(connector: Connector, settlements: Sequence[Settlement], *, now: datetime) -> list[Settlement]:
    """Return the settlements, after the keys of those that fail though an earlier attempt may still be under way were closed.

    Looked up and absent does not mean that nothing is coming: a request may have left and not have arrived. What has landed under its
    key has succeeded; what cannot be closed now is queued again.
    """
    failing = {item.claim.commit_id: item for item in settlements if item.to is CommitState.FAILED and item.claim.is_repeated}
    if not failing:
        return list(settlements)
    others = [item for item in settlements if item.claim.commit_id not in failing]
    try:
        found = connector.close_many(list(failing), now=now)
    except Exception as error:
        logger.exception("%s could not be told what may not land any more", connector.name)
        detail = f"Given up ({next(iter(failing.values())).code}), but its key could not be closed: {error}"
        waiting = [deferred(item.claim, code="key_not_closed", detail=detail, now=now) for item in failing.values()]
        return others + [replace(item, has_answered=False) for item in waiting]
    arrived = landed(connector, [(failing[key].claim, outcome) for key, outcome in found.items()], now=now)
    return others + arrived + [item for key, item in failing.items() if key not in found]


def _checked(connector: Connector, batch: Sequence[Claimed], *, now: datetime) -> tuple[list[Claimed], list[Settlement]]:
    """Return who may be sent, and settlements for those whose preconditions drifted or could not be asked."""
    if not batch:
        return [], []
    try:
        answers = iter(check_all(connector, [item for claim in batch for item in claim.preconditions], now))
        found = [(claim, [next(answers) for _ in claim.preconditions]) for claim in batch]
    except Exception as error:
        if isinstance(error, ErpUnavailable) or len(batch) == 1:
            return [], [_failed_before_sending(claim, error, now=now) for claim in batch]
        logger.exception("the preconditions of a batch could not be checked together; they are checked one by one")
        singles = [_checked(connector, [claim], now=now) for claim in batch]
        return [claim for cleared, _ in singles for claim in cleared], [item for _, stopped in singles for item in stopped]
    cleared, stopped = [], []
    for claim, checks in found:
        broken = [check for check in checks if not check.is_holding]
        if broken:
            stopped.append(_drifted(claim, checks, broken))
        else:
            tolerated = tuple(check.as_dict() for check in checks if check.drift is Drift.TOLERATED)
            cleared.append(replace(claim, tolerated=tolerated) if tolerated else claim)
    return cleared, _observed(stopped, now=now)


def _observed(stopped: Sequence[Settlement], *, now: datetime) -> list[Settlement]:
    """Return the settlements; those that go back to their approvers carry what the ERP tells about them for the rules."""
    asked = [item.claim.proposal_id for item in stopped if item.code == MATERIAL_DRIFT]
    seen = observe_again(asked, now) if asked else {}
    return [replace(item, observed=seen.get(item.claim.proposal_id, {})) for item in stopped]


def _drifted(claim: Claimed, checks: Sequence[Check], broken: Sequence[Check]) -> Settlement:
    """Return the settlement that ends this commit, saying what drifted: for good where any of it is hard, else for the approvers."""
    is_hard = any(check.drift is Drift.HARD for check in broken)
    labels = "; ".join(f"{check.precondition.label}: now {check.value}" for check in broken)
    end = " It cannot be done any more." if is_hard else ""
    return Settlement(
        claim=claim,
        to=CommitState.FAILED,
        attempt=AttemptOutcome.NOT_SENT,
        code="drift" if is_hard else MATERIAL_DRIFT,
        detail=f"What the approval leaned on no longer holds. {labels}.{end}",
        has_answered=True,
        drift=tuple(check.as_dict() for check in broken),
        checks=tuple(checks),
    )


def _commit_many(connector: Connector, batch: Sequence[Claimed], *, now: datetime) -> list[WriteOutcome]:
    """Return an outcome for each; when the connector fails as a whole, each is looked up, and tried alone where that is safe."""
    requests = [
        WriteRequest(
            key=item.commit_id,
            tool=item.tool,
            company=item.company,
            reference=item.reference,
            action_bytes=item.request_bytes,
            trace_id=item.trace_id,
        )
        for item in batch
    ]
    try:
        with ExitStack() as traces:
            # Several at once have several traces: then each request says its own, and the connector carries it on.
            continued = carried_on if len(batch) == 1 else span_of
            for item in batch:
                about = {"countersign.commit": str(item.commit_id), "countersign.connection": item.connection}
                traces.enter_context(continued(item.trace_id, f"commit {item.tool}", kind=SpanKind.CLIENT, attributes=about))
            outcomes = {outcome.key: outcome for outcome in connector.commit_many(requests, now=now)}
    except Exception as error:
        logger.exception("%s failed for %d commits", connector.name, len(batch))
        if len(batch) > 1:
            return _commit_singly(connector, batch, now=now)
        return [_unknown(batch[0].commit_id, f"{type(error).__name__}: {error}")]
    return [outcomes.get(item.commit_id) or _unknown(item.commit_id, "The connector gave no answer for it.") for item in batch]


def _commit_singly(connector: Connector, batch: Sequence[Claimed], *, now: datetime) -> list[WriteOutcome]:
    """Return an outcome for each of a batch that failed as a whole, and of which part may have landed.

    Nothing is sent a second time before its key was looked up, and at level A only, where the ERP itself refuses a second landing.
    """
    try:
        found = connector.find_many([item.commit_id for item in batch])
    except Exception as error:
        logger.exception("%s could not be asked what landed of a batch", connector.name)
        return [_unknown(item.commit_id, f"{type(error).__name__}: {error}") for item in batch]
    if connector.level is not Level.A:
        return [found.get(item.commit_id) or _unknown(item.commit_id, "The batch failed as a whole.") for item in batch]
    return [found.get(item.commit_id) or _commit_many(connector, [item], now=now)[0] for item in batch]


def _unknown(key: UUID, detail: str) -> WriteOutcome:
    return WriteOutcome(key=key, status=SendStatus.UNKNOWN, code="answer_lost", detail=detail)


def _ended(connector: Connector, batch: Sequence[Claimed], outcomes: Sequence[WriteOutcome], *, now: datetime) -> list[Settlement]:
    pairs = list(zip(batch, outcomes, strict=True))
    posted = [pair for pair in pairs if pair[1].status in (SendStatus.POSTED, SendStatus.REPLAYED)]
    others = [pair for pair in pairs if pair[1].status not in (SendStatus.POSTED, SendStatus.REPLAYED)]
    shut = [claim for claim, outcome in others if outcome.code == KEY_CLOSED]
    ended = [_not_landed(claim, outcome, now=now) for claim, outcome in others if outcome.code != KEY_CLOSED]
    return landed(connector, posted, now=now) + ended + _reopened(connector, shut, now=now)


def _reopened(connector: Connector, shut: Sequence[Claimed], *, now: datetime) -> list[Settlement]:
    """Return the settlements of commits that were given up once and may be sent after all: queued again, their keys open.

    Whichever of their requests arrives first lands, and the others find its key taken.
    """
    if not shut:
        return []
    try:
        connector.open_many([claim.commit_id for claim in shut])
    except Exception:
        logger.exception("%s could not be told what may land again", connector.name)
    return [
        deferred(claim, code=KEY_CLOSED, detail="Its key was closed when it was given up; it is opened again.", now=now) for claim in shut
    ]


def _not_landed(claim: Claimed, outcome: WriteOutcome, *, now: datetime) -> Settlement:
    if outcome.status is SendStatus.NOT_SENT:
        pause = outcome.retry_after_seconds
        settlement = deferred(claim, code=outcome.code or "not_sent", detail=outcome.detail, now=now, pause_seconds=pause)
        # An ERP that asks for a pause is well, only busy.
        return replace(settlement, has_answered=None if pause else False)
    if outcome.status is SendStatus.UNKNOWN:
        return lost(claim, code=outcome.code or "answer_lost", detail=outcome.detail, now=now)
    is_conflict = outcome.status is SendStatus.CONFLICT
    draft = str(outcome.answer.get("draft", ""))
    left = f" It left the draft {draft}: somebody has to remove it in the ERP." if draft else ""
    return Settlement(
        claim=claim,
        to=CommitState.FAILED,
        attempt=AttemptOutcome.REFUSED,
        answer=outcome.answer,
        code=outcome.code or ("key_conflict" if is_conflict else "refused"),
        detail=f"{outcome.detail}{left}".strip(),
        is_retryable=outcome.is_retryable and not is_conflict,
        draft=draft,
        has_answered=True,
    )


def deferred(claim: Claimed, *, code: str, detail: str, now: datetime, pause_seconds: int = 0) -> Settlement:
    """Return the settlement that queues the commit again, later: its request provably never reached the ERP."""
    return Settlement(
        claim=claim,
        to=CommitState.QUEUED,
        attempt=AttemptOutcome.NOT_SENT,
        code=code,
        detail=detail,
        not_before=now + max(backoff(claim.attempt_number), timedelta(seconds=pause_seconds)),
        pause_seconds=pause_seconds,
    )


def _failed_before_sending(claim: Claimed, error: Exception, *, now: datetime) -> Settlement:
    """Return the settlement of a commit that was never sent: an outage waits for ever, a defect does not."""
    code = getattr(error, "code", "check_failed")
    detail = str(error) or type(error).__name__
    is_outage = isinstance(error, ErpUnavailable)
    if is_outage or claim.attempt_number < DEFECT_ATTEMPTS_MAX:
        return replace(deferred(claim, code=code, detail=detail, now=now), has_answered=False if is_outage else None)
    return Settlement(claim=claim, to=CommitState.FAILED, attempt=AttemptOutcome.NOT_SENT, code=code, detail=detail, is_retryable=True)
