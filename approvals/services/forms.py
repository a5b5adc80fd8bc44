"""What a decision's form carried, and what no state of the proposal could make acceptable about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from approvals.errors import ReasonRequired
from approvals.services import signing
from approvals.states import DecisionKind
from kernel.errors import FieldError, ValidationFailed

REASON_CODE_PATTERN = re.compile(r"^[a-z][a-z0-9_]{1,39}$")
COMMENT_LENGTH_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Submitted:
    """What the form carried."""

    kind: str
    payload_digest: str
    presentation_digest: str
    shown_at: datetime | None
    reason_code: str
    comment: str
    authentication: tuple[str, ...]
    factors: tuple[Mapping[str, object], ...] = ()
    answer: signing.Answer | None = None
    set_digest: str = ""
    set_signature: str = ""


def require_form(submitted: Submitted) -> None:
    """Raise ValidationFailed or ReasonRequired for what no state of the proposal could make acceptable."""
    if submitted.kind not in DecisionKind.values:
        acceptable = ", ".join(DecisionKind.values)
        raise ValidationFailed(
            detail=f"{submitted.kind[:40]!r} is not a decision.", errors=(FieldError("/kind", "not a decision", acceptable),)
        )
    if submitted.reason_code and not REASON_CODE_PATTERN.match(submitted.reason_code):
        raise ValidationFailed(
            detail="The reason code has another form.",
            errors=(FieldError("/reason_code", "not a reason code", "lower-case words joined by underscores"),),
        )
    if len(submitted.comment) > COMMENT_LENGTH_MAX:
        found, acceptable = f"{len(submitted.comment)} characters", f"up to {COMMENT_LENGTH_MAX} characters"
        raise ValidationFailed(detail=f"The comment has {found}.", errors=(FieldError("/comment", found, acceptable),))
    if submitted.kind != DecisionKind.APPROVE:
        require_reason(submitted, "Rejecting and requesting changes need")


def plain_words(text: str) -> str:
    """Return what was typed without a browser's line ends and without blanks around it."""
    return text.replace("\r\n", "\n").strip()


def require_reason(submitted: Submitted, what: str) -> None:
    """Raise ReasonRequired, naming the fields, unless there is a reason code and a comment."""
    given = {"reason_code": (submitted.reason_code, "a reason code"), "comment": (submitted.comment, "a sentence")}
    missing = tuple(FieldError(f"/{name}", "empty", acceptable) for name, (value, acceptable) in given.items() if not value)
    if missing:
        raise ReasonRequired(detail=f"{what} a reason code and a comment.", errors=missing)
