"""Whether the people who approved satisfy the rule of their step."""

from __future__ import annotations

from approvals.matrix.models import StepGroup
from approvals.models import Decision, RouteStep
from approvals.routing import StepNeed, unsatisfiable_step
from approvals.states import DecisionKind, StepRuleKind
from identity.models import ApprovalGroupMember


def is_satisfied(step: RouteStep, company: str) -> bool:
    """Return whether the step has its approvals; for so many of each group, whether they can be shared out among the groups.

    Once a step was escalated, whoever approves out of its fallback group may stand in for any of its groups: it is overdue because one of
    them does not answer. Not one person fewer is asked, and no approval from before counts for more than it was given for. The database
    asks the same of whoever says so (approvals_step_rule_holds).
    """
    given = Decision.objects.filter(step=step, kind=DecisionKind.APPROVE).values_list("user_id", "acting_for_id", "decided_at")
    approved_at = {acting_for or user: at for user, acting_for, at in given}
    if len(approved_at) < step.min_approvals:
        return False
    if step.rule != StepRuleKind.PER_GROUP:
        return True
    groups = [step.group_id, *StepGroup.objects.filter(step=step).values_list("group_id", flat=True)]
    fallback = step.fallback_group_id if step.escalated_at is not None else None
    asked = [*groups, *([fallback] if fallback is not None else [])]
    members = ApprovalGroupMember.objects.filter(group_id__in=asked, user_id__in=approved_at, companies__contains=[company])
    by_group: dict[int, set[int]] = {group: set() for group in groups}
    for group_id, user_id in members.values_list("group_id", "user_id"):
        is_standing_in = group_id == fallback and step.escalated_at is not None and approved_at[user_id] >= step.escalated_at
        for group, people in by_group.items():
            if group == group_id or is_standing_in:
                people.add(user_id)
    needs = [StepNeed(step.position, "", step.per_group, frozenset(found)) for found in by_group.values()]
    if step.is_distinct:
        return unsatisfiable_step(needs) is None
    return all(len(need.people) >= need.min_approvals for need in needs)
