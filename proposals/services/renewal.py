"""Asking again: what an approval leaned on has drifted, and the same intent stands anew, as a version that says what is different."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from audit.records import NewEvent
from gateway.preconditions import Check, Drift
from kernel.actors import Actor
from kernel.canonical import canonical_bytes, digest_of_bytes, parse_json
from kernel.clock import wire_time
from kernel.transitions import advance
from proposals.events import ProposalEvent
from proposals.models import Citation, Proposal
from proposals.services.storing import ACTION_SCHEMA
from proposals.services.telling import tell_states
from proposals.states import TRANSITIONS, ProposalState
from proposals.subjects import subject_of


@dataclass(frozen=True, slots=True)
class Renewal:
    """The version that takes a drifted proposal's place, and the events that tell of it."""

    proposal: Proposal
    events: Sequence[NewEvent]


def renew(*, proposal: Proposal, key: UUID, checks: Sequence[Check], actor: Actor, now: datetime) -> Renewal:
    """Return a pending proposal under `key` that supersedes one voided by drift in the same transaction, locked by the caller.

    Payload, reads, rationale and everything the ERP told at submission stay; the preconditions are captured again at the values of
    `checks`, which follow the order of the stored ones, so the payload digest is another and every earlier decision has fallen. Its
    facts name what drifted, and nothing else is new. The caller gives it its route, and records the events. Raises StateConflict.
    """
    advance(proposal, ProposalState.SUPERSEDED, transitions=TRANSITIONS)
    tell_states([proposal], now=now)
    expires_at = now + (proposal.expires_at - proposal.created_at)
    preconditions = [check.precondition.accepting(check.value).as_dict() for check in checks]
    action = {
        **cast("Mapping[str, object]", parse_json(bytes(proposal.action_bytes))),
        "preconditions": preconditions,
        "nonce": secrets.token_hex(16),
        "expires_at": wire_time(expires_at),
    }
    action_bytes = canonical_bytes(action)
    drift = [check.as_dict() for check in checks if check.drift is not Drift.NONE]
    successor = Proposal(
        id=key,
        **{name: getattr(proposal, name) for name in KEPT},
        # The agent made its key for its own intent; nobody can have guessed this one.
        idempotency_key=f"asked-again:{proposal.public_id}:{secrets.token_hex(8)}",
        action_bytes=action_bytes,
        payload_digest=digest_of_bytes(ACTION_SCHEMA, action_bytes),
        facts={**proposal.facts, "preconditions": preconditions, "drift": drift, "asked_again": proposal.public_id},
        preconditions=preconditions,
        revision=proposal.revision + 1,
        supersedes=proposal,
        created_at=now,
        expires_at=expires_at,
    )
    successor.save(force_insert=True)
    cited = list(Citation.objects.filter(proposal=proposal).select_related("read").order_by("position"))
    Citation.objects.bulk_create([Citation(proposal=successor, read_id=item.read_id, position=item.position) for item in cited])
    return Renewal(successor, _events(proposal, successor, cited, drift, actor=actor, now=now))


KEPT = (
    "agent", "on_behalf_of_id", "credential_thumbprint", "request_digest", "tool", "tool_version", "company", "payload", "amount_minor",
    "currency", "effective_on", "counterparty", "counterparty_name", "cost_centre", "reference", "headline", "rationale", "is_log_only",
    "compensates", "trace_id",
)  # fmt: skip


def _events(
    old: Proposal, new: Proposal, cited: Sequence[Citation], drift: Sequence[Mapping[str, str]], *, actor: Actor, now: datetime
) -> list[NewEvent]:
    agent = new.agent
    evidence = [
        {"role": "read", "source": item.read.public_id, "as_of": wire_time(item.read.as_of), "digest": item.read.result_digest}
        for item in cited
    ]
    return [
        NewEvent(
            kind=ProposalEvent.SUPERSEDED,
            actor=actor,
            subject=subject_of(old),
            now=now,
            outcome={"status": "superseded", "superseded_by": new.public_id, "code": "asked_again"},
        ),
        NewEvent(
            kind=ProposalEvent.PROPOSED,
            actor=actor,
            subject=subject_of(new),
            now=now,
            evidence=evidence,
            ai={"agent": agent.public_id, "model": agent.model, "version": agent.model_version},
            action_digest=new.payload_digest,
            outcome={
                "status": "pending",
                "is_log_only": new.is_log_only,
                "request_digest": new.request_digest,
                "asked_again": old.public_id,
                "drifted": [item["field"] for item in drift],
            },
            payload={"headline": new.headline, "params": new.payload, "rationale": new.rationale, "drift": [dict(item) for item in drift]},
        ),
    ]
