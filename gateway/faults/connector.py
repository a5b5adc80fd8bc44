"""The embedded ERP with its fault modes switched on: a connector around the connector, chosen only while a mode is on.

Each write is struck by at most one mode, as if it were a call of its own. What the mode does is done to the ledger: a re-dated document
really stands there with another date, a lost answer really left a document behind. What comes back is what a connector can know.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from gateway.answers import Answer, outcome_of_answer
from gateway.connectors.embedded import EmbeddedConnector
from gateway.errors import ErpUnavailable
from gateway.faults.modes import FaultMode
from gateway.faults.switches import modes_on, strikes
from gateway.port import AccountUsage, Fact, Json, Landed, Level, SendStatus, WriteOutcome, WriteRequest
from ledger.services import Quirk

SLOW_SECONDS = 2.0
RETRY_AFTER_SECONDS = 5
# Which tools a mode can do anything to; a mode that is not here concerns every write.
CONCERNED: Mapping[FaultMode, frozenset[str]] = {
    FaultMode.REDATED: frozenset({"create_purchase_order", "post_journal_entry", "release_inventory"}),
    FaultMode.TAXED: frozenset({"create_purchase_order", "post_journal_entry"}),
}
# Requests whose effect comes late: taken up when the ERP is written to the next time, by whichever worker thread comes first.
_late: list[WriteRequest] = []

Doing = Callable[[WriteRequest, datetime], WriteOutcome]


class FaultyConnector:
    """The embedded connector, misbehaving in the ways that are switched on."""

    def __init__(self, inner: EmbeddedConnector) -> None:
        """Take over the name of the inner connection: it is the same ERP."""
        self._inner = inner
        self.name: str = inner.name
        self.title: str = inner.title
        self.level: Level = inner.level
        self._doings: Mapping[FaultMode, Doing] = {
            FaultMode.DOWN: self._down,
            FaultMode.RATE_LIMITED: self._rate_limited,
            FaultMode.LOCKED: self._locked,
            FaultMode.NO_ANSWER: self._no_answer,
            FaultMode.COMMIT_THEN_DROP: self._commit_then_drop,
            FaultMode.LATE_ANSWER: self._late_answer,
            FaultMode.SLOW: self._posted,
            FaultMode.DELIVERED_TWICE: self._delivered_twice,
            FaultMode.ERROR_IN_OK: self._error_in_ok,
            FaultMode.DUPLICATE_500: self._duplicate_500,
            FaultMode.WRONG_ANSWER: self._wrong_answer,
            FaultMode.RENUMBERED: self._renumbered,
            FaultMode.STRAY_DRAFT: self._stray_draft,
            FaultMode.REDATED: self._redated,
            FaultMode.TAXED: self._taxed,
        }

    def commit_many(self, requests: Sequence[WriteRequest], *, now: datetime) -> list[WriteOutcome]:
        """Write each request as the modes that are on let it, and return what a connector would know of it, in order."""
        arrived, _late[:] = list(_late), []
        if arrived:
            self._inner.commit_many(arrived, now=now)
        modes = modes_on(self.name)
        struck = {request.key: mode for request in requests if (mode := self._striking(request, modes)) is not None}
        if FaultMode.SLOW in struck.values():
            time.sleep(SLOW_SECONDS)
        calm = [request for request in requests if request.key not in struck]
        outcomes = {item.key: item for item in self._inner.commit_many(calm, now=now)} if calm else {}
        for request in requests:
            if request.key in struck:
                outcomes[request.key] = self._doings[struck[request.key]](request, now)
        return [outcomes[request.key] for request in requests]

    def _striking(self, request: WriteRequest, modes: Sequence[FaultMode]) -> FaultMode | None:
        for mode in modes:
            if request.tool in CONCERNED.get(mode, (request.tool,)) and strikes(self.name, mode):
                return mode
        return None

    # One method for each mode ----------------------------------------------------------------------------------------

    def _down(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        return WriteOutcome(request.key, SendStatus.NOT_SENT, code="erp_unreachable", detail="Connection refused", is_retryable=True)

    def _rate_limited(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        answer = Answer(429, {"error": "Too many requests"}, retry_after_seconds=RETRY_AFTER_SECONDS)
        return outcome_of_answer(request.key, answer)

    def _locked(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        return outcome_of_answer(request.key, Answer(503, {"error": "could not obtain lock on row"}), is_rolled_back=True)

    def _no_answer(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        return _lost(request, "No answer within the timeout")

    def _commit_then_drop(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        self._posted(request, now)
        return _lost(request, "Connection reset by peer")

    def _late_answer(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        _late.append(request)
        return _lost(request, "No answer within the timeout")

    def _delivered_twice(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        self._posted(request, now)
        return self._posted(request, now)

    def _error_in_ok(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        return outcome_of_answer(request.key, Answer(200, {"ids": False, "error": "The record could not be created"}))

    def _duplicate_500(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        self._posted(request, now)
        answer = Answer(500, {"error": 'duplicate key value violates unique constraint "document_key_once"'})
        return outcome_of_answer(request.key, answer)

    def _wrong_answer(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        posted = self._posted(request, now)
        return replace(posted, document=_neighbour(posted.document)) if posted.document else posted

    def _renumbered(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        posted = self._posted(request, now)
        provisional = f"TMP-{request.key.hex[-8:].upper()}"
        return replace(posted, document=provisional, answer={**posted.answer, "document": provisional}) if posted.document else posted

    def _stray_draft(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        draft = self._inner.leave_draft(request, now=now)
        answer = Answer(409, {"error": "The document was created but could not be posted", "draft": draft})
        return outcome_of_answer(request.key, answer)

    def _redated(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        return self._inner.commit_many([request], now=now, quirk=Quirk.REDATED)[0]

    def _taxed(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        return self._inner.commit_many([request], now=now, quirk=Quirk.TAXED)[0]

    def _posted(self, request: WriteRequest, now: datetime) -> WriteOutcome:
        return self._inner.commit_many([request], now=now)[0]

    # Everything that only reads ----------------------------------------------------------------------------------------

    def read(self, tool: str, company: str, arguments: Json) -> Json:
        """Return the result of a read tool."""
        self._require_up()
        return self._inner.read(tool, company, arguments)

    def observe(self, facts: Sequence[Fact]) -> list[str]:
        """Return the present value of each fact."""
        self._require_up()
        return self._inner.observe(facts)

    def find_many(self, keys: Sequence[uuid.UUID]) -> dict[uuid.UUID, WriteOutcome]:
        """Return what landed under these keys."""
        self._require_up()
        return self._inner.find_many(keys)

    def close_many(self, keys: Sequence[uuid.UUID], *, now: datetime) -> dict[uuid.UUID, WriteOutcome]:
        """Let nothing land under these keys any more; return what has landed under them."""
        self._require_up()
        return self._inner.close_many(keys, now=now)

    def open_many(self, keys: Sequence[uuid.UUID]) -> None:
        """Let something land under these keys again, once each."""
        self._require_up()
        self._inner.open_many(keys)

    def read_back_many(self, company: str, documents: Sequence[str]) -> dict[str, Json]:
        """Return the landed fields of each document."""
        self._require_up()
        return self._inner.read_back_many(company, documents)

    def extract(self, company: str, since: datetime | None, until: datetime) -> Iterator[Landed]:
        """Stream what landed."""
        self._require_up()
        return self._inner.extract(company, since, until)

    def extract_named(self, company: str, references: Sequence[str], until: datetime) -> Iterator[Landed]:
        """Stream what landed under these references."""
        self._require_up()
        return self._inner.extract_named(company, references, until)

    def account_usage(
        self, company: str, accounts: Sequence[str], pairs: Sequence[tuple[str, str]], *, since: date, until: date | None, bound: int
    ) -> AccountUsage:
        """Return how often accounts were posted to, and with which others."""
        self._require_up()
        return self._inner.account_usage(company, accounts, pairs, since=since, until=until, bound=bound)

    def vendor_classes(self, company: str, vendors: Sequence[str]) -> Mapping[str, str]:
        """Return the class of each vendor that has one."""
        self._require_up()
        return self._inner.vendor_classes(company, vendors)

    def trial_balance(self, company: str) -> Json:
        """Return the trial balance."""
        self._require_up()
        return self._inner.trial_balance(company)

    def companies(self) -> list[Json]:
        """Return the companies of this connection."""
        return self._inner.companies()

    def health(self) -> Json:
        """Return whether the ERP answers."""
        if FaultMode.DOWN in modes_on(self.name):
            return {"is_answering": False, "since": "", "detail": "Switched off on this page"}
        return self._inner.health()

    def _require_up(self) -> None:
        if FaultMode.DOWN in modes_on(self.name) and strikes(self.name, FaultMode.DOWN):
            raise ErpUnavailable(detail="The embedded ERP does not answer: connection refused.")


def _lost(request: WriteRequest, detail: str) -> WriteOutcome:
    return WriteOutcome(request.key, SendStatus.UNKNOWN, code="answer_lost", detail=detail)


def _neighbour(document: str) -> str:
    """Return the number before this one in its series: somebody else's document, if there is one."""
    head, _, number = document.rpartition("-")
    return f"{head}-{max(int(number) - 1, 0):0{len(number)}d}"
