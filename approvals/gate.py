"""The gate itself: routes by the active policy, stored with the submission, inside its transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from approvals.calendars.queries import Due
from approvals.events import ApprovalEvent, GateEvent
from approvals.finality import is_weighty
from approvals.flags.flagger import Flagged, Flagger, store_flags
from approvals.matrix.asking import PlannedStep
from approvals.matrix.models import StepGroup
from approvals.matrix.rate_checks import rate_preconditions
from approvals.models import PolicyRow, Route, RouteStep
from approvals.plans import PlannedRoute, Planner
from approvals.queries.authority import Excluded
from approvals.routing import ROUTE_PURPOSE, ROUTE_VERSION, step_rules
from approvals.states import RollingKey, StepRuleKind, StepState
from audit.finality import FINAL_WITH_SEAL
from audit.records import NewEvent
from kernel.actors import Actor
from kernel.canonical import canonical_bytes, digest_of_bytes
from kernel.queue import wake
from kernel.rows import insert_rows
from kernel.together import Together, send_gathered, write
from proposals.gate import Draft, Plan
from proposals.models import Proposal
from proposals.services import Resolution, resolve_many
from proposals.states import ProposalState
from proposals.subjects import subject_of

ROUTER = Actor.system("gate")
# Several people are kept out of every proposal: as rows of the ORM they would cost more than everything else about a route.
INSERT_EXCLUSIONS = """
INSERT INTO approvals_exclusion (route_id, user_id, reason) SELECT * FROM unnest(%s::uuid[], %s::int[], %s::text[])
"""


class ApprovalGate:
    """Routes by the one active policy: no match is a refusal, never an approval."""

    def routing(self, drafts: Sequence[Draft]) -> PolicyRouting:
        """Return the routing of these drafts by the policy that is active now."""
        return PolicyRouting(drafts)


class PolicyRouting:
    """The routes of one transaction's submissions."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        """Begin with nothing looked up."""
        self._planner = Planner(drafts)
        self._flagger = Flagger(drafts)

    def ask(self, together: Together) -> None:
        """Ask with others what planning will look up anyway; whatever is not asked here is looked up when it is needed."""
        self._planner.ask(together)
        self._flagger.ask(together)

    def plan(self, draft: Draft) -> Plan:
        """Return the row and the people for the draft, writing nothing.

        Raises Unroutable when no row covers the draft, NoApprover when a row does but too few people could ever decide.
        """
        flagged = self._flagger.of(draft, self._planner.active_policy())
        planned = self._planner.plan(draft, flagged.codes)
        self._flagger.count(draft)
        return Plan(
            policy_version=planned.policy.version,
            row_id=planned.match.row.pk,
            route_version=ROUTE_VERSION,
            is_automatic=planned.match.row.is_automatic,
            data={"route": planned, "flags": flagged},
            preconditions=rate_preconditions(draft.company, planned.conversion),
        )

    def attach(self, planned: Sequence[tuple[Proposal, Plan]], now: datetime) -> list[NewEvent]:
        """Store the routes with their steps and exclusions; an automatic route also approves. Returns the events of both."""
        found = [(proposal, _planned(plan)) for proposal, plan in planned]
        routes = _store(found, now)
        flags = [_flagged(plan) for _, plan in planned]
        store_flags([(proposal, flagged) for (proposal, _), flagged in zip(planned, flags, strict=True)], now)
        events, resolutions = [], []
        for (proposal, route_plan), route, flagged in zip(found, routes, flags, strict=True):
            required = sum(step.need.min_approvals for step in route_plan.steps)
            event_gate = gate_facts(route, required=required, excluded=route_plan.excluded, compensates=proposal.compensates)
            event_gate |= {"rules": flagged.gate_facts()}
            events.append(
                NewEvent(
                    kind=GateEvent.ROUTED,
                    actor=ROUTER,
                    subject=subject_of(proposal),
                    now=now,
                    gate=event_gate,
                    action_digest=proposal.payload_digest,
                    payload={"reason": route_plan.reason},
                )
            )
            if route.is_automatic:
                resolutions.append(Resolution(proposal, gate={**event_gate, "outcome": "approved", "automatic": True}))
        if resolutions:
            events += resolve_many(resolutions=resolutions, to=ProposalState.APPROVED, actor=ROUTER, now=now, kind=ApprovalEvent.GRANTED)
            wake("approved")
        return events


def _planned(plan: Plan) -> PlannedRoute:
    planned = plan.data["route"]
    assert isinstance(planned, PlannedRoute)
    return planned


def _flagged(plan: Plan) -> Flagged:
    flagged = plan.data["flags"]
    assert isinstance(flagged, Flagged)
    return flagged


def _store(found: Sequence[tuple[Proposal, PlannedRoute]], now: datetime) -> list[Route]:
    """Insert the routes and what belongs to them, in order; three statements at most."""
    routes = [_route(proposal, planned, now) for proposal, planned in found]
    insert_rows(routes)
    due = Due({proposal.company for proposal, planned in found if planned.steps})
    asked = [(step, route) for (_, planned), route in zip(found, routes, strict=True) for step in planned.steps]
    if asked:
        # What guards the steps looks at the proposal and its route.
        send_gathered()
    rows = RouteStep.objects.bulk_create(
        RouteStep(
            route=route,
            position=step.need.position,
            group=step.group,
            min_approvals=step.need.min_approvals,
            rule=step.rule,
            per_group=step.per_group,
            is_distinct=step.is_distinct,
            due_days=step.due_days,
            fallback_group=step.fallback,
            state=StepState.OPEN if step.need.position == 1 else StepState.WAITING,
            opened_at=now if step.need.position == 1 else None,
            due_at=due.of(route.proposal, step.due_days, now) if step.need.position == 1 else None,
        )
        for step, route in asked
    )
    StepGroup.objects.bulk_create(
        StepGroup(step=row, group=group) for (step, _), row in zip(asked, rows, strict=True) for group in step.further
    )
    kept_out = [
        (route.pk, item.user_id, item.reason) for (_, planned), route in zip(found, routes, strict=True) for item in planned.excluded
    ]
    if kept_out:
        write(INSERT_EXCLUSIONS.strip(), [list(column) for column in zip(*kept_out, strict=True)])
    return routes


def _route(proposal: Proposal, planned: PlannedRoute, now: datetime) -> Route:
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
        "steps": [_step_text(step) for step in planned.steps],
        "excluded": [item.as_dict() for item in planned.excluded],
        **({"conversion": planned.conversion.as_dict()} if planned.conversion.rate is not None else {}),
        **({"flags": sorted(planned.flags)} if planned.flags else {}),
        **({"vendor_class": planned.vendor_class} if planned.vendor_class else {}),
    }
    stored = canonical_bytes(snapshot)
    return Route(
        proposal=proposal,
        policy=planned.policy,
        row=row,
        reason=planned.reason,
        routed_minor=planned.match.compared.minor,
        routed_currency=planned.match.compared.currency if planned.conversion.rate is not None else "",
        is_automatic=row.is_automatic,
        snapshot_bytes=stored,
        digest=digest_of_bytes(ROUTE_PURPOSE, stored),
        created_at=now,
    )


def _step_text(step: PlannedStep) -> dict[str, object]:
    """Return a step as the snapshot keeps it; what is usual is left out, so that a usual step reads as it always did."""
    text: dict[str, object] = {
        "position": step.need.position,
        "group": step.group.code,
        "title": step.title,
        "min_approvals": step.need.min_approvals,
        "people": [str(user_id) for user_id in sorted(step.need.people)],
    }
    if step.rule is not StepRuleKind.QUORUM:
        text["rule"] = str(step.rule)
    if step.further:
        text["further_groups"] = [group.code for group in step.further]
    if step.per_group:
        text |= {"per_group": step.per_group, "is_distinct": step.is_distinct}
    if step.due_days:
        text["due_days"] = step.due_days
    if step.fallback:
        text["fallback"] = step.fallback.code
    return text


def row_text(row: PolicyRow) -> dict[str, object]:
    """Return the row in the canonical form that policies, routes and bundles share; what is usual is left out."""
    unusual = {
        "account": row.account,
        "counterparty": row.counterparty,
        "vendor_class": row.vendor_class,
        "flags_required": list(row.flags_required),
        "flags_forbidden": list(row.flags_forbidden),
        "rolling_by": "" if row.rolling_by == RollingKey.COUNTERPARTY else str(row.rolling_by),
        "bulk_up_to_minor": row.bulk_up_to_minor,
        "step_up_from_minor": row.step_up_from_minor,
        "author": str(row.author_id) if row.author_id is not None else "",
    }
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
        "steps": [dict(rule) for rule in step_rules(row)],
        **{name: value for name, value in unusual.items() if value not in ("", [], None)},
    }


def gate_facts(route: Route, *, required: int, excluded: Sequence[Excluded], compensates: str) -> dict[str, object]:
    """Return the `gate` field of an event: which gate allowed it, in opaque ids, codes and digests only.

    `compensates` is what the proposal corrects: a compensating entry is final only with a sealed receipt.
    """
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
        **({"final": FINAL_WITH_SEAL} if is_weighty(route.routed_minor, route.row.step_up_from_minor, compensates) else {}),
    }
