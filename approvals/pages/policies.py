"""Versions of the authority matrix in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Count, QuerySet
from django.urls import reverse

from approvals.finality import finality_of_policy
from approvals.matrix.asking import rule_text
from approvals.matrix.editing import row_digest
from approvals.models import Policy, PolicyRow
from approvals.pages.words import POLICY_TAGS
from approvals.queries.rail import name_of
from approvals.routing import ROLLING_WORDS, condition_texts, step_rules
from approvals.services.matrix import has_written, own_policy_sentence
from approvals.states import PolicyState, RollingKey
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
    """One row of the matrix; the addresses are for whoever may change it."""

    id: int
    priority: int
    title: str
    tool: str
    company: str
    cost_centre: str
    from_amount: str
    up_to: str
    rolling: str
    conditions: Sequence[str]
    extras: Sequence[str]
    steps: Sequence[str]
    seen: str


@dataclass(frozen=True, slots=True)
class Tab:
    """One view of a version."""

    title: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that this person may do with this version; a disabled one says why not."""

    title: str
    url: str
    why_not: str = ""
    is_primary: bool = True


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """Everything the page of one version shows."""

    id: str
    title: str
    name: str
    tabs: Sequence[Tab]
    is_editable: bool
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


TABS = (
    ("Matrix", "policy"),
    ("Gaps and overlaps", "check_policy"),
    ("Try a write", "try_policy"),
    ("Difference", "compare_policy"),
    ("Backtest", "backtest_policy"),
)


def tabs_of(policy: Policy, current: str) -> list[Tab]:
    """Return the views of a version; `current` is the name of the one that is open."""
    return [Tab(title, reverse(f"approvals:{name}", args=[policy.public_id]), name == current) for title, name in TABS]


def group_titles() -> dict[str, str]:
    """Return the titles of the approval groups by their codes."""
    return dict(ApprovalGroup.objects.values_list("code", "title"))


def policy_page(policy: Policy, user: User) -> PolicyPage:
    """Return the matrix of one version, and what this person may do with it."""
    groups = group_titles()
    held = permissions_of(user)
    actions, why_not = _actions(policy, user, held)
    finality = finality_of_policy(policy)
    is_editable = policy.state == PolicyState.DRAFT and Permission.POLICY_EDIT in held
    editors = [name_of(editor.user) for editor in policy.editors.select_related("user") if editor.user_id != policy.author_id]
    return PolicyPage(
        id=policy.public_id,
        title=f"Policy v{policy.version}: {policy.title}",
        name=policy.title,
        tabs=tabs_of(policy, "policy"),
        is_editable=is_editable,
        version=policy.version,
        state=POLICY_TAGS[policy.state],
        note=NOTES[PolicyState(policy.state)],
        rows=[_row(row, groups) for row in policy.rows.all()],
        facts=(
            ("Author", name_of(policy.author)),
            *((("Also changed by", ", ".join(sorted(editors))),) if editors else ()),
            ("Written", at(policy.created_at)),
            ("Activated by", name_of(policy.activated_by) if policy.activated_by else "–"),
            ("Activated", maybe_at(policy.activated_at)),
            *((("Finality", finality.sentence),) if finality else ()),
            ("Retired", maybe_at(policy.retired_at)),
            ("Digest", policy.digest or "–"),
        ),
        actions=actions,
        why_not=why_not,
    )


def _row(row: PolicyRow, groups: dict[str, str]) -> MatrixRow:
    steps = [f"{number}. {rule_text(rule, groups)}" for number, rule in enumerate(step_rules(row), start=1)]
    per = ROLLING_WORDS[RollingKey(row.rolling_by)]
    extras = [
        f"in bulk up to {Money(row.bulk_up_to_minor, row.currency)}" if row.bulk_up_to_minor is not None else "",
        f"second factor from {Money(row.step_up_from_minor, row.currency)}" if row.step_up_from_minor is not None else "",
    ]
    return MatrixRow(
        id=row.pk,
        priority=row.priority,
        title=row.title,
        tool=row.tool,
        company=row.company or "any",
        cost_centre=row.cost_centre or "any",
        from_amount=str(Money(row.from_minor, row.currency)),
        up_to=str(Money(row.up_to_minor, row.currency)) if row.up_to_minor is not None else "no end",
        rolling=f"rolling sum of {counted(row.rolling_days, 'day', 'days')} counts{per}" if row.rolling_days else "",
        conditions=[text for text in condition_texts(row) if not text.startswith("cost centre")],
        extras=[text for text in extras if text],
        steps=steps or ["Nobody: approved automatically, within the grant, when it can be compensated"],
        seen=row_digest(row),
    )


def _actions(policy: Policy, user: User, held: frozenset[Permission]) -> tuple[list[Action], str]:
    """Return what this person may do; what a second person does is shown disabled to the authors, with the reason."""

    def url(name: str) -> str:
        return reverse(f"approvals:{name}", args=[policy.public_id])

    if policy.state == PolicyState.DRAFT and Permission.POLICY_EDIT in held:
        why_not = "" if policy.rows.exists() else "A policy without rows would route nothing; add a row first."
        return [Action("Submit for review", url("submit_policy"), why_not)], why_not
    if policy.state != PolicyState.REVIEW:
        return [], ""
    actions, why_not = [], ""
    if Permission.POLICY_EDIT in held:
        actions.append(Action("Back to draft", url("return_policy"), is_primary=False))
    if Permission.POLICY_ACTIVATE in held:
        why_not = own_policy_sentence(policy) if has_written(policy, user) else ""
        actions.append(Action("Activate", url("activate_policy"), why_not))
    return actions, why_not
