"""The kinds of audit event: one grammar, one registry.

Grammar: `<subject>:<action>`, both lower-case words joined by underscores, e.g. `proposal:proposed`, `commit:started`. The
subject is one of the families in `FAMILIES`; the action is a past participle: an event states what has happened.

Each app declares its kinds as a StrEnum in its `events.py` and registers it once in `AppConfig.ready`:
`register_kinds(ProposalEvent)`. A kind that nobody registered is refused when it is recorded, so a misspelt kind is found by
the first test that reaches it, not by the auditor.
"""

from __future__ import annotations

import re
from enum import StrEnum

FAMILIES = frozenset(
    {
        "agent", "approval", "bulk", "calendar", "commit", "compensation", "connector", "credential", "delegation", "erp",
        "evidence", "gate", "grant", "hold", "issuer", "log", "policy", "proposal", "read", "reconciliation", "retention", "review",
        "step_up", "token", "tool", "user", "webhook", "work",
    }
)  # fmt: skip
KIND_PATTERN = re.compile(r"^(?P<subject>[a-z]+(?:_[a-z]+)*):(?P<action>[a-z]+(?:_[a-z]+)*)$")
KIND_LENGTH_MAX = 80

_registered: dict[str, StrEnum] = {}


class UnknownKind(ValueError):
    """The kind breaks the grammar or was never registered: a defect in the recording code, not a refusal."""


def register_kinds(kinds: type[StrEnum]) -> None:
    """Make every member of `kinds` recordable; called once from AppConfig.ready.

    Raises UnknownKind when a member breaks the grammar, or when another enum already declares the same kind.
    """
    for kind in kinds:
        match = KIND_PATTERN.match(kind.value)
        if match is None or len(kind.value) > KIND_LENGTH_MAX:
            raise UnknownKind(f"{kind.value!r} is not <subject>:<action> in lower case, at most {KIND_LENGTH_MAX} long")
        if match["subject"] not in FAMILIES:
            raise UnknownKind(f"{kind.value!r} begins with none of the families {', '.join(sorted(FAMILIES))}")
        existing = _registered.get(kind.value)
        if existing is not None and type(existing).__qualname__ != kinds.__qualname__:
            raise UnknownKind(f"{kind.value!r} is declared by {type(existing).__name__} and by {kinds.__name__}")
        _registered[kind.value] = kind


def require_kind(kind: str) -> str:
    """Return the kind as plain text; raises UnknownKind unless it is registered."""
    text = str(kind)
    if text not in _registered:
        raise UnknownKind(f"{text!r} is not a registered kind of audit event; declare it in the app's events.py")
    return text


def registered_kinds() -> tuple[str, ...]:
    """Return every registered kind, sorted."""
    return tuple(sorted(_registered))
