"""The embedded ERP behind the port: SQL in a database of its own, where the ERP itself enforces each key (level A)."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from itertools import starmap
from typing import cast

from django.db import Error, InterfaceError, OperationalError, connections
from django.db.models import Q

from gateway.connectors import embedded_facts, embedded_reads
from gateway.errors import ErpUnavailable
from gateway.port import AccountUsage, AccountUse, Fact, Json, Landed, Level, SendStatus, WriteOutcome, WriteRequest
from kernel import clock
from kernel.canonical import parse_json
from kernel.errors import DomainError, FieldError, NotCanonical, ValidationFailed
from kernel.money import Money
from ledger import queries, services
from ledger.contracts import WriteResult
from ledger.models import Company, CustomerChange, Posting
from ledger.services import Quirk
from ledger.states import EntryKind

LEDGER = "ledger"
# SQLSTATE classes and codes after which PostgreSQL has rolled the transaction back for certain: serialization failure and
# deadlock (class 40), lock not available, statement timeout. Nothing of it is in the ledger, and it may be sent again.
ROLLED_BACK = ("40", "55P03", "57014")


class EmbeddedConnector:
    """The connection to the embedded ERP."""

    name = "embedded"
    title = "Embedded ERP"
    level = Level.A

    def read(self, tool: str, company: str, arguments: Json) -> Json:
        """Return the result of a read tool; raises NotVisible, ValidationFailed or ErpUnavailable."""
        with _available():
            try:
                return embedded_reads.read(tool, company, arguments)
            except ValidationFailed as error:
                errors = [FieldError(f"/arguments{item.path}", item.message, item.acceptable) for item in error.errors]
                raise ValidationFailed(detail=error.detail, errors=tuple(errors), data=error.data) from error

    def observe(self, facts: Sequence[Fact]) -> list[str]:
        """Return the present value of each fact as text, in order; one statement per kind of subject."""
        with _available():
            return embedded_facts.observe(facts)

    def commit_many(self, requests: Sequence[WriteRequest], *, now: datetime, quirk: Quirk = Quirk.NONE) -> list[WriteOutcome]:
        """Write all requests in one transaction with an outcome for each, in order; `quirk` is asked for by imitated faults only.

        Without a connection nothing was sent. An error while the transaction runs means that the outcome is unknown, unless
        PostgreSQL says that it rolled back and the ledger has no such key.
        """
        try:
            connections[LEDGER].ensure_connection()
        except (OperationalError, InterfaceError) as error:
            return [_not_sent(request.key, "erp_unreachable", _sentence(error)) for request in requests]
        parsed = {request.key: _parsed(request) for request in requests}
        sendable = [item for item in parsed.values() if isinstance(item, services.WriteRequest)]
        outcomes = {key: item for key, item in parsed.items() if isinstance(item, WriteOutcome)}
        try:
            results = services.execute_batch(sendable, now=now, quirk=quirk)
        except Error as error:
            return self._after_failure(requests, error)
        outcomes |= {result.key: _outcome(result) for result in results}
        return [outcomes[request.key] for request in requests]

    def leave_draft(self, request: WriteRequest, *, now: datetime) -> str:
        """A draft of the request stands in the ledger, unposted, as some ERPs leave one; return its number. For imitated faults only."""
        parsed = _parsed(request)
        return services.leave_draft(parsed, now=now).number if isinstance(parsed, services.WriteRequest) else ""

    def find_many(self, keys: Sequence[uuid.UUID]) -> dict[uuid.UUID, WriteOutcome]:
        """Return what landed under these keys; a key that is absent never landed."""
        with _available():
            return {key: _outcome(result) for key, result in queries.find_many(keys).items()}

    def close_many(self, keys: Sequence[uuid.UUID], *, now: datetime) -> dict[uuid.UUID, WriteOutcome]:
        """Let nothing land under these keys any more; return what has landed under them."""
        with _available():
            return {key: _outcome(result) for key, result in services.close_keys(keys, now=now).items()}

    def open_many(self, keys: Sequence[uuid.UUID]) -> None:
        """Let something land under these keys again, once each."""
        with _available():
            services.open_keys(keys)

    def read_back_many(self, company: str, documents: Sequence[str]) -> dict[str, Json]:
        """Return the landed fields of each document in the payload's vocabulary, with what only the ERP can tell."""
        if not documents:
            return {}
        with _available():
            found = queries.read_back_many([(company, document) for document in documents])
            postings = _postings(company, documents)
            changes = _changes(company, documents)
        return {
            document: {
                **cast("Mapping[str, object]", row["fields"]),
                **{name: row[name] for name in ("document", "tool", "total", "currency", "state", "reversed_by")},
                **{name: row[name] for name in ("written_by", "recorded_at", "content_digest")},
                # The payload's own reference is the orderer's; the proposal that the ERP carries is told apart.
                "proposal": row["reference"],
                "postings": postings.get(document, []),
                **changes.get(document, {}),
            }
            for (_, document), row in found.items()
        }

    def extract(self, company: str, since: datetime | None, until: datetime) -> Iterator[Landed]:
        """Stream every document written by our identity, or naming a proposal, sorted by reference (bytewise)."""
        with _available():
            yield from starmap(Landed, queries.stream(company=company, since=since, until=until))

    def extract_named(self, company: str, references: Sequence[str], until: datetime) -> Iterator[Landed]:
        """Stream the documents that name one of these references, sorted alike."""
        with _available():
            yield from starmap(Landed, queries.stream(company=company, since=None, until=until, references=references))

    def account_usage(
        self, company: str, accounts: Sequence[str], pairs: Sequence[tuple[str, str]], *, since: date, until: date | None, bound: int
    ) -> AccountUsage:
        """Return how often accounts were posted to, and with which others; counts stop at `bound`."""
        with _available():
            found = queries.account_usage(company=company, accounts=accounts, pairs=pairs, since=since, until=until, bound=bound)
        uses = {item.number: AccountUse(item.kind, item.role, item.postings) for item in found.accounts}
        return AccountUsage(found.postings, uses, found.pairs)

    def vendor_classes(self, company: str, vendors: Sequence[str]) -> Mapping[str, str]:
        """Return the class of each vendor that has one."""
        with _available():
            return queries.vendor_classes(company=company, vendors=vendors)

    def trial_balance(self, company: str) -> Json:
        """Return the trial balance: rows, totals and whether it balances."""
        with _available():
            return queries.get_trial_balance(company=company)

    def companies(self) -> list[Json]:
        """Return the companies of the ledger: code, name, currency."""
        with _available():
            return list(Company.objects.order_by("code").values("code", "name", "currency"))

    def health(self) -> Json:
        """Return whether the ledger's database answers, and since when it has been up."""
        try:
            with connections[LEDGER].cursor() as cursor:
                cursor.execute("SELECT pg_postmaster_start_time()")
                (since,) = cursor.fetchone()
        except (OperationalError, InterfaceError) as error:
            return {"is_answering": False, "since": "", "detail": _sentence(error)}
        return {"is_answering": True, "since": clock.wire_time(since), "detail": ""}

    def _after_failure(self, requests: Sequence[WriteRequest], error: Error) -> list[WriteOutcome]:
        state = getattr(error.__cause__, "sqlstate", None) or ""
        unknown = [WriteOutcome(request.key, SendStatus.UNKNOWN, code="answer_lost", detail=_sentence(error)) for request in requests]
        if not state.startswith(ROLLED_BACK):
            return unknown
        try:
            # Part of a batch may have been written singly before the one that failed.
            landed = self.find_many([request.key for request in requests])
        except ErpUnavailable:
            return unknown
        return [landed.get(request.key) or _not_sent(request.key, "rolled_back", _sentence(error)) for request in requests]


@contextmanager
def _available() -> Iterator[None]:
    """Turn a lost or refused connection into ErpUnavailable: a read changes nothing and may be repeated."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise ErpUnavailable(detail=f"The embedded ERP does not answer: {_sentence(error)}") from error


def _sentence(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__


def _not_sent(key: uuid.UUID, code: str, detail: str) -> WriteOutcome:
    return WriteOutcome(key, SendStatus.NOT_SENT, code=code, detail=detail, is_retryable=True)


def _parsed(request: WriteRequest) -> services.WriteRequest | WriteOutcome:
    """Return the ledger's request with the action's params, or the refusal of bytes that are no action."""
    try:
        action = parse_json(request.action_bytes)
        if not isinstance(action, Mapping) or not isinstance(action.get("params"), Mapping):
            raise NotCanonical(detail="The action has no params.")
    except DomainError as error:
        return WriteOutcome(request.key, SendStatus.REFUSED, code="invalid_action", detail=error.detail)
    params = cast("Mapping[str, object]", action["params"])
    return services.WriteRequest(request.key, request.tool, request.company, request.reference, params)


def _outcome(result: WriteResult) -> WriteOutcome:
    return WriteOutcome(
        key=result.key,
        status=SendStatus(result.status.value),
        document=result.document,
        answer=result.result,
        code=result.code,
        detail=result.detail,
        is_retryable=bool(result.result.get("retryable", False)) and not result.is_landed,
    )


def _postings(company: str, documents: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """Return what each document posted to the general ledger, in the vocabulary of a journal line."""
    own = Q(entry__kind=EntryKind.GENERAL, entry__number__in=documents) | Q(entry__document__in=documents)
    rows = (
        Posting.objects.filter(own, entry__company__code=company)
        .order_by("entry_id", "line_number")
        .values_list(
            "entry__document",
            "entry__number",
            "account__number",
            "cost_centre__code",
            "debit_minor",
            "credit_minor",
            "currency",
        )
    )
    result: dict[str, list[dict[str, str]]] = defaultdict(list)
    for document, number, account, cost_centre, debit, credit, currency in rows:
        amount = Money(debit or credit, currency).decimal_text()
        line = {"account": account, "debit" if debit else "credit": amount}
        result[document or number].append(line | ({"cost_centre": cost_centre} if cost_centre else {}))
    return result


def _changes(company: str, documents: Sequence[str]) -> dict[str, dict[str, object]]:
    """Return what a customer's fields were before each change, and the version the change led to."""
    rows = CustomerChange.objects.filter(company__code=company, number__in=documents)
    result: dict[str, dict[str, object]] = {}
    for row in rows:
        before: dict[str, object] = {}
        if row.credit_limit_minor_before is not None:
            before["credit_limit"] = Money(row.credit_limit_minor_before, row.currency).decimal_text()
        if row.payment_terms_days_before is not None:
            before["payment_terms_days"] = row.payment_terms_days_before
        if row.status_before is not None:
            before["status"] = row.status_before
        result[row.number] = {"before": before, "version": row.version_after}
    return result
