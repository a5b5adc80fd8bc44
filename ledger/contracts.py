"""What crosses the ledger's border: frozen values, no models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

# Who writes through the gate; everything else in `written_by` is the ERP's own staff.
GATE = "countersign"


class Tool(StrEnum):
    """The four writes that the ledger executes."""

    CREATE_PURCHASE_ORDER = "create_purchase_order"
    POST_JOURNAL_ENTRY = "post_journal_entry"
    RELEASE_INVENTORY = "release_inventory"
    UPDATE_CUSTOMER = "update_customer"


class WriteStatus(StrEnum):
    """What became of one request: its effect is there (now or from before), or nothing of it is."""

    POSTED = "posted"
    REPLAYED = "replayed"
    REFUSED = "refused"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One intended write. `key` is the idempotency key, `reference` the proposal's TypeID, `action` the approved payload."""

    key: UUID
    tool: str
    company: str
    reference: str
    action: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The ledger's answer to one request.

    `document` and `result` are set for posted and replayed requests. Refused ones carry a stable `code`, a sentence in
    `detail`, and in `result` the wire form `{"errors": [{"path", "message", "acceptable"}], "data": {…}, "retryable": bool}`.
    """

    key: UUID
    status: WriteStatus
    document: str = ""
    result: Mapping[str, object] = field(default_factory=dict)
    code: str = ""
    detail: str = ""

    @property
    def is_landed(self) -> bool:
        """Return whether the effect is in the ledger."""
        return self.status in {WriteStatus.POSTED, WriteStatus.REPLAYED}


@dataclass(frozen=True, slots=True)
class LandedDocument:
    """One document as it stands in the ledger, as reconciliation sees it.

    `key` is None where no idempotency record belongs to the document: for staff entries, and for orphans, which were written
    under the gate's identity without a key. `content_digest` (hex SHA-256) is computed from the stored rows at the time of
    asking: two answers differ exactly when the content changed in between.
    """

    company: str
    reference: str
    document: str
    tool: str
    key: UUID | None
    total_minor: int
    currency: str
    effective_on: date
    counterparty: str
    written_by: str
    state: str
    reversed_by: str
    recorded_at: datetime
    content_digest: str

    @property
    def is_staff(self) -> bool:
        """Return whether the ERP's own people wrote it."""
        return self.written_by != GATE


@dataclass(frozen=True, slots=True)
class FactQuery:
    """One fact to observe, e.g. FactQuery("budget_remaining", "DE01", ("4010", "2026")); queries.SUBJECT_PARTS names the kinds."""

    kind: str
    company: str
    subject: tuple[str, ...]
