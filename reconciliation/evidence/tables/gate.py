"""Tables of the gate: the population of proposals, decisions, who was excluded, what was read, changes of rules and rights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from django.db import connection

from approvals.models import Decision, Exclusion
from approvals.policies import EXCLUSION_LABELS
from audit.bundle_parts import Column, Composer, Scope, Table, grouped
from audit.selection import SelectedEvent, events_about, selected_events
from identity.models import Credential
from kernel.canonical import canonical_bytes
from kernel.ids import Prefix, decode, encode
from kernel.money import Money
from proposals.models import Proposal
from reconciliation.evidence.tables.pieces import in_pieces, moment, names_of, texts

PROPOSED = "proposal:proposed"
DECIDED = "approval:decided"
SOD_SCHEMA = "countersign.gate.sod/1"
EVENT = Column("event", "the event in events.jsonl that says so", is_exact=True)
SEQUENCE = Column("sequence", "its place in the chain", is_exact=True)
PROPOSAL = Column("proposal", "the proposal's id", is_exact=True)
COMPANY = Column("company", "the company's code in the ERP")

# How a proposal ended, told by the last of these events that is in the log as of the checkpoint.
ENDS = {
    "approval:granted": "approved", "commit:succeeded": "committed", "commit:failed": "failed", "commit:unknown": "unknown",
    "proposal:rejected": "rejected", "proposal:changes_requested": "changes_requested", "proposal:expired": "expired",
    "proposal:voided": "voided", "proposal:withdrawn": "withdrawn", "proposal:superseded": "superseded",
}  # fmt: skip


def _proposals(scope: Scope) -> Iterator[Sequence[str]]:
    for piece in in_pieces(selected_events(scope, [PROPOSED])):
        rows = {row.public_id: row for row in Proposal.objects.filter(pk__in=_keys(piece))}
        ends = _ends(scope, [event.proposal for event in piece])
        for event in piece:
            row = rows.get(event.proposal)
            yield texts(
                event.proposal,
                event.company,
                event.tool,
                event.actor_id,
                event.text("ai", "model"),
                event.text("ai", "version"),
                row.amount.decimal_text() if row else "",
                row.currency if row else "",
                row.counterparty if row else "",
                row.effective_on.isoformat() if row else "",
                row.revision if row else "",
                encode(Prefix.PROPOSAL, row.supersedes_id) if row and row.supersedes_id else "",
                row.headline if row else "",
                moment(event.occurred_at),
                event.text("action_digest"),
                ends.get(event.proposal, "pending"),
                event.event_id,
                event.sequence,
            )


def _ends(scope: Scope, proposals: Sequence[str]) -> dict[str, str]:
    """Return how each proposal stood at the end of the scope: its last event that ends or moves it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT ON (e.chain) e.chain, e.kind FROM audit_event e JOIN audit_seal s ON s.event_id = e.event_id
            WHERE e.chain = ANY(%s) AND e.kind = ANY(%s) AND s.sequence <= %s ORDER BY e.chain, s.sequence DESC
            """,
            [list(proposals), list(ENDS), scope.last_sequence],
        )
        return {proposal: ENDS[kind] for proposal, kind in cursor.fetchall()}


def _keys(events: Sequence[SelectedEvent]) -> list[UUID]:
    return [decode(Prefix.PROPOSAL, event.proposal) for event in events]


def _approvals(scope: Scope) -> Iterator[Sequence[str]]:
    for piece in in_pieces(selected_events(scope, [DECIDED])):
        rows = {row.public_id: row for row in Proposal.objects.filter(pk__in=_keys(piece))}
        names = names_of(event.actor_id for event in piece)
        for event in piece:
            row = rows.get(event.proposal)
            yield texts(
                event.proposal,
                event.company,
                event.text("human", "decision"),
                event.actor_id,
                names.get(event.actor_id, ""),
                event.text("human", "step"),
                event.text("human", "reason_code"),
                row.amount.decimal_text() if row else "",
                row.currency if row else "",
                event.text("human", "shown_at"),
                event.text("human", "decided_at") or moment(event.occurred_at),
                event.text("actor", "authentication"),
                event.text("human", "second_factor", "type"),
                "yes" if event.part("human", "signature") else "no",
                event.text("gate", "policy"),
                event.text("gate", "version"),
                event.text("gate", "digest"),
                event.text("human", "payload_digest") or event.text("action_digest"),
                event.text("human", "presentation_digest"),
                event.event_id,
                event.sequence,
            )


def _exclusions(scope: Scope) -> Iterator[Sequence[str]]:
    for piece in in_pieces(selected_events(scope, [PROPOSED])):
        proposals = {decode(Prefix.PROPOSAL, event.proposal): event for event in piece}
        found = Exclusion.objects.filter(route_id__in=proposals).order_by("route_id", "user_id", "reason")
        listed = list(found)
        names = names_of(str(row.user_id) for row in listed)
        for row in listed:
            event = proposals[row.route_id]
            person = str(row.user_id)
            yield texts(event.proposal, event.company, person, names.get(person, ""), row.reason, EXCLUSION_LABELS.get(row.reason, ""))


def sod_section(proposals: Sequence[str]) -> Composer:
    """Return what composes sod.json of each of these proposals: who could not decide on it, and why; nothing when it was never routed."""
    keys = [decode(Prefix.PROPOSAL, proposal) for proposal in proposals]
    rows = grouped(Exclusion.objects.filter(route_id__in=keys).order_by("route_id", "user_id", "reason"), lambda row: row.route_id)

    def members_of(proposal: str) -> Mapping[str, bytes]:
        found = rows.get(decode(Prefix.PROPOSAL, proposal), ())
        excluded = [{"user": str(row.user_id), "reason": row.reason, "text": EXCLUSION_LABELS.get(row.reason, "")} for row in found]
        return {"sod.json": canonical_bytes({"schema": SOD_SCHEMA, "proposal": proposal, "excluded": excluded})} if excluded else {}

    return members_of


def _data_used(scope: Scope) -> Iterator[Sequence[str]]:
    for event in selected_events(scope, [PROPOSED]):
        for item in event.part("evidence") or []:
            if isinstance(item, dict):
                cited = (str(item.get(name, "")) for name in ("role", "source", "as_of", "digest"))
                yield texts(event.proposal, event.company, *cited, event.event_id, event.sequence)


def _changes(scope: Scope) -> Iterator[Sequence[str]]:
    kinds = ["policy:%", "agent:%", "grant:%", "credential:%", "issuer:%", "connector:%", "user:%", "delegation:%", "calendar:%"]
    found = events_about(scope, kinds, subjects=_rests_on(scope.proposal)) if scope.proposal else selected_events(scope, kinds)
    for piece in in_pieces(found):
        names = names_of(event.actor_id for event in piece if event.actor_kind == "human")
        for event in piece:
            yield texts(
                moment(event.occurred_at),
                event.kind,
                event.actor_kind,
                event.actor_id,
                names.get(event.actor_id, "") if event.actor_kind == "human" else "",
                event.subject_kind,
                event.subject_id,
                event.company,
                event.text("outcome", "status"),
                event.text("outcome", "code"),
                event.event_id,
                event.sequence,
            )


def _rests_on(proposal: str) -> list[str]:
    """Return the ids of what one proposal rests on: its policy, agent, grant and key, who decided and by which delegation."""
    found = Proposal.objects.select_related("route__policy", "agent").filter(pk=decode(Prefix.PROPOSAL, proposal)).first()
    if found is None:
        return []
    route = getattr(found, "route", None)
    ids = [found.agent.public_id]
    if route is not None:
        ids += [route.policy.public_id, encode(Prefix.GRANT, UUID(str(route.snapshot["grant"])))]
    keys = Credential.objects.filter(agent=found.agent, thumbprint=found.credential_thumbprint).values_list("pk", flat=True)
    ids += [encode(Prefix.CREDENTIAL, key) for key in keys]
    for decision in Decision.objects.select_related("delegation").filter(proposal=found):
        ids.append(str(decision.user_id))
        if decision.delegation is not None:
            ids += [decision.delegation.public_id, str(decision.acting_for_id)]
    return ids


def amount_text(minor: int, currency: str) -> str:
    """Return an amount in minor units as a decimal."""
    return Money(minor, currency).decimal_text()


TABLES = (
    Table(
        "proposals.csv",
        "Every proposal made in the period, or the one of this bundle: one row for each event proposal:proposed.",
        (
            PROPOSAL,
            COMPANY,
            Column("tool", "the ERP operation that was proposed"),
            Column("agent", "the agent that proposed", is_exact=True),
            Column("model", "the model that the agent's owner declared"),
            Column("model_version", "its version"),
            Column("amount", "the amount that the gate looked at", is_exact=True),
            Column("currency", "ISO 4217", is_exact=True),
            Column("counterparty", "vendor, customer, account or item"),
            Column("effective_on", "accounting date", is_exact=True),
            Column("revision", "1 for the first"),
            Column("supersedes", "the proposal that this one replaces", is_exact=True),
            Column("headline", "what it is, in one line"),
            Column("proposed_at", "instant, UTC", is_exact=True),
            Column("action_digest", "digest of the action", is_exact=True),
            Column("stands", "how it stood at the end of the period: the last event that moved it"),
            EVENT,
            SEQUENCE,
        ),
        _proposals,
        totals=(("amount", "currency"),),
        of_kind=PROPOSED,
    ),
    Table(
        "approvals.csv",
        "Every decision of a person: one row for each event approval:decided.",
        (
            PROPOSAL,
            COMPANY,
            Column("decision", "approve, reject or request_changes"),
            Column("person", "id of the person who decided", is_exact=True),
            Column("name", "their name today"),
            Column("step", "step of the route"),
            Column("reason_code", "reason that was chosen"),
            Column("amount", "the proposal's amount", is_exact=True),
            Column("currency", "ISO 4217", is_exact=True),
            Column("shown_at", "when the page was shown", is_exact=True),
            Column("decided_at", "when it was decided", is_exact=True),
            Column("authentication", "methods of the login"),
            Column("second_factor", "second factor of this decision, if one was asked"),
            Column("signed", "whether a passkey signed the decision"),
            Column("policy", "the policy by which it was routed", is_exact=True),
            Column("policy_version", "its version"),
            Column("policy_digest", "digest of its text", is_exact=True),
            Column("payload_digest", "what was decided on", is_exact=True),
            Column("presentation_digest", "the facts as shown", is_exact=True),
            EVENT,
            SEQUENCE,
        ),
        _approvals,
        totals=(("amount", "currency"),),
        of_kind=DECIDED,
    ),
    Table(
        "sod.csv",
        "Who could not decide on which proposal, and why (segregation of duties).",
        (
            PROPOSAL,
            COMPANY,
            Column("person", "id of the excluded person", is_exact=True),
            Column("name", "their name today"),
            Column("reason", "code"),
            Column("text", "the reason in words"),
        ),
        _exclusions,
    ),
    Table(
        "data_used.csv",
        "What each proposal rests on: the reads that it cites.",
        (
            PROPOSAL,
            COMPANY,
            Column("role", "what the source was used for"),
            Column("source", "the read receipt", is_exact=True),
            Column("as_of", "when it was read", is_exact=True),
            Column("digest", "digest of what was read", is_exact=True),
            EVENT,
            SEQUENCE,
        ),
        _data_used,
    ),
    Table(
        "changes.csv",
        "Changes of policies, agents, grants, keys, issuers, connections, roles and calendars, refused ones included.",
        (
            Column("at", "instant, UTC", is_exact=True),
            Column("kind", "what happened", is_exact=True),
            Column("actor_kind", "human, agent or system"),
            Column("actor", "who did it", is_exact=True),
            Column("name", "the person's name today"),
            Column("subject_kind", "what it was about"),
            Column("subject", "its id", is_exact=True),
            COMPANY,
            Column("status", "what came of it"),
            Column("code", "why it was refused, if it was"),
            EVENT,
            SEQUENCE,
        ),
        _changes,
    ),
)
