"""Classes of retention: which event belongs to which, how long each is kept unless a rule says otherwise, and the floor of all.

An event's payload is kept for the longest of its classes and of the holds on it. The event itself, its digest and its place in the
chain are never erased.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

# Six months and a day at least, of logs of an AI system, as far as they are under one's control (EU AI Act, Art 19(1) and 26(6)).
FLOOR_DAYS = 183
DAYS_MAX = 36_525


class RetentionClass(models.TextChoices):
    """Why something is kept."""

    AI_LOG = "ai_log", "Log of an AI system"
    FINANCIAL = "financial", "Financial record"
    CONTROL = "control", "Record of control"


@dataclass(frozen=True, slots=True)
class ClassTerms:
    """What a class covers, in words, and whether a request for erasure waits for its end."""

    covers: str
    is_obligation: bool


TERMS: Mapping[RetentionClass, ClassTerms] = {
    RetentionClass.AI_LOG: ClassTerms("Every event of the log.", is_obligation=False),
    RetentionClass.FINANCIAL: ClassTerms(
        "Events of proposals, reads, approvals, commits, the ERP, reconciliation and compensation.", is_obligation=True
    ),
    RetentionClass.CONTROL: ClassTerms(
        "Changes of agents, keys, grants, issuers, people's roles, policies, connectors, holds and retention.", is_obligation=True
    ),
}

FINANCIAL_FAMILIES = frozenset({"proposal", "read", "gate", "approval", "commit", "erp", "reconciliation", "compensation"})
CONTROL_FAMILIES = frozenset(
    {"agent", "credential", "grant", "issuer", "user", "policy", "connector", "hold", "retention", "evidence", "log"}
)
# A refused attempt that belongs to no proposal changed nothing: it is kept as the AI log is.
REFUSED = "refused"

FAMILY = "split_part(e.kind, ':', 1)"
ACTION = "split_part(e.kind, ':', 2)"


def _listed(families: frozenset[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(families))


IS_FINANCIAL = f"(e.proposal <> '' OR ({FAMILY} IN ({_listed(FINANCIAL_FAMILIES)}) AND {ACTION} <> '{REFUSED}'))"
IS_CONTROL = f"({FAMILY} IN ({_listed(CONTROL_FAMILIES)}) AND {ACTION} NOT LIKE '%%{REFUSED}')"


def classes_of(kind: str, proposal: str) -> frozenset[RetentionClass]:
    """Return the classes of an event; the SQL beside it says the same."""
    family, _, action = kind.partition(":")
    found = {RetentionClass.AI_LOG}
    if proposal or (family in FINANCIAL_FAMILIES and action != REFUSED):
        found.add(RetentionClass.FINANCIAL)
    if family in CONTROL_FAMILIES and not action.endswith(REFUSED):
        found.add(RetentionClass.CONTROL)
    return frozenset(found)


def default_days() -> dict[RetentionClass, int]:
    """Return how long each class is kept while no rule says otherwise."""
    kept = max(FLOOR_DAYS, int(settings.AUDIT_RETENTION_DAYS))
    return {RetentionClass.AI_LOG: min(365, kept), RetentionClass.FINANCIAL: kept, RetentionClass.CONTROL: kept}


def keeps_until(recorded_at: datetime, classes: frozenset[RetentionClass], days: Mapping[RetentionClass, int]) -> datetime:
    """Return when the last of the classes ends, holds apart."""
    return recorded_at + timedelta(days=max(days[name] for name in classes))
