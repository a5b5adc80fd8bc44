"""Executes writes: one transaction, one answer per item, each key's effect at most once.

The key is taken first, by an advisory lock held to the end of the transaction: of two executions with one key the second
waits, then finds the stored result. The record itself is inserted with the effect, because only then is there a result to
store, and refused items must leave nothing behind; its primary key is the last guard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db import DataError, IntegrityError, OperationalError, transaction

from kernel.canonical import digest
from kernel.errors import DomainError
from ledger.actions import Action, parse_action
from ledger.contracts import GATE, WriteRequest, WriteResult, WriteStatus
from ledger.refusals import Refusal, RefusalCode, refusal_of
from ledger.services.keys import closed_among, take_keys
from ledger.services.plans import plan
from ledger.services.prefetch import open_book
from ledger.services.quirks import Quirk, bent
from ledger.services.store import Accepted, store
from ledger.sql import LEDGER

REQUEST_PURPOSE = "countersign.ledger.request/1"
ATTEMPTS = 3
# Rolled back by PostgreSQL for certain, and worth another try: serialization failure, deadlock.
TRANSIENT_STATES = frozenset({"40001", "40P01"})

Result = TypeVar("Result")


def execute_batch(requests: Sequence[WriteRequest], *, now: datetime, quirk: Quirk = Quirk.NONE) -> list[WriteResult]:
    """Return what became of each request, in their order; everything accepted is committed when this returns.

    A refused item stores nothing and spoils no other. Same key and same request: the stored result, `replayed`. Same key and
    another request: `conflict`. An exception means that the outcome is not known: look the keys up with `queries.find_many`.
    `quirk` makes the ERP bend what it was asked to write, for demonstrations and tests.
    """
    return write_batch(requests, now=now, written_by=GATE, is_keyed=True, quirk=quirk)


def write_batch(
    requests: Sequence[WriteRequest], *, now: datetime, written_by: str, is_keyed: bool, quirk: Quirk = Quirk.NONE
) -> list[WriteResult]:
    """Do what `execute_batch` does, under any identity, and past the idempotency table unless `is_keyed`."""
    first: list[WriteRequest] = []
    repeated: list[WriteRequest] = []
    seen: set[UUID] = set()
    positions: list[tuple[bool, int]] = []
    for request in requests:
        group = repeated if request.key in seen else first
        positions.append((group is repeated, len(group)))
        group.append(request)
        seen.add(request.key)
    results = _write(first, now=now, written_by=written_by, is_keyed=is_keyed, quirk=quirk)
    if not repeated:
        return results
    # A key that stands twice in one batch: the later ones meet the stored result of the first.
    later = write_batch(repeated, now=now, written_by=written_by, is_keyed=is_keyed, quirk=quirk)
    return [(later if is_repeated else results)[index] for is_repeated, index in positions]


def _write(requests: Sequence[WriteRequest], *, now: datetime, written_by: str, is_keyed: bool, quirk: Quirk) -> list[WriteResult]:
    def run(part: Sequence[WriteRequest]) -> list[WriteResult]:
        return _retrying(lambda: _write_once(part, now=now, written_by=written_by, is_keyed=is_keyed, quirk=quirk))

    if not requests:
        return []
    try:
        return run(requests)
    except (IntegrityError, DataError):
        # Something that the plans did not foresee, such as a period closed in between: nothing of the batch is stored.
        return [_write_singly(request, run) for request in requests]


def _write_singly(request: WriteRequest, run: Callable[[Sequence[WriteRequest]], list[WriteResult]]) -> WriteResult:
    try:
        return run([request])[0]
    except (IntegrityError, DataError) as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        constraint = getattr(diagnosis, "constraint_name", None) or ""
        message = getattr(diagnosis, "message_primary", None) or str(error)
        refusal = Refusal(RefusalCode.CONSTRAINT_VIOLATED, f"The ledger refused: {message}", data={"constraint": constraint})
        return _refused(request, refusal)


def _retrying(run: Callable[[], Result]) -> Result:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return run()
        except OperationalError as error:
            state = getattr(error.__cause__, "sqlstate", None)
            if state not in TRANSIENT_STATES or attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _write_once(requests: Sequence[WriteRequest], *, now: datetime, written_by: str, is_keyed: bool, quirk: Quirk) -> list[WriteResult]:
    results: dict[UUID, WriteResult] = {}
    digests = _digests(requests, results)
    with transaction.atomic(using=LEDGER):
        stored = take_keys(list(digests)) if is_keyed else {}
        closed = closed_among(list(digests)) if is_keyed else set()
        fresh: list[tuple[WriteRequest, Action]] = []
        for request in requests:
            if request.key not in digests:
                continue
            if request.key in stored:
                results[request.key] = _from_stored(request, digests[request.key], stored[request.key])
                continue
            if request.key in closed:
                results[request.key] = _refused(
                    request, Refusal(RefusalCode.KEY_CLOSED, f"Nothing may land under the key {request.key} any more.")
                )
                continue
            try:
                action = parse_action(request.tool, request.action)
                fresh.append((request, action if quirk is Quirk.NONE else bent(action, quirk, company=request.company)))
            except Refusal as refusal:
                results[request.key] = _refused(request, refusal)
        if fresh:
            _execute(fresh, digests, results, now=now, written_by=written_by, is_keyed=is_keyed)
    return [results[request.key] for request in requests]


def _execute(
    fresh: Sequence[tuple[WriteRequest, Action]],
    digests: dict[UUID, str],
    results: dict[UUID, WriteResult],
    *,
    now: datetime,
    written_by: str,
    is_keyed: bool,
) -> None:
    book = open_book([(request.company, action) for request, action in fresh])
    accepted = []
    for request, action in fresh:
        try:
            effect = plan(book, request.company, action, now=now)
        except Refusal as refusal:
            results[request.key] = _refused(request, refusal)
        except DomainError as error:
            results[request.key] = _refused(request, refusal_of(error))
        else:
            accepted.append(Accepted(request, digests[request.key], effect))
    store(book, accepted, now=now, written_by=written_by, is_keyed=is_keyed)
    for item in accepted:
        results[item.request.key] = WriteResult(item.request.key, WriteStatus.POSTED, item.effect.document, item.effect.answer)


def _digests(requests: Sequence[WriteRequest], results: dict[UUID, WriteResult]) -> dict[UUID, str]:
    """Return the digest of each request; one without canonical bytes is refused here."""
    digests: dict[UUID, str] = {}
    for request in requests:
        value = {
            "tool": request.tool,
            "company": request.company,
            "reference": request.reference,
            "action": request.action,
        }
        try:
            digests[request.key] = digest(REQUEST_PURPOSE, value)
        except DomainError as error:
            results[request.key] = _refused(request, refusal_of(error))
    return digests


def _from_stored(request: WriteRequest, request_digest: str, stored: tuple[str, WriteResult]) -> WriteResult:
    stored_digest, result = stored
    if stored_digest == request_digest:
        return WriteResult(request.key, WriteStatus.REPLAYED, result.document, result.result)
    detail = f"The key {request.key} has been used for another request."
    refusal = Refusal(RefusalCode.KEY_REUSED, detail, acceptable="a new key, or the same request")
    return WriteResult(request.key, WriteStatus.CONFLICT, result=refusal.result(), code=refusal.code.value, detail=refusal.detail)


def _refused(request: WriteRequest, refusal: Refusal) -> WriteResult:
    return WriteResult(request.key, WriteStatus.REFUSED, result=refusal.result(), code=refusal.code.value, detail=refusal.detail)
