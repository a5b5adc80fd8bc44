"""The gate itself: from the active policy to a stored route, inside the submission's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from approvals.errors import NoApprover
from approvals.events import ApprovalEvent, GateEvent
from approvals.models import Exclusion, Policy, PolicyRow, Route, RouteStep
from approvals.policies import EXCLUSION_LABELS
from approvals.queries.authority import Excluded, exclusions_for, people_by_group
from approvals.routing import (
    ROUTE_PURPOSE,
    ROUTE_VERSION,
    Match,
    Question,
    StepNeed,
    band_text,
    first_match,
    reason_text,
    step_rules,
    unsatisfiable_step,
)
from approvals.states import PolicyState, StepState
from audit.services import record
from identity.models import ApprovalGroup, Grant
from kernel.actors import Actor
from kernel.canonical import canonical_bytes, digest_of_bytes
from kernel.money import Money
from kernel.queue import wake
from proposals.gate import Draft, Plan, Unroutable
from proposals.models import Proposal
from proposals.queries import rolling_sum
from proposals.services import resolve
from proposals.states import ProposalState
from proposals.subjects import subject_of

ROUTER = Actor.system("gate")


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step about to be stored, with the people who could be asked today."""

    group: ApprovalGroup
    need: StepNeed


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """Everything `attach` needs of what `plan` found."""

    match: Match
    policy: Policy
    reason: str
    grant: Grant
    steps: tuple[PlannedStep, ...]
    excluded: tuple[Excluded, ...]


class ApprovalGate:
    """Routes by the one active policy: no match is a refusal, never an approval."""

    def plan(self, draft: Draft) -> Plan:
        """Return the row and the people for the draft, writing nothing.

        Raises Unroutable when no row covers the draft, NoApprover when a row does but too few people could ever decide.
        """
        policy = Policy.objects.filter(state=PolicyState.ACTIVE).prefetch_related("rows").first()
        if policy is None:
            raise Unroutable(detail="No policy is active, so nothing can be routed; a controller has to activate one.")
        grant = Grant.objects.get(pk=draft.grant_id)
        match = _match(policy, draft, grant)
        excluded = exclusions_for(
            agent=draft.agent,
            on_behalf_of=draft.on_behalf_of,
            grants=[grant],
            credential_thumbprint=draft.credential_thumbprint,
            policy=policy,
            superseded_id=draft.supersedes.pk if draft.supersedes else None,
        )
        steps = _steps(match, draft.company, excluded)
        return Plan(
            policy_version=policy.version,
            row_id=match.row.pk,
            route_version=ROUTE_VERSION,
            is_automatic=match.row.is_automatic,
            data={
                "route": PlannedRoute(
                    match=match,
                    policy=policy,
                    reason=reason_text(match, draft.effect.amount),
                    grant=grant,
                    steps=steps,
                    excluded=tuple(excluded),
                )
            },
        )

    def attach(self, proposal: Proposal, plan: Plan, now: datetime) -> None:
        """Store the route with its steps and exclusions and record the gate event; an automatic route also approves."""
        planned = plan.data["route"]
        assert isinstance(planned, PlannedRoute)
        route = _store(proposal, planned, now)
        event_gate = gate_facts(route, required=sum(step.need.min_approvals for step in planned.steps), excluded=planned.excluded)
        record(
            kind=GateEvent.ROUTED,
            actor=ROUTER,
            subject=subject_of(proposal),
            now=now,
            gate=event_gate,
            action_digest=proposal.payload_digest,
            payload={"reason": planned.reason},
        )
        if plan.is_automatic:
            resolve(
                proposal=proposal,
                to=ProposalState.APPROVED,
                actor=ROUTER,
                now=now,
                kind=ApprovalEvent.GRANTED,
                outcome={"status": "approved"},
                gate={**event_gate, "outcome": "approved", "automatic": True},
            )
            wake("approved")


def _match(policy: Policy, draft: Draft, grant: Grant) -> Match:
    amount = draft.effect.amount
    rows = [row for row in policy.rows.all() if row.tool == draft.tool.name]
    sums: dict[int, int] = {}

    def earlier(days: int) -> int:
        if days not in sums:
            sums[days] = rolling_sum(
                agent_id=draft.agent.pk,
                tool=draft.tool.name,
                counterparty=draft.effect.counterparty,
                currency=amount.currency,
                since=draft.now - timedelta(days=days),
            )
        return sums[days]

    question = Question(
        tool=draft.tool.name,
        company=draft.company,
        cost_centre=draft.effect.cost_centre,
        amount=amount,
        may_be_automatic=draft.tool.is_reversible and not draft.is_log_only and _is_within(grant, amount),
    )
    match = first_match(rows, question, earlier)
    if match is None:
        raise _unroutable(policy, rows, question, sums)
    return match


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


def _steps(match: Match, company: str, excluded: Sequence[Excluded]) -> tuple[PlannedStep, ...]:
    """Return the steps with the people who could be asked; raises NoApprover when they could never all be satisfied."""
    rules = step_rules(match.row)
    if not rules:
        return ()
    groups = {group.code: group for group in ApprovalGroup.objects.filter(code__in=[rule["group"] for rule in rules])}
    people = people_by_group([group.pk for group in groups.values()], company, match.compared)
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


def _store(proposal: Proposal, planned: PlannedRoute, now: datetime) -> Route:
    row = planned.match.row
    snapshot = {
        "schema": ROUTE_PURPOSE,
        "proposal": proposal.public_id,
        "payload_digest": proposal.payload_digest,
        "policy": {
            "id": planned.policy.public_id,
            "version": planned.policy.version,
            "title": planned.policy.title,
            "digest": planned.policy.digest,
        },
        "row": row_text(row),
        "reason": planned.reason,
        "routed_minor": planned.match.compared.minor,
        "currency": planned.match.compared.currency,
        "grant": str(planned.grant.pk),
        "steps": [
            {
                "position": step.need.position,
                "group": step.group.code,
                "title": step.group.title,
                "min_approvals": step.need.min_approvals,
                "people": [str(user_id) for user_id in sorted(step.need.people)],
            }
            for step in planned.steps
        ],
        "excluded": [item.as_dict() for item in planned.excluded],
    }
    stored = canonical_bytes(snapshot)
    route = Route.objects.create(
        proposal=proposal,
        policy=planned.policy,
        row=row,
        reason=planned.reason,
        routed_minor=planned.match.compared.minor,
        is_automatic=row.is_automatic,
        snapshot_bytes=stored,
        digest=digest_of_bytes(ROUTE_PURPOSE, stored),
        created_at=now,
    )
    RouteStep.objects.bulk_create(
        RouteStep(
            route=route,
            position=step.need.position,
            group=step.group,
            min_approvals=step.need.min_approvals,
            state=StepState.OPEN if step.need.position == 1 else StepState.WAITING,
            opened_at=now if step.need.position == 1 else None,
        )
        for step in planned.steps
    )
    Exclusion.objects.bulk_create(Exclusion(route=route, user_id=item.user_id, reason=item.reason) for item in planned.excluded)
    return route


def row_text(row: PolicyRow) -> dict[str, object]:
    """Return the row in the canonical form that policies, routes and bundles share."""
    return {
        "priority": row.priority,
        "title": row.title,
        "tool": row.tool,
        "company": row.company,
        "cost_centre": row.cost_centre,
        "currency": row.currency,
        "from_minor": row.from_minor,
        "up_to_minor": row.up_to_minor,
        "rolling_days": row.rolling_days,
        "automatic": row.is_automatic,
        "steps": [{"group": rule["group"], "min_approvals": rule["min_approvals"]} for rule in step_rules(row)],
    }


def gate_facts(route: Route, *, required: int, excluded: Sequence[Excluded]) -> dict[str, object]:
    """Return the `gate` field of an event: which gate allowed it, in opaque ids, codes and digests only."""
    return {
        "policy": route.policy.public_id,
        "version": route.policy.version,
        "digest": route.policy.digest,
        "row": route.row.priority,
        "route_digest": route.digest,
        "outcome": "automatic" if route.is_automatic else "routed",
        "automatic": route.is_automatic,
        "approvals_required": required,
        "sod": [item.as_dict() for item in excluded],
    }
