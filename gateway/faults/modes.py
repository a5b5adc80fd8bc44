"""The fault modes by name, with what each does in words."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices


class FaultMode(TextChoices):
    """One way in which an ERP misbehaves. The order is the order in which they are tried on a write."""

    DOWN = "down", "Not reachable"
    RATE_LIMITED = "rate_limited", "Rate-limited"
    LOCKED = "locked", "503, could not obtain lock"
    NO_ANSWER = "no_answer", "No answer"
    COMMIT_THEN_DROP = "commit_then_drop", "Commits, then drops the connection"
    LATE_ANSWER = "late_answer", "Writes after we gave up waiting"
    SLOW = "slow", "Slow"
    DELIVERED_TWICE = "delivered_twice", "Gets the request twice"
    ERROR_IN_OK = "error_in_ok", "200 with an error body"
    DUPLICATE_500 = "duplicate_500", "500 on a duplicate"
    WRONG_ANSWER = "wrong_answer", "Answers with somebody else's document"
    RENUMBERED = "renumbered", "Renumbers at posting"
    STRAY_DRAFT = "stray_draft", "Refuses, and leaves a draft"
    REDATED = "redated", "Re-dates into the next open period"
    TAXED = "taxed", "Adds default tax"


# What the ERP does, and what anybody can then watch the engine do.
DESCRIPTIONS: Mapping[FaultMode, str] = {
    FaultMode.DOWN: "Refuses every connection, reads too. Nothing leaves; commits wait, and the breaker opens.",
    FaultMode.RATE_LIMITED: "Answers 429 with Retry-After. The whole connection waits as long as it was asked to.",
    FaultMode.LOCKED: "Rolls back and says so. The same bytes are sent again after a pause.",
    FaultMode.NO_ANSWER: "Takes the request, writes nothing, says nothing. Unknown; looked up by key, absent, sent again.",
    FaultMode.COMMIT_THEN_DROP: "Writes, then the connection breaks. Unknown; looked up by key, found, never sent again.",
    FaultMode.LATE_ANSWER: "Writes only when the second request is already under way. The key lets one of them land.",
    FaultMode.SLOW: "Takes two seconds. The lease outlives it, and nobody takes the commit over.",
    FaultMode.DELIVERED_TWICE: "Something between us sends the request twice. The key lets one of them land.",
    FaultMode.ERROR_IN_OK: "Says 200 with an error inside and writes nothing. No document, no success: looked up by key.",
    FaultMode.DUPLICATE_500: "Has the write already and says 500 with a unique violation. Looked up by key, found.",
    FaultMode.WRONG_ANSWER: "Writes, but names another document. Reading back finds that it is not ours; the key finds ours.",
    FaultMode.RENUMBERED: "Writes under another number than it says. The key finds the real one; the difference is a break.",
    FaultMode.STRAY_DRAFT: "Creates a document, refuses to post it, and keeps the draft. Failed, and the draft is named.",
    FaultMode.REDATED: "Writes with the first day of the next open period. Reading back finds it; the difference is a break.",
    FaultMode.TAXED: "Writes with 15% tax on top. Reading back finds it; the difference is a break.",
}
