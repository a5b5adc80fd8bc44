"""What the gate puts into an evidence bundle: the route with its policy, the decisions, the pages as they were shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from approvals.evidence_decision import DecisionMembers
from approvals.models import Decision, Presentation, Route
from audit.bundle_parts import Composer, grouped
from kernel.canonical import canonical_bytes, parse_json
from kernel.clock import wire_time
from kernel.ids import Prefix, decode

ROUTE_SCHEMA = "countersign.gate.route/1"
DECISIONS_SCHEMA = "countersign.gate.decisions/1"


def gate_section(proposals: Sequence[str]) -> Composer:
    """Return what composes the gate's members of each of these proposals; none of one that was never routed."""
    keys = [decode(Prefix.PROPOSAL, proposal) for proposal in proposals]
    routes = Route.objects.select_related("policy").prefetch_related("steps__group").in_bulk(keys)
    pages = grouped(Presentation.objects.filter(proposal_id__in=keys).order_by("first_shown_at", "pk"), lambda row: row.proposal_id)
    rows = Decision.objects.select_related("presentation", "step", "delegation", "signature").defer("presentation__stored_bytes")
    decided = grouped(rows.filter(proposal_id__in=keys).order_by("decided_at", "pk"), lambda row: row.proposal_id)
    around = DecisionMembers(keys)

    def members_of(proposal: str) -> Mapping[str, bytes]:
        key = decode(Prefix.PROPOSAL, proposal)
        if (route := routes.get(key)) is None:
            return {}
        decisions, shown = decided.get(key, []), pages.get(key, [])
        found = {
            "gate/route.json": _route(route),
            "gate/route_as_found.json": bytes(route.snapshot_bytes),
            "gate/decisions.json": _decisions(decisions),
        }
        if route.policy.text_bytes:
            found["gate/policy.json"] = bytes(route.policy.text_bytes)
        for page in shown:
            found[f"proposal/presentation-{page.digest.removeprefix('sha256:')}.json"] = bytes(page.stored_bytes)
        return {**found, **around.of(key, decisions, shown)}

    return members_of


def _route(route: Route) -> bytes:
    snapshot = route.snapshot
    text = bytes(route.policy.text_bytes)
    return canonical_bytes(
        {
            "schema": ROUTE_SCHEMA,
            "automatic": route.is_automatic,
            "required_approvals": sum(step["min_approvals"] for step in snapshot["steps"]),
            "excluded": snapshot["excluded"],
            "reason": route.reason,
            "routed_minor": route.routed_minor,
            "currency": snapshot["currency"],
            "policy": snapshot["policy"],
            "policy_text": parse_json(text) if text else None,
            "row": snapshot["row"],
            "route_digest": route.digest,
            "created_at": wire_time(route.created_at),
            "steps": [
                {
                    "position": step.position,
                    "group": step.group.code,
                    "min_approvals": step.min_approvals,
                    "state": str(step.state),
                    "opened_at": wire_time(step.opened_at) if step.opened_at else "",
                    "satisfied_at": wire_time(step.satisfied_at) if step.satisfied_at else "",
                }
                for step in route.steps.all()
            ],
        }
    )


def _decisions(rows: Sequence[Decision]) -> bytes:
    return canonical_bytes(
        {
            "schema": DECISIONS_SCHEMA,
            "decisions": [
                {
                    "id": row.public_id,
                    "user": str(row.user_id),
                    "decision": str(row.kind),
                    "step": row.step.position,
                    "acting_for": "" if row.acting_for_id is None else str(row.acting_for_id),
                    "delegation": row.delegation.public_id if row.delegation else "",
                    "reason_code": row.reason_code,
                    "authentication": [str(method) for method in row.authentication],
                    "payload_digest": row.payload_digest,
                    "presentation_digest": row.presentation.digest,
                    "page_digest": row.presentation.page_digest,
                    "second_factor": row.second_factor,
                    "signed": row.signature_id is not None,
                    "shown_at": wire_time(row.shown_at),
                    "decided_at": wire_time(row.decided_at),
                }
                for row in rows
            ],
        }
    )
