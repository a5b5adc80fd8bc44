"""Versions of the authority matrix in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Count, QuerySet
from django.urls import reverse

from approvals.models import Policy, PolicyRow
from approvals.pages.words import POLICY_TAGS
from approvals.queries.rail import name_of
from approvals.routing import step_rules
from approvals.states import PolicyState
from identity.models import ApprovalGroup
from identity.permissions import Permission, permissions_of
from kernel.display import Moment, Tag, at, counted, maybe_at, short_digest
from kernel.money import Money


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One version in the list."""

    title: str
    url: str
    state: Tag
    digest: str
    row_count: str
    author: str
    activated_by: str
    activated: Moment | str


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One row of the matrix."""

    priority: int
    title: str
    tool: str
    company: str
    cost_centre: str
    from_amount: str
    up_to: str
    rolling: str
    steps: Sequence[str]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that this person may do with this version."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """Everything the page of one version shows."""

    title: str
    version: int
    state: Tag
    note: str
    rows: Sequence[MatrixRow]
    facts: Sequence[tuple[str, object]]
    actions: Sequence[Action]
    why_not: str


NOTES = {
    PolicyState.DRAFT: "Being written. Nothing is routed by it.",
    PolicyState.REVIEW: "Its text is fixed. A second person, not its author, activates it.",
    PolicyState.ACTIVE: "Every proposal submitted now is routed by this version.",
    PolicyState.RETIRED: "Replaced. Proposals routed by it keep their route.",
}


def versions() -> QuerySet[Policy]:
    """Return every version, newest first, with its number of rows."""
    return Policy.objects.select_related("author", "activated_by").annotate(row_count=Count("rows")).order_by("-version")


def policy_line(policy: Policy) -> PolicyLine:
    """Return one version as a line of the list."""
    return PolicyLine(
        title=f"v{policy.version} {policy.title}",
        url=reverse("approvals:policy", args=[policy.public_id]),
        state=POLICY_TAGS[policy.state],
        digest=short_digest(policy.digest) if policy.digest else "no digest while it is a draft",
        row_count=str(vars(policy)["row_count"]),
        author=name_of(policy.author),
        activated_by=name_of(policy.activated_by) if policy.activated_by else "–",
        activated=maybe_at(policy.activated_at),
    )


def policy_page(policy: Policy, user: User) -> PolicyPage:
    """Return the matrix of one version, and what this person may do with it."""
    groups = dict(ApprovalGroup.objects.values_list("code", "title"))
    actions, why_not = _actions(policy, user)
    return PolicyPage(
        title=f"Policy v{policy.version}: {policy.title}",
        version=policy.version,
        state=POLICY_TAGS[policy.state],
        note=NOTES[PolicyState(policy.state)],
        rows=[_row(row, groups) for row in policy.rows.all()],
        facts=(
            ("Author", name_of(policy.author)),
            ("Written", at(policy.created_at)),
            ("Activated by", name_of(policy.activated_by) if policy.activated_by else "–"),
            ("Activated", maybe_at(policy.activated_at)),
            ("Retired", maybe_at(policy.retired_at)),
            ("Digest", policy.digest or "–"),
        ),
        actions=actions,
        why_not=why_not,
    )


def _row(row: PolicyRow, groups: dict[str, str]) -> MatrixRow:
    steps = [
        f"{number}. {groups.get(rule['group'], rule['group'])}: {counted(rule['min_approvals'], 'approval', 'approvals')}"
        for number, rule in enumerate(step_rules(row), start=1)
    ]
    return MatrixRow(
        priority=row.priority,
        title=row.title,
        tool=row.tool,
        company=row.company or "any",
        cost_centre=row.cost_centre or "any",
        from_amount=str(Money(row.from_minor, row.currency)),
        up_to=str(Money(row.up_to_minor, row.currency)) if row.up_to_minor is not None else "no end",
        rolling=f"rolling sum of {counted(row.rolling_days, 'day', 'days')} counts" if row.rolling_days else "",
        steps=steps or ["Nobody: approved automatically, within the grant, when it can be compensated"],
    )


def _actions(policy: Policy, user: User) -> tuple[list[Action], str]:
    held = permissions_of(user)
    if policy.state == PolicyState.DRAFT and Permission.POLICY_EDIT in held:
        return [Action("Submit for review", reverse("approvals:submit_policy", args=[policy.public_id]))], ""
    if policy.state == PolicyState.REVIEW and Permission.POLICY_ACTIVATE in held:
        if policy.author_id == user.pk:
            return [], "You wrote this version, so somebody else activates it."
        return [Action("Activate", reverse("approvals:activate_policy", args=[policy.public_id]))], ""
    return [], ""
