"""Whether somebody may decide for somebody else: a pure function, stricter than deciding oneself in every point."""

from __future__ import annotations

from dataclasses import dataclass, replace

from approvals.policies import EXCLUSION_LABELS, Case, Membership, may_decide
from kernel.money import Money
from kernel.verdicts import Denied, Verdict


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a delegation allows beside companies, tools and dates; no limit of its own when None, every group when empty."""

    groups: frozenset[str]
    limit: Money | None


@dataclass(frozen=True, slots=True)
class Delegator:
    """The person whose right would be used, before the same proposal."""

    name: str
    has_permission: bool
    has_decided: bool
    exclusions: frozenset[str]
    membership: Membership | None


def may_decide_for(case: Case, delegator: Delegator, bounds: Bounds) -> Verdict:
    """Return whether the person of the case may decide by the delegator's right.

    Both must be approvers of the company and neither excluded; the right is used once, by whomever; the amount is within the
    delegator's limit and within the delegation's. So a delegation never widens what the delegator could do.
    """
    if delegator.has_decided:
        return Denied("already_decided", f"The right of {delegator.name} has been used on this proposal already; one right, one decision.")
    for reason, label in EXCLUSION_LABELS.items():
        if reason in delegator.exclusions:
            sentence = f"You would decide for {delegator.name}, who {_third(label)}; a delegate inherits that (SoD: {reason})."
            return Denied(f"sod_{reason}", sentence, "another person of the group decides")
    if not delegator.has_permission:
        return Denied("permission_denied", f"{delegator.name}, for whom you would decide, may not decide in this company.")
    verdict = may_decide(replace(case, membership=delegator.membership))
    if isinstance(verdict, Denied) and verdict.code == "over_limit" and delegator.membership is not None:
        limit = delegator.membership.limit
        return replace(verdict, reason=f"{delegator.name}'s limit in {delegator.membership.group_title} is {limit}; this is {case.amount}.")
    if isinstance(verdict, Denied):
        return verdict
    if bounds.limit is not None and not Membership("", bounds.limit).covers(case.amount):
        return Denied(
            "over_limit",
            f"{delegator.name} delegated to you up to {bounds.limit}; this proposal counts as {case.amount}.",
            acceptable=f"up to {bounds.limit}",
            observed=str(case.amount),
        )
    return verdict


def _third(label: str) -> str:
    """Return an exclusion's label as the end of a relative clause about the person: the agent acted on their behalf."""
    return f"is excluded because {label}" if label.startswith("the agent") else label
