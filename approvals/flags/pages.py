"""Thresholds as a page shows them: each rule with its values, each version with who wrote and who activated it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields

from django.contrib.auth.models import User

from approvals.flags.models import ThresholdSet
from approvals.rules import RULES, Thresholds
from approvals.rules.thresholds import CALENDAR_FIELDS
from identity.permissions import Permission, companies_with
from kernel.display import Moment, at, maybe_at

SETTABLE = tuple(item.name for item in dataclass_fields(Thresholds) if item.name not in CALENDAR_FIELDS)
LABELS = {
    "round_unit": "Round unit",
    "round_from": "Round amounts from",
    "period_end_days": "Last days of a month",
    "period_end_from": "Month's end, amounts from",
    "close_grace_days": "Days to close a month",
    "back_days": "Days back",
    "future_days": "Days ahead",
    "usage_days": "Days looked back",
    "usage_postings_from": "Postings the ERP must have",
    "seldom_uses": "Seldom: fewer postings than",
    "pair_uses": "Unusual: pair met fewer times than",
    "first_use_after": "First use, after so many writes",
    "description_length": "Letters a description needs",
    "boilerplate": "Phrases that fit everything",
    "cluster_count": "Cluster: so many",
    "cluster_days": "Cluster: within days",
    "cluster_percent": "Cluster: per cent below the limit",
    "duplicate_days": "Duplicate within days",
    "sensitive_kinds": "Sensitive kinds of account",
    "sensitive_roles": "Sensitive roles of account",
    "cash_accounts": "Cash accounts",
    "revenue_accounts": "Revenue accounts",
    "intercompany_accounts": "Intercompany accounts",
    "suspense_accounts": "Suspense accounts",
    "outlier_z": "Outlier: robust z from",
    "outlier_from": "Outlier: earlier amounts needed",
    "fast_seconds": "Fast: decided within seconds",
    "bulk_count": "Bulk: so many approvals",
    "bulk_seconds": "Bulk: within seconds",
    "reversal_days": "Reversal within days",
}


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule with what it is held against here."""

    code: str
    title: str
    text: str
    version: int
    values: str
    where: str


@dataclass(frozen=True, slots=True)
class ValueField:
    """One value of the form."""

    name: str
    label: str
    value: str
    is_long: bool


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One version of a company's thresholds."""

    version: int
    company: str
    reason: str
    changed: str
    author: str
    created: Moment
    activated_by: str
    activated: Moment | str
    may_activate: bool


def rule_lines(found: Thresholds) -> list[RuleLine]:
    """Return each rule with its values."""
    values = found.as_dict()
    return [
        RuleLine(
            code=rule.code,
            title=rule.title,
            text=rule.text,
            version=rule.version,
            values="; ".join(f"{LABELS.get(name, name.replace('_', ' '))}: {values[name] or 'none'}" for name in rule.thresholds),
            where="At the gate and over a period" if rule.at_gate else "Over a period",
        )
        for rule in RULES
    ]


def fields(found: Thresholds) -> list[ValueField]:
    """Return the values that can be set, as they are."""
    values = found.as_dict()
    return [ValueField(name, LABELS[name], values[name], name == "boilerplate" or name.endswith("_accounts")) for name in SETTABLE]


def version_lines(company: str, person: User) -> Sequence[VersionLine]:
    """Return the newest versions of a company and of every company, with whether this person may activate each."""
    activating = companies_with(person, Permission.POLICY_ACTIVATE)
    rows = ThresholdSet.objects.filter(company__in=["", company]).select_related("author", "activated_by").order_by("-created_at")[:20]
    newest: dict[str, int] = {}
    for row in rows:
        if row.activated_at:
            newest[row.company] = max(newest.get(row.company, 0), row.version)
    return [
        VersionLine(
            version=row.version,
            company=row.company,
            reason=row.reason,
            changed=", ".join(LABELS.get(name, name) for name in sorted(row.values)) or "nothing: the defaults",
            author=_name(row.author),
            created=at(row.created_at),
            activated_by=_name(row.activated_by) if row.activated_by else "",
            activated=maybe_at(row.activated_at),
            may_activate=row.activated_at is None
            and row.version > newest.get(row.company, 0)
            and row.author_id != person.pk
            and bool(activating)
            and (not row.company or row.company in activating),
        )
        for row in rows
    ]


def _name(user: User) -> str:
    return user.get_full_name() or user.get_username()
