"""The bodies that agents send, checked for form: types, bounds, no invisible text. What they mean is the tool's business."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field

from gateway.catalogue.shapes import HIDDEN
from gateway.catalogue.validation import validated
from kernel.errors import FieldError, ValidationFailed
from proposals.errors import IdempotencyKeyInvalid, IdempotencyKeyMissing

RATIONALE_LENGTH_MAX = 4000
READS_MAX = 50
BATCH_ITEMS_MAX = 500
KEY_LENGTH_MAX = 200
EXPIRY_SECONDS_MIN = 60
KEY_PATTERN = re.compile(rf"[!-~]{{1,{KEY_LENGTH_MAX}}}")

Identifier = Annotated[str, Field(min_length=1, max_length=60)]


class Body(BaseModel):
    """A request body: unknown fields are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ReadBody(Body):
    """The arguments of one read, in one company."""

    company: Annotated[str, Field(min_length=1, max_length=12)]
    arguments: dict[str, Any] = Field(default_factory=dict, description="As the tool's input schema says")


class ProposeBody(Body):
    """One intended write: which tool, where, what, resting on which reads, and why."""

    tool: Annotated[str, Field(min_length=1, max_length=64)]
    company: Annotated[str, Field(min_length=1, max_length=12)]
    payload: dict[str, Any] = Field(description="As the tool's input schema says; decimals and dates are strings")
    reads: list[Identifier] = Field(default_factory=list, max_length=READS_MAX, description="Read receipts this write rests on")
    rationale: str = Field(default="", max_length=RATIONALE_LENGTH_MAX, description="Why; shown as written by the agent")
    on_behalf_of: str | None = Field(
        default=None,
        min_length=1,
        max_length=150,
        description="Username or id of the person who asked, one the agent is registered to act for; may then not decide",
    )
    supersedes: Identifier | None = Field(default=None, description="The proposal that this one revises")
    expires_in_seconds: int | None = Field(default=None, description="Shorter life than the installation's")


class BatchItem(ProposeBody):
    """One proposal of a batch, under a key of its own."""

    idempotency_key: Annotated[str, Field(min_length=1, max_length=KEY_LENGTH_MAX)]


def parse_read(body: Mapping[str, object]) -> ReadBody:
    """Return the read body; raises ValidationFailed naming each field."""
    return validated(ReadBody, body, prefix="")


def parse_proposal(body: Mapping[str, object]) -> ProposeBody:
    """Return the proposal body; raises ValidationFailed naming each field."""
    parsed = validated(ProposeBody, body, prefix="")
    _check_rationale(parsed.rationale)
    _check_expiry(parsed.expires_in_seconds)
    return parsed


def parse_key(header: str | None, *, path: str = "Idempotency-Key") -> str:
    """Return the idempotency key of an RFC 8941 string (`"abc"`) or of a bare one (`abc`).

    Raises IdempotencyKeyMissing, or IdempotencyKeyInvalid for anything but 1 to 200 visible ASCII characters.
    """
    text = (header or "").strip()
    if not text:
        raise IdempotencyKeyMissing(
            detail=f"Make a key before you act, store it, send it as {path.strip('/')}, and send the same one when you repeat.",
            errors=(FieldError(path, "missing", f"1 to {KEY_LENGTH_MAX} visible ASCII characters"),),
        )
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = re.sub(r"\\([\"\\])", r"\1", text[1:-1])
    if not KEY_PATTERN.fullmatch(text):
        raise IdempotencyKeyInvalid(
            detail="The idempotency key is not 1 to 200 visible ASCII characters.",
            errors=(FieldError(path, "not acceptable", f"1 to {KEY_LENGTH_MAX} visible ASCII characters, no spaces"),),
        )
    return text


def _check_rationale(text: str) -> None:
    for position, character in enumerate(text):
        if character in "\n\t" or (character.isprintable() and ord(character) not in HIDDEN):
            continue
        message = f"character {position + 1} is a control or invisible character (U+{ord(character):04X})"
        raise ValidationFailed(
            detail=f"/rationale: {message}.", errors=(FieldError("/rationale", message, "visible text; line breaks are allowed"),)
        )


def _check_expiry(seconds: int | None) -> None:
    longest = settings.PROPOSAL_LIFETIME_HOURS * 3600
    if seconds is not None and not EXPIRY_SECONDS_MIN <= seconds <= longest:
        acceptable = f"{EXPIRY_SECONDS_MIN} to {longest}"
        message = f"{seconds} seconds is outside {acceptable}."
        raise ValidationFailed(detail=message, errors=(FieldError("/expires_in_seconds", message, acceptable),))
