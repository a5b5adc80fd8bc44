"""What an ERP's answer over HTTP proves about a write: one table for every connector that speaks HTTP.

An answer is believed only as far as it goes. A status from 200 to 299 proves a landing only with the number of a document in it; a 5xx
proves nothing, because a unique violation ("already there") looks like a crash; only what says by its own protocol that it was rolled
back, or never begun, may be sent again without a look.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from gateway.port import Json, SendStatus, WriteOutcome

RETRY_AFTER_SECONDS_MAX = 3600
DETAIL_LENGTH_MAX = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: HTTP status, parsed body, the number of the document in it if there is one, and Retry-After in seconds."""

    status: int
    body: Json = field(default_factory=dict)
    document: str = ""
    retry_after_seconds: int = 0


def outcome_of_answer(key: uuid.UUID, answer: Answer, *, is_rolled_back: bool = False) -> WriteOutcome:
    """Return what the answer proves; `is_rolled_back` when the ERP's protocol says so of a 5xx (Tryton's "could not obtain lock")."""
    detail = str(answer.body.get("error", answer.body.get("message", "")))[:DETAIL_LENGTH_MAX]
    said = f"HTTP {answer.status}" + (f": {detail}" if detail else "")
    if answer.status in (429, 503) and (answer.status == 429 or is_rolled_back or answer.retry_after_seconds):
        return WriteOutcome(
            key,
            SendStatus.NOT_SENT,
            code="rate_limited" if answer.status == 429 else "erp_busy",
            detail=said,
            is_retryable=True,
            retry_after_seconds=min(max(answer.retry_after_seconds, 0), RETRY_AFTER_SECONDS_MAX),
        )
    if answer.status >= 500 or answer.status in (408, 425):
        return WriteOutcome(key, SendStatus.UNKNOWN, code="erp_error", detail=said, answer=answer.body)
    if answer.status >= 400:
        return WriteOutcome(key, SendStatus.REFUSED, code="erp_refused", detail=said, answer=answer.body)
    if 200 <= answer.status < 300 and answer.document and "error" not in answer.body:
        return WriteOutcome(key, SendStatus.POSTED, document=answer.document, answer=answer.body)
    return WriteOutcome(key, SendStatus.UNKNOWN, code="answer_without_document", detail=said, answer=answer.body)
