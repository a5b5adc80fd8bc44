"""What a comparison looks at and what it finds: values that stream, so that memory stays flat."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from commits.states import CommitState
from gateway.port import Json
from kernel.ids import Prefix, encode
from reconciliation.states import BreakKind


@dataclass(frozen=True, slots=True)
class Intended:
    """One commit with what its proposal intended; `reference` is the proposal's TypeID, the join key."""

    reference: str
    proposal_id: UUID
    commit_id: UUID
    state: CommitState
    settled_at: datetime | None
    lease_until: datetime | None
    first_sent_at: datetime | None
    tool: str
    amount_minor: int
    currency: str
    effective_on: date
    counterparty: str
    document: str
    content_digest: str
    difference_count: int

    def as_dict(self) -> dict[str, object]:
        """Return the form kept on a break."""
        return {
            "commit": encode(Prefix.COMMIT, self.commit_id),
            "state": str(self.state),
            "tool": self.tool,
            "document": self.document,
            "amount_minor": self.amount_minor,
            "currency": self.currency,
            "effective_on": self.effective_on.isoformat(),
            "counterparty": self.counterparty,
            "content_digest": self.content_digest,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, before it is a break."""

    kind: BreakKind
    company: str
    document: str
    amount_minor: int
    currency: str
    reference: str = ""
    proposal_id: UUID | None = None
    intended: Json | None = None
    landed: Json | None = None


@dataclass(slots=True)
class Tally:
    """Counts and totals per currency of both sides."""

    intended_count: int = 0
    landed_count: int = 0
    matched_count: int = 0
    intended_totals: dict[str, int] = field(default_factory=dict)
    landed_totals: dict[str, int] = field(default_factory=dict)

    def add_intended(self, minor: int, currency: str) -> None:
        """Count one write that was to land."""
        self.intended_count += 1
        self.intended_totals[currency] = self.intended_totals.get(currency, 0) + minor

    def add_landed(self, minor: int, currency: str) -> None:
        """Count one document that landed."""
        self.landed_count += 1
        self.landed_totals[currency] = self.landed_totals.get(currency, 0) + minor
