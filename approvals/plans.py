"""From the active policy to a route for each draft: the row, the people, who is kept out; nothing is written here.

What is looked up for one draft serves the others of the same transaction, so a batch costs hardly more statements than one draft.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from approvals.errors import NoApprover
from approvals.models import Policy, PolicyRow
from approvals.policies import EXCLUSION_LABELS
from approvals.queries.authority import Excluded, Member, exclusions_for, members_of
from approvals.routing import (
    Match,
    Question,
    StepNeed,
    band_text,
    first_match,
    reason_text,
    step_rules,
    unsatisfiable_step,
)
from approvals.states import PolicyState
from identity.models import ApprovalGroup, Grant
from kernel.money import Money
from proposals.gate import Draft, Unroutable
from proposals.queries import rolling_sums


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step about to be stored, with the people who could be asked today."""

    group: ApprovalGroup
    need: StepNeed


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """Everything that storing the route needs of what planning found."""

    match: Match
    policy: Policy
    reason: str
    grant: Grant
    steps: tuple[PlannedStep, ...]
    excluded: tuple[Excluded, ...]


class Planner:
    """Finds a route for each of some drafts of one agent, in their order: a planned draft counts in the sums of the next."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        """Begin with nothing looked up."""
        self._drafts = drafts
        self._policy: Policy | None = None
        self._sums: dict[tuple[str, str, int], dict[str, int]] = {}
        self._planned: Counter[tuple[str, str, str]] = Counter()
        self._groups: dict[str, ApprovalGroup] | None = None
        self._members: dict[str, dict[int, list[Member]]] = {}
        self._excluded: dict[tuple[int | None, UUID, str, UUID | None], list[Excluded]] = {}

    def plan(self, draft: Draft) -> PlannedRoute:
        """Return the draft's route; raises Unroutable when no row covers it, NoApprover when too few people could ever decide."""
        policy = self._active_policy()
        match = self._match(policy, draft)
        excluded = self._exclusions(policy, draft)
        steps = self._steps(policy, match, draft.company, excluded)
        amount = draft.effect.amount
        self._planned[draft.tool.name, draft.effect.counterparty, amount.currency] += amount.minor
        reason = reason_text(match, amount)
        return PlannedRoute(match=match, policy=policy, reason=reason, grant=draft.grant, steps=steps, excluded=tuple(excluded))

    def _active_policy(self) -> Policy:
        if self._policy is None:
            self._policy = Policy.objects.filter(state=PolicyState.ACTIVE).defer("text_bytes").prefetch_related("rows").first()
        if self._policy is None:
            raise Unroutable(detail="No policy is active, so nothing can be routed; a controller has to activate one.")
        return self._policy

    def _match(self, policy: Policy, draft: Draft) -> Match:
        amount = draft.effect.amount
        rows = [row for row in policy.rows.all() if row.tool == draft.tool.name]
        sums: dict[int, int] = {}

        def earlier(days: int) -> int:
            if days not in sums:
                sums[days] = self._earlier(draft, days)
            return sums[days]

        question = Question(
            tool=draft.tool.name,
            company=draft.company,
            cost_centre=draft.effect.cost_centre,
            amount=amount,
            may_be_automatic=draft.tool.is_reversible and not draft.is_log_only and _is_within(draft.grant, amount),
        )
        match = first_match(rows, question, earlier)
        if match is None:
            raise _unroutable(policy, rows, question, sums)
        return match

    def _earlier(self, draft: Draft, days: int) -> int:
        """Return what was proposed before for the same counterparty: what the rows say, and what was planned since."""
        tool, counterparty, currency = draft.tool.name, draft.effect.counterparty, draft.effect.amount.currency
        key = (tool, currency, days)
        if key not in self._sums:
            self._sums[key] = rolling_sums(
                agent_id=draft.agent.pk,
                tool=tool,
                counterparties={other.effect.counterparty for other in self._drafts if other.tool.name == tool},
                currency=currency,
                since=draft.now - timedelta(days=days),
            )
        return self._sums[key].get(counterparty, 0) + self._planned[tool, counterparty, currency]

    def _exclusions(self, policy: Policy, draft: Draft) -> list[Excluded]:
        superseded_id = draft.supersedes.pk if draft.supersedes else None
        key = (draft.on_behalf_of, draft.grant.pk, draft.credential_thumbprint, superseded_id)
        if key not in self._excluded:
            self._excluded[key] = exclusions_for(
                agent=draft.agent,
                on_behalf_of=draft.on_behalf_of,
                grants=[draft.grant],
                credential_thumbprint=draft.credential_thumbprint,
                policy=policy,
                superseded_id=superseded_id,
            )
        return self._excluded[key]

    def _steps(self, policy: Policy, match: Match, company: str, excluded: Sequence[Excluded]) -> tuple[PlannedStep, ...]:
        """Return the steps with the people who could be asked; raises NoApprover when they could never all be satisfied."""
        rules = step_rules(match.row)
        if not rules:
            return ()
        groups = self._groups_of(policy)
        people = self._people(company, match.compared)
        out = frozenset(item.user_id for item in excluded)
        steps = []
        for position, rule in enumerate(rules, start=1):
            group = groups.get(rule["group"])
            if group is None:
                raise NoApprover(detail=f"{match.row.title} asks the group {rule['group']!r}, which no longer exists.")
            able = people.get(group.pk, frozenset()) - out
            need = StepNeed(position=position, group_title=group.title, min_approvals=rule["min_approvals"], people=able)
            steps.append(PlannedStep(group=group, need=need))
        short = unsatisfiable_step([step.need for step in steps])
        if short is not None:
            group = steps[short.position - 1].group
            kept_out = [item for item in excluded if item.user_id in people.get(group.pk, frozenset())]
            raise _no_approver(match, short, of=f"{short.position} of {len(steps)}", company=company, kept_out=kept_out)
        return tuple(steps)

    def _groups_of(self, policy: Policy) -> dict[str, ApprovalGroup]:
        if self._groups is None:
            codes = {rule["group"] for row in policy.rows.all() for rule in step_rules(row)}
            self._groups = {group.code: group for group in ApprovalGroup.objects.filter(code__in=codes)}
        return self._groups

    def _people(self, company: str, amount: Money) -> dict[int, frozenset[int]]:
        if company not in self._members:
            assert self._groups is not None
            self._members[company] = members_of([group.pk for group in self._groups.values()], company)
        return {
            group_id: frozenset(member.user_id for member in members if member.may_decide_on(amount))
            for group_id, members in self._members[company].items()
        }


def _is_within(grant: Grant, amount: Money) -> bool:
    return grant.ceiling_minor is not None and grant.currency == amount.currency and amount.minor <= grant.ceiling_minor


def _unroutable(policy: Policy, rows: Sequence[PolicyRow], question: Question, sums: Mapping[int, int]) -> Unroutable:
    where = f"{question.tool} of {question.amount} in {question.company}"
    rolling = {str(days): str(Money(total + question.amount.minor, question.amount.currency)) for days, total in sums.items()}
    asking = [row for row in rows if row.company in {"", question.company} and (question.may_be_automatic or not row.is_automatic)]
    bands = [
        {"band": band_text(row), "company": row.company, "cost_centre": row.cost_centre, "rolling_days": row.rolling_days} for row in asking
    ]
    if not asking:
        acceptable = f"Policy v{policy.version} has no row for {question.tool} in {question.company}."
    else:
        acceptable = "It covers " + "; ".join(dict.fromkeys(band_text(row) for row in asking)) + "."
        if any(rolling.values()):
            acceptable += " With what was proposed before, " + ", ".join(
                f"{total} count over {days} days" for days, total in rolling.items()
            )
            acceptable += "."
    return Unroutable(
        detail=f"No row of policy v{policy.version} covers {where}. {acceptable}",
        data={"policy_version": policy.version, "acceptable": bands, "rolling": rolling},
    )


def _no_approver(match: Match, short: StepNeed, *, of: str, company: str, kept_out: Sequence[Excluded]) -> NoApprover:
    why = ""
    if kept_out:
        labels = ", ".join(EXCLUSION_LABELS.get(reason, reason) for reason in sorted({item.reason for item in kept_out}))
        why = f"; {len({item.user_id for item in kept_out})} excluded by segregation of duties ({labels})"
    return NoApprover(
        detail=(
            f"{match.row.title} asks {short.min_approvals} of {short.group_title} in step {of}, but {len(short.people)} can decide"
            f" on {match.compared} in {company}{why}; one person decides once across all steps."
        ),
        data={
            "step": short.position,
            "group": short.group_title,
            "min_approvals": short.min_approvals,
            "able": len(short.people),
            "excluded": len({item.user_id for item in kept_out}),
        },
    )
