"""The shapes of answers, for the OpenAPI document; a test holds the real answers to them. Nothing here runs on the hot path."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from proposals.body import BATCH_ITEMS_MAX, BatchItem
from proposals.representation import STATUSES

Status = Literal[STATUSES]  # type: ignore[valid-type]


class Document(BaseModel):
    """An answer: exactly these fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class FieldProblem(Document):
    """One field that was not acceptable."""

    path: str = Field(description="JSON pointer into what was sent, or the name of a header or query parameter")
    message: str
    acceptable: str = Field(description="What would be taken instead; empty when nothing would")


class ProblemDocument(Document):
    """A refusal (RFC 9457); act on `code`, `errors` and `retryable`, not on the sentences."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    retryable: bool = Field(description="Whether the same request, unchanged, may succeed later")
    errors: list[FieldProblem]
    data: dict[str, Any] = Field(default_factory=dict, description="Typed values that belong to the code")


class FeedbackDocument(Document):
    """Why a proposal was refused, sent back or voided."""

    reason_code: str
    comment: str
    differences: list[dict[str, Any]] = Field(description="Facts that drifted, when drift voided the proposal")


class OutcomeDocument(Document):
    """What became of an approved proposal in the ERP."""

    document: str | None = Field(description="The ERP's document number")
    code: str | None
    detail: str | None
    data: dict[str, Any]


class SealedReceiptDocument(Document):
    """Where an event stands in the sealed log: its place, and the digest of that place in hexadecimal."""

    event: str
    sequence: int
    entry: str


class ProposalDocument(Document):
    """A proposal as its agent sees it."""

    id: str
    status: Status
    is_final: bool = Field(description="Whether waiting can't change the status any more")
    is_log_only: bool = Field(description="Decided like any other, never committed")
    tool: str
    tool_version: int
    company: str
    amount: str
    currency: str
    headline: str
    payload_digest: str
    created_at: str
    expires_at: str
    decided_at: str | None
    revision: int
    supersedes: str | None
    superseded_by: str | None
    reads: list[str]
    feedback: FeedbackDocument | None
    outcome: OutcomeDocument | None
    approval_receipt: SealedReceiptDocument | None = Field(
        description="Where its approval is sealed; from the step-up amount on, and of a compensating entry, it is final only with this"
    )


class ProposalPage(Document):
    """A page of proposals, newest first; give `next` as `cursor` for the page after it."""

    results: list[ProposalDocument]
    next: str | None


class ReadDocument(Document):
    """A read receipt with its result; cite `read_id` in the proposals that rest on it."""

    read_id: str
    tool: str
    tool_version: int
    company: str
    arguments: dict[str, Any]
    as_of: str
    digest: str
    result: dict[str, Any]


class GrantDocument(Document):
    """The bounds of a grant; an empty list bounds nothing."""

    state: Literal["log_only", "active"]
    companies: list[str]
    vendors: list[str]
    accounts: list[str]
    cost_centres: list[str]
    currency: str | None
    ceiling_per_write: str | None
    ceiling_per_day: str | None
    ceiling_per_30_days: str | None
    count_per_hour: int | None
    valid_until: str


class ToolSummary(Document):
    """A tool that this agent was granted."""

    name: str
    version: int
    title: str
    description: str
    kind: Literal["read", "write"]
    risk: Literal["low", "medium", "high", "privileged"]
    is_reversible: bool
    compensation: str
    grant: GrantDocument


class ToolDocument(ToolSummary):
    """A tool with the JSON Schemas of what it takes and gives."""

    input_schema: dict[str, Any]
    output_schema: dict[str, Any]


class ToolList(Document):
    """The tools that this agent was granted."""

    results: list[ToolSummary]


class BatchBody(Document):
    """Up to 500 proposals; each is taken or refused by itself."""

    items: list[BatchItem] = Field(min_length=1, max_length=BATCH_ITEMS_MAX)


class BatchResult(Document):
    """What became of one item: a proposal or a problem."""

    idempotency_key: str
    status: int = Field(description="The HTTP status this item would have had by itself")
    is_replay: bool
    proposal: ProposalDocument | None
    problem: ProblemDocument | None


class BatchDocument(Document):
    """The results, in the order of the items."""

    results: list[BatchResult]
