"""Whom the steps of a row ask: groups, rules and people as they stand, shared by the gate, the tester and the backtest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from approvals.models import PolicyRow
from approvals.queries.authority import Member, members_of
from approvals.routing import StepNeed, StepRule, groups_of, rule_kind, step_rules, unsatisfiable_step
from approvals.states import StepRuleKind
from identity.models import ApprovalGroup
from kernel.display import counted
from kernel.money import Money


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step about to be stored, with the people who could be asked today.

    `need` counts all groups together; `needs` says it group by group, where the rule does.
    """

    group: ApprovalGroup
    further: tuple[ApprovalGroup, ...]
    rule: StepRuleKind
    per_group: int
    is_distinct: bool
    need: StepNeed
    needs: tuple[StepNeed, ...]
    due_days: int | None
    fallback: ApprovalGroup | None

    @property
    def title(self) -> str:
        """Return the groups by their titles."""
        return " and ".join(group.title for group in (self.group, *self.further))


@dataclass(frozen=True, slots=True)
class MissingGroup:
    """A step asks a group that no longer exists."""

    code: str


class Asking:
    """Looks up groups and members once for many questions."""

    def __init__(self, rows: Iterable[PolicyRow]) -> None:
        """Begin with the groups that these rows name."""
        rules = [rule for row in rows for rule in step_rules(row)]
        self._codes = {code for rule in rules for code in (*groups_of(rule), rule.get("fallback", "")) if code}
        self._groups: dict[str, ApprovalGroup] | None = None
        self._members: dict[str, dict[int, list[Member]]] = {}

    def groups(self) -> dict[str, ApprovalGroup]:
        """Return the groups by code."""
        if self._groups is None:
            self._groups = {group.code: group for group in ApprovalGroup.objects.filter(code__in=self._codes)}
        return self._groups

    def people(self, company: str, amount: Money) -> dict[int, frozenset[int]]:
        """Return, for each group, who could decide on this amount in this company."""
        if company not in self._members:
            self._members[company] = members_of([group.pk for group in self.groups().values()], company)
        return {
            group_id: frozenset(member.user_id for member in members if member.may_decide_on(amount))
            for group_id, members in self._members[company].items()
        }

    def steps(self, row: PolicyRow, company: str, amount: Money, out: frozenset[int]) -> tuple[PlannedStep, ...] | MissingGroup:
        """Return the row's steps with the people who could be asked, without those who are `out`."""
        people = self.people(company, amount) if row.steps else {}
        planned = []
        for position, rule in enumerate(step_rules(row), start=1):
            missing = next((code for code in groups_of(rule) if code not in self.groups()), None)
            if missing is not None:
                return MissingGroup(missing)
            planned.append(self._step(position, rule, people, out))
        return tuple(planned)

    def _step(self, position: int, rule: StepRule, people: dict[int, frozenset[int]], out: frozenset[int]) -> PlannedStep:
        first, *further = (self.groups()[code] for code in groups_of(rule))
        able = {group.pk: people.get(group.pk, frozenset()) - out for group in (first, *further)}
        everybody = frozenset().union(*able.values())
        kind, wanted, is_distinct = rule_kind(rule), rule["min_approvals"], rule.get("is_distinct", True)
        title = " and ".join(group.title for group in (first, *further))
        if kind is StepRuleKind.PER_GROUP:
            needs = tuple(StepNeed(position, group.title, wanted, able[group.pk]) for group in (first, *further))
            total = wanted * len(needs) if is_distinct else wanted
        else:
            total = {StepRuleKind.ANY: 1, StepRuleKind.ALL: max(len(everybody), wanted)}.get(kind, wanted)
            needs = (StepNeed(position, title, total, everybody),)
        return PlannedStep(
            group=first,
            further=tuple(further),
            rule=kind,
            per_group=wanted if kind is StepRuleKind.PER_GROUP else 0,
            is_distinct=is_distinct,
            need=StepNeed(position, title, total, everybody),
            needs=needs,
            due_days=rule.get("due_days"),
            fallback=self.groups().get(rule.get("fallback", "")),
        )


def first_short(steps: Sequence[PlannedStep]) -> StepNeed | None:
    """Return None when different people can satisfy every step, else what runs out of people first."""
    for step in steps:
        if not step.is_distinct:
            # One person may count for several groups: each group by itself has to have people enough.
            short = next((need for need in step.needs if len(need.people) < need.min_approvals), None)
            if short is not None:
                return short
    return unsatisfiable_step([need for step in steps for need in (step.needs if step.is_distinct else (step.need,))])


def rule_text(rule: StepRule, titles: dict[str, str]) -> str:
    """Return a step in words: Purchasing: 1 approval; any one of Purchasing or Finance; 1 of each of Purchasing and Finance."""
    names = [titles.get(code, code) for code in groups_of(rule)]
    kind, number = rule_kind(rule), rule["min_approvals"]
    if kind is StepRuleKind.ANY:
        text = f"{names[0]}: any one" if len(names) == 1 else f"any one of {' or '.join(names)}"
    elif kind is StepRuleKind.ALL:
        text = f"{' and '.join(names)}: everybody who may, at least {number}"
    elif kind is StepRuleKind.PER_GROUP:
        distinct = "" if rule.get("is_distinct", True) else ", one person may count for several"
        text = f"{number} of each of {' and '.join(names)}{distinct}"
    else:
        text = f"{' and '.join(names)}: {counted(number, 'approval', 'approvals')}"
    if days := rule.get("due_days"):
        text += f", within {counted(days, 'business day', 'business days')}"
    if fallback := rule.get("fallback"):
        text += f", then {titles.get(fallback, fallback)} as well"
    return text
