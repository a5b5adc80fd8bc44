"""Writing accepted submissions down: the rows with the bytes that people will decide on, their citations, their first events."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.records import NewEvent
from kernel.canonical import canonical_bytes, digest_of_bytes
from kernel.clock import wire_time
from kernel.context import current_origin
from kernel.ids import Prefix, encode, new_id
from kernel.rows import insert_rows
from proposals.events import ProposalEvent
from proposals.gate import Draft, Plan
from proposals.models import Citation, Proposal
from proposals.queries import Cited
from proposals.services.preparation import Intent
from proposals.subjects import subject_of

ACTION_SCHEMA = "countersign.action/1"
COUNTERPARTY_LENGTH_MAX = 40


@dataclass(frozen=True, slots=True)
class Accepted:
    """A submission that grant and gate let through."""

    intent: Intent
    draft: Draft
    plan: Plan
    cited: Sequence[Cited]

    @property
    def preconditions(self) -> list[dict[str, object]]:
        """Return the stored form of the facts the approval will lean on: the tool's, then the route's."""
        return [item.as_dict() for item in (*self.intent.presented.preconditions, *self.plan.preconditions)]


@dataclass(frozen=True, slots=True)
class Stored:
    """A proposal that was inserted, with what it came from."""

    proposal: Proposal
    intent: Intent
    plan: Plan
    cited: Sequence[Cited]
    superseded: Proposal | None


def store(accepted: Sequence[Accepted]) -> list[Stored]:
    """Insert a pending proposal for each, with its citations, and return them in order; two statements."""
    stored = [Stored(_row(item), item.intent, item.plan, item.cited, item.draft.supersedes) for item in accepted]
    insert_rows([item.proposal for item in stored])
    insert_rows(
        [
            Citation(proposal=item.proposal, read_id=read.id, position=position)
            for item in stored
            for position, read in enumerate(item.cited, start=1)
        ]
    )
    return stored


def proposed_events(stored: Sequence[Stored]) -> list[NewEvent]:
    """Return the first event of each proposal, and that of the one it supersedes."""
    return [event for item in stored for event in _events(item)]


def _action(item: Accepted, preconditions: Sequence[Mapping[str, object]]) -> Mapping[str, object]:
    """Return what is approved and what will be sent; the nonce makes two equal intents two different actions."""
    intent = item.intent
    return {
        "schema": ACTION_SCHEMA,
        "tool": intent.tool.name,
        "tool_version": intent.tool.version,
        "company": intent.body.company,
        "agent_id": intent.principal.public_id,
        "on_behalf_of": intent.actor.on_behalf_of,
        "params": intent.params,
        "preconditions": preconditions,
        "nonce": secrets.token_hex(16),
        "expires_at": wire_time(intent.expires_at),
        "policy_version": item.plan.policy_version,
        "route_version": item.plan.route_version,
    }


def _row(item: Accepted) -> Proposal:
    preconditions = item.preconditions
    action_bytes = canonical_bytes(_action(item, preconditions))
    intent, superseded = item.intent, item.draft.supersedes
    effect, presented = intent.effect, intent.presented
    return Proposal(
        id=new_id(),
        agent=item.draft.agent,
        on_behalf_of_id=intent.on_behalf_of,
        credential_thumbprint=intent.principal.credential_thumbprint,
        idempotency_key=intent.key,
        request_digest=intent.request_digest,
        tool=intent.tool.name,
        tool_version=intent.tool.version,
        company=intent.body.company,
        payload=intent.params,
        action_bytes=action_bytes,
        payload_digest=digest_of_bytes(ACTION_SCHEMA, action_bytes),
        amount_minor=effect.amount.minor,
        currency=effect.amount.currency,
        effective_on=effect.effective_on,
        counterparty=effect.counterparty[:COUNTERPARTY_LENGTH_MAX],
        counterparty_name=presented.counterparty_name,
        cost_centre=effect.cost_centre,
        reference=effect.reference,
        headline=presented.headline,
        facts={**presented.as_dict(), "preconditions": preconditions},
        preconditions=preconditions,
        rationale=intent.body.rationale,
        is_log_only=item.draft.is_log_only,
        revision=superseded.revision + 1 if superseded else 1,
        supersedes=superseded,
        compensates=intent.compensates,
        trace_id=current_origin().trace_id,
        created_at=intent.now,
        expires_at=intent.expires_at,
    )


def _events(item: Stored) -> list[NewEvent]:
    intent, proposal = item.intent, item.proposal
    agent = proposal.agent
    reads = [{"role": "read", "source": read.public_id, "as_of": wire_time(read.as_of), "digest": read.digest} for read in item.cited]
    events = [
        NewEvent(
            kind=ProposalEvent.PROPOSED,
            actor=intent.actor,
            subject=subject_of(proposal),
            now=intent.now,
            evidence=reads,
            ai={"agent": agent.public_id, "model": agent.model, "version": agent.model_version},
            action_digest=proposal.payload_digest,
            outcome={"status": "pending", "is_log_only": proposal.is_log_only, "request_digest": proposal.request_digest},
            payload={"headline": proposal.headline, "params": intent.params, "rationale": proposal.rationale},
        )
    ]
    if item.superseded is not None:
        by = {"status": "superseded", "superseded_by": encode(Prefix.PROPOSAL, proposal.pk)}
        subject = subject_of(item.superseded)
        events.append(NewEvent(kind=ProposalEvent.SUPERSEDED, actor=intent.actor, subject=subject, now=intent.now, outcome=by))
    return events
