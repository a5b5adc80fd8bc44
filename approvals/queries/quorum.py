"""Whether the people who approved satisfy the rule of their step."""

from __future__ import annotations

from approvals.matrix.models import StepGroup
from approvals.models import Decision, RouteStep
from approvals.routing import StepNeed, unsatisfiable_step
from approvals.states import DecisionKind, StepRuleKind
from identity.models import ApprovalGroupMember


def is_satisfied(step: RouteStep, company: str) -> bool:
    """Return whether the step has its approvals; for so many of each group, whether they can be shared out among the groups.

    The database asks the same of whoever says so (approvals_step_rule_holds).
    """
    given = Decision.objects.filter(step=step, kind=DecisionKind.APPROVE).values_list("user_id", "acting_for_id")
    people = {acting_for or user for user, acting_for in given}
    if len(people) < step.min_approvals:
        return False
    if step.rule != StepRuleKind.PER_GROUP:
        return True
    groups = [step.group_id, *StepGroup.objects.filter(step=step).values_list("group_id", flat=True)]
    members = ApprovalGroupMember.objects.filter(group_id__in=groups, user_id__in=people, companies__contains=[company])
    by_group: dict[int, set[int]] = {group: set() for group in groups}
    for group_id, user_id in members.values_list("group_id", "user_id"):
        by_group[group_id].add(user_id)
    needs = [StepNeed(step.position, "", step.per_group, frozenset(found)) for found in by_group.values()]
    if step.is_distinct:
        return unsatisfiable_step(needs) is None
    return all(len(need.people) >= need.min_approvals for need in needs)
