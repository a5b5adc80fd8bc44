"""Material drift: the same approvers are asked again, about nothing but what drifted.

An approval is bound to a digest, and the facts it leaned on are part of it. So what drifted makes a new version of the proposal: the same
payload over the facts as they are now, on the route that the first one got. Earlier decisions stay where they were made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Model

import audit.services
from approvals.calendars.queries import due_of
from approvals.events import GateEvent
from approvals.flags.flagger import Flagged, Flagger, store_flags
from approvals.flags.observing import observe
from approvals.gate import ROUTER, gate_facts
from approvals.matrix.models import StepGroup
from approvals.matrix.rate_checks import converted_again
from approvals.matrix.rates import Conversion
from approvals.models import Exclusion, Route, RouteStep
from approvals.policies import EXCLUSION_LABELS
from approvals.queries.authority import Excluded
from approvals.routing import ROUTE_PURPOSE, band_text, is_in_band
from approvals.states import StepState
from audit.records import NewEvent
from gateway.catalogue import get_write_tool
from gateway.preconditions import Check
from identity.models import Grant
from kernel.actors import Actor
from kernel.canonical import canonical_bytes, digest_of_bytes
from kernel.ids import Prefix, encode, new_id
from kernel.money import Money
from kernel.queue import wake
from proposals import services as proposals
from proposals.gate import Asked, Draft
from proposals.models import Proposal
from proposals.queries import effect_of
from proposals.subjects import subject_of

CODE = "material_drift"
REASON = "Back to the same approvers, because what its approval leaned on has drifted. First routed so: "


def observe_again(keys: Sequence[UUID], now: datetime) -> dict[UUID, Mapping[str, object]]:
    """Return what the rules need of the ERP to hold these proposals against them once more; never call this inside a transaction.

    An ERP that does not answer refuses nothing: the rules that need its answer are then not tested.
    """
    found = list(Proposal.objects.filter(pk__in=keys)) if keys else []
    asked = [Asked(get_write_tool(item.tool), item.company, effect_of(item), item.payload, now) for item in found]
    return {item.pk: seen for item, seen in zip(found, observe(asked), strict=True)}


def ask_again(
    *,
    proposal: Proposal,
    checks: Sequence[Check],
    reason: str,
    actor: Actor,
    now: datetime,
    observed: Mapping[str, object] | None = None,
) -> Proposal | None:
    """An approved proposal, locked by the caller, is voided, and its approvers are asked about a version that names what drifted.

    `checks` are the stored preconditions with their values now, `observed` is what `observe_again` told: that version is held against
    the rules like any other, and has flags of its own. Returns that version; None when nobody was asked the first time, because the
    policy approved by itself, or when the amount has left the band of the policy's row with the exchange rate: then its agent is told to
    propose a revision, and what the policy makes of that is another matter. Joins the caller's transaction.
    """
    drift = [check.as_dict() for check in checks if not check.is_holding]
    route = Route.objects.select_related("policy", "row").filter(proposal=proposal).first()
    counts_as = converted_again(route, proposal.amount, checks) if route is not None else None
    why = _why_not_the_same_people(route, counts_as)
    if route is None or why is not None:
        advice = f"{reason} {why or ''}".rstrip() + " Propose a revision that supersedes it."
        proposals.void(proposal=proposal, actor=actor, now=now, code=CODE, reason=advice, differences=drift)
        return None
    key = new_id()
    said = f"{reason} Its approvers are asked again about {encode(Prefix.PROPOSAL, key)}, which takes its place: follow that one."
    proposals.void(proposal=proposal, actor=actor, now=now, code=CODE, reason=said, differences=drift)
    # What was voided is no past of the version that takes its place, which is not stored yet.
    flagged = _flagged(proposal, route, observed or {}, now)
    renewal = proposals.renew(proposal=proposal, key=key, checks=checks, actor=ROUTER, now=now)
    store_flags([(renewal.proposal, flagged)], now)
    routed = _rerouted(route, renewal.proposal, flagged, counts_as, now=now)
    audit.services.record_many([*renewal.events, routed], new_chains={subject_of(renewal.proposal).chain})
    wake("proposed", renewal.proposal.public_id)
    return renewal.proposal


def _why_not_the_same_people(route: Route | None, counts_as: tuple[Money, Conversion] | None) -> str | None:
    """Return why nobody can be asked again about the same route, "" where there is nothing to say about it; None when they can."""
    if route is None or route.is_automatic:
        return ""
    if counts_as is None or is_in_band(route.row, counts_as[0]):
        return None
    return f"It counts as {counts_as[0]} now, outside of {band_text(route.row)}, for which it was routed."


def _flagged(proposal: Proposal, route: Route, observed: Mapping[str, object], now: datetime) -> Flagged:
    """Return what the rules say about the write as it would be proposed now; the limits are those of the policy that routed it."""
    draft = Draft(
        agent=proposal.agent,
        tool=get_write_tool(proposal.tool),
        company=proposal.company,
        effect=effect_of(proposal),
        on_behalf_of=proposal.on_behalf_of_id,
        credential_thumbprint=proposal.credential_thumbprint,
        grant=Grant.objects.get(pk=route.snapshot["grant"]),
        compensates=proposal.compensates,
        supersedes=proposal,
        is_log_only=proposal.is_log_only,
        now=now,
        params=proposal.payload,
        observed=observed,
        is_asked_again=True,
    )
    return Flagger([draft]).of(draft, route.policy)


def _rerouted(route: Route, proposal: Proposal, flagged: Flagged, counts_as: tuple[Money, Conversion] | None, *, now: datetime) -> NewEvent:
    """Give the new version the steps, groups and exclusions of the old one, and return the gate's event.

    With a rate that drifted it counts as another amount, which limits of people are held against.
    """
    reason = f"{REASON}{route.reason.removeprefix(REASON)}"
    snapshot = route.snapshot | {"proposal": proposal.public_id, "payload_digest": proposal.payload_digest, "reason": reason}
    new = Route(proposal=proposal, **_copied(route, "proposal", "reason", "snapshot_bytes", "digest", "created_at"))
    if counts_as is not None:
        new.routed_minor = counts_as[0].minor
        snapshot |= {"routed_minor": new.routed_minor, "conversion": counts_as[1].as_dict()}
    stored = canonical_bytes(snapshot)
    digest = digest_of_bytes(ROUTE_PURPOSE, stored)
    new.reason, new.snapshot_bytes, new.digest, new.created_at = reason, stored, digest, now
    new.save(force_insert=True)
    for step in RouteStep.objects.filter(route=route).order_by("position"):
        is_first = step.position == 1
        state = {
            "state": StepState.OPEN if is_first else StepState.WAITING,
            "opened_at": now if is_first else None,
            "due_at": due_of(proposal, step.due_days, now) if is_first else None,
        }
        fresh = _copied(step, "id", "route", "state", "opened_at", "satisfied_at", "due_at", "escalated_at")
        again = RouteStep.objects.create(route=new, **state, **fresh)
        StepGroup.objects.bulk_create([StepGroup(step=again, group_id=item.group_id) for item in StepGroup.objects.filter(step=step)])
    kept_out = Exclusion.objects.filter(route=route).select_related("user")
    Exclusion.objects.bulk_create([Exclusion(route=new, user_id=item.user_id, reason=item.reason) for item in kept_out])
    return NewEvent(
        kind=GateEvent.ROUTED,
        actor=ROUTER,
        subject=subject_of(proposal),
        now=now,
        gate=gate_facts(
            new,
            required=sum(step["min_approvals"] for step in snapshot["steps"]),
            excluded=[Excluded(item.user_id, item.reason) for item in kept_out if item.reason in EXCLUSION_LABELS],
            compensates=proposal.compensates,
        )
        | {"rules": flagged.gate_facts()},
        action_digest=proposal.payload_digest,
        payload={"reason": reason},
    )


def _copied(row: Model, *but: str) -> dict[str, object]:
    """Return the columns of a row but those named, ready for another row."""
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields if field.name not in but}
