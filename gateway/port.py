"""The ERP port: what every connector offers, in this product's words; no ERP code above this line, no domain state below it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

Json = Mapping[str, object]
KEY_CLOSED = "key_closed"


class Level(StrEnum):
    """How honestly exactly-once is kept: A the ERP enforces the key, B the gate serialises, C a person confirms."""

    A = "A"
    B = "B"
    C = "C"


class SendStatus(StrEnum):
    """What became of one write that was handed to the ERP."""

    POSTED = "posted"
    REPLAYED = "replayed"
    REFUSED = "refused"
    CONFLICT = "conflict"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One write: the commit's id as key, the proposal's TypeID as reference, the approved action's bytes as they are."""

    key: uuid.UUID
    tool: str
    company: str
    reference: str
    action_bytes: bytes
    # The trace of the proposal, for `traceparent` in what is sent (kernel.tracing.carried_on).
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """The ERP's answer to one write; `document` is empty unless it landed, `retry_after_seconds` is what the ERP asked us to wait."""

    key: uuid.UUID
    status: SendStatus
    document: str = ""
    answer: Json = field(default_factory=dict)
    code: str = ""
    detail: str = ""
    is_retryable: bool = False
    retry_after_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Fact:
    """A question about the ERP's present state that can be asked again, e.g. period_status(company, on)."""

    name: str
    company: str
    arguments: Mapping[str, str]


class Landed(NamedTuple):
    """One document in the ERP, as reconciliation sees it; `reference` is the join key.

    A tuple, because reconciliation makes millions of them. `counterparty` and `content_digest` are empty where the ERP does not tell;
    `state` is "cancelled" for what no longer stands, `reversed_by` the document that reversed it.
    """

    reference: str
    document: str
    tool: str
    total_minor: int
    currency: str
    effective_on: date
    counterparty: str
    content_digest: str
    key: str
    written_by: str
    state: str = ""
    reversed_by: str = ""


class Connector(Protocol):
    """One ERP connection."""

    name: str
    title: str
    level: Level

    def read(self, tool: str, company: str, arguments: Json) -> Json:
        """Return the result of a read tool; raises NotVisible or ValidationFailed."""

    def observe(self, facts: Sequence[Fact]) -> list[str]:
        """Return the present value of each fact as text, in order; "absent" when its subject does not exist."""

    def commit_many(self, requests: Sequence[WriteRequest], *, now: datetime) -> list[WriteOutcome]:
        """Write each request at most once and return an outcome for each, in order; never raises for one item."""

    def find_many(self, keys: Sequence[uuid.UUID]) -> dict[uuid.UUID, WriteOutcome]:
        """Return what landed under these keys; a key that is absent never landed."""

    def close_many(self, keys: Sequence[uuid.UUID], *, now: datetime) -> dict[uuid.UUID, WriteOutcome]:
        """Let nothing land under these keys, as far as the ERP can be told (level A); return what has landed under them.

        A write under a closed key is refused with KEY_CLOSED.
        """

    def open_many(self, keys: Sequence[uuid.UUID]) -> None:
        """Let something land under these keys again, once each."""

    def read_back_many(self, company: str, documents: Sequence[str]) -> dict[str, Json]:
        """Return the landed fields of each document, in the vocabulary of the tool's payload."""

    def extract(self, company: str, since: datetime | None, until: datetime) -> Iterator[Landed]:
        """Stream every document written by our identities, or naming a proposal, sorted by reference (bytewise), then document.

        Those recorded before `until` and recorded or reversed since `since`; without `since` from the beginning.
        """

    def trial_balance(self, company: str) -> Json:
        """Return the trial balance: rows, totals and whether it balances."""

    def companies(self) -> list[Json]:
        """Return the companies of this connection: code, name, currency."""

    def health(self) -> Json:
        """Return whether the ERP answers, and since when."""


@dataclass(frozen=True, slots=True)
class AccountUse:
    """One account as the ERP tells it: its kind, what the ERP uses it for, and its postings in a window, up to a bound."""

    kind: str
    role: str
    postings: int


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """How accounts were used in a window: all postings of the company, each account asked for, each pair of debit and credit."""

    postings: int
    accounts: Mapping[str, AccountUse]
    pairs: Mapping[tuple[str, str], int]


@runtime_checkable
class TellsUsage(Protocol):
    """What a connector may offer beside: how often accounts are used, and with which others; rules about the unusual ask it."""

    def account_usage(
        self, company: str, accounts: Sequence[str], pairs: Sequence[tuple[str, str]], *, since: date, until: date | None, bound: int
    ) -> AccountUsage:
        """Return the usage from `since`, before `until`; counts may stop at `bound`."""


@runtime_checkable
class TellsVendorClass(Protocol):
    """What a connector may offer beside: the class in which the ERP keeps each vendor, for rows of the matrix that are for a class."""

    def vendor_classes(self, company: str, vendors: Sequence[str]) -> Mapping[str, str]:
        """Return the class of each vendor that has one; one question for all of them."""


@runtime_checkable
class ExtractsNamed(Protocol):
    """What a connector may offer beside: the documents under a few references, without walking through all of them."""

    def extract_named(self, company: str, references: Sequence[str], until: datetime) -> Iterator[Landed]:
        """Stream the documents that `extract` would, as far as they name one of these references."""
