"""UUIDv7 keys inside, type-prefixed TypeIDs at every border.

The clients are language models that copy identifiers around: an identifier of the wrong kind must fail when it is parsed.
"""

from __future__ import annotations

import uuid
from enum import StrEnum

import uuid_utils.compat
from typeid import TypeID
from typeid.errors import TypeIDException

from kernel.errors import InvalidIdentifier

# Crockford's alphabet in lower case, as the TypeID specification has it.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)


class Prefix(StrEnum):
    """The kinds of identifier that leave the product."""

    AGENT = "agent"
    ATTACHMENT = "attach"
    ATTEMPT = "att"
    BREAK = "brk"
    BUNDLE = "bundle"
    BULK = "bulk"
    COMMIT = "cmt"
    CEREMONY = "cer"
    CREDENTIAL = "cred"
    DECISION = "dec"
    DISPOSAL = "disp"
    DELEGATION = "dlg"
    EVENT = "evt"
    FEDERATED = "fedc"
    GRANT = "grant"
    HOLD = "hold"
    ISSUER = "issuer"
    MESSAGE = "msg"
    POLICY = "pol"
    PROPOSAL = "prop"
    READ = "read"
    REVIEW = "review"
    RULE_RUN = "jrun"
    RUN = "run"
    SAMPLE = "smp"


def new_id() -> uuid.UUID:
    """Return a new UUIDv7: unique, and ordered by creation time to the millisecond."""
    return uuid_utils.compat.uuid7()


def encode(prefix: Prefix, key: uuid.UUID) -> str:
    """Return the TypeID of `key`, e.g. prop_01kas8v3q2f0ynh5tq3n8rzd1c."""
    return encode_number(prefix.value, key.int)


def encode_number(prefix: str, number: int) -> str:
    """Return the TypeID of the key with this value: 26 digits of five bits, two at a time, because reconciliation makes a million."""
    return (
        f"{prefix}_{PAIRS[number >> 120]}{PAIRS[number >> 110 & 1023]}{PAIRS[number >> 100 & 1023]}{PAIRS[number >> 90 & 1023]}"
        f"{PAIRS[number >> 80 & 1023]}{PAIRS[number >> 70 & 1023]}{PAIRS[number >> 60 & 1023]}{PAIRS[number >> 50 & 1023]}"
        f"{PAIRS[number >> 40 & 1023]}{PAIRS[number >> 30 & 1023]}{PAIRS[number >> 20 & 1023]}{PAIRS[number >> 10 & 1023]}"
        f"{PAIRS[number & 1023]}"
    )


def decode(prefix: Prefix, text: str) -> uuid.UUID:
    """Return the key behind a TypeID of the expected kind; raises InvalidIdentifier naming both kinds."""
    try:
        parsed = TypeID.from_string(text)
    except (TypeIDException, ValueError) as error:
        raise InvalidIdentifier(detail=f"{text[:80]!r} is not an identifier; expected one that starts with {prefix.value}_.") from error
    if parsed.prefix != prefix.value:
        found = parsed.prefix or "nameless kind"
        raise InvalidIdentifier(detail=f"{text[:80]!r} identifies a {found}; expected one that starts with {prefix.value}_.")
    return uuid.UUID(str(parsed.uuid))
