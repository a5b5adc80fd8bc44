"""Reading proposals and read receipts: through `get_*_for` by those who may see them, through `lock_*` by those who change them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from gateway.catalogue import Effect
from identity.models import Agent, Grant
from identity.queries import companies_of, lock_agent
from kernel.errors import FieldError, InvalidIdentifier, NotVisible, ValidationFailed
from kernel.ids import Prefix, decode, encode
from kernel.rows import columns_of, row_of
from kernel.together import Together
from proposals.models import Citation, Proposal, ReadReceipt
from proposals.states import ProposalState

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from identity.principals import AgentPrincipal

# What uses up a ceiling: what is still wanted and what was allowed. A refused, lapsed or taken-back write moved nothing.
COUNTED = (ProposalState.PENDING, ProposalState.APPROVED)
PAGE_SIZE_MAX = 100


@dataclass(frozen=True, slots=True)
class Cited:
    """A read receipt as a proposal cites it: what the record of the proposal repeats of it."""

    id: UUID
    public_id: str
    tool: str
    as_of: datetime
    digest: str


def get_proposal_for(principal: AgentPrincipal, proposal_id: str) -> Proposal:
    """Return the agent's own proposal with what its status derives from; raises NotVisible or InvalidIdentifier."""
    key = decode(Prefix.PROPOSAL, proposal_id)
    found = _slim().filter(pk=key, agent_id=principal.agent_id).first()
    if found is None:
        raise NotVisible(detail=f"You have no proposal {proposal_id}.")
    return found


def get_proposal_for_person(user: User, proposal_id: str, *, also: Sequence[str] = ()) -> Proposal:
    """Return a proposal of one of the person's companies, joined with `also`; raises NotVisible or InvalidIdentifier."""
    key = decode(Prefix.PROPOSAL, proposal_id)
    found = _with_result().select_related("agent", "on_behalf_of", *also).filter(pk=key, company__in=companies_of(user)).first()
    if found is None:
        raise NotVisible(detail=f"There is no proposal {proposal_id} in your companies.")
    return found


def lock_proposal(key: UUID) -> Proposal:
    """Return the proposal locked until the transaction ends; raises NotVisible.

    Lock order is agent → proposal → commit: never lock an agent while holding this.
    """
    found = Proposal.objects.select_for_update(of=("self",)).select_related("agent").filter(pk=key).first()
    if found is None:
        raise NotVisible(detail="There is no such proposal.")
    return found


def effect_of(proposal: Proposal, params: Mapping[str, object] | None = None) -> Effect:
    """Return the effect as it was routed: the columns that a trigger keeps as submitted, because a tool may ask the ERP for it."""
    found = proposal.payload if params is None else params
    lines = cast("Sequence[Mapping[str, object]]", found.get("lines", ()))
    return Effect(
        amount=proposal.amount,
        counterparty=proposal.counterparty,
        cost_centre=proposal.cost_centre,
        effective_on=proposal.effective_on,
        accounts=tuple(sorted({str(line["account"]) for line in lines if "account" in line})),
        reference=proposal.reference,
    )


def lock_grants_with_agent(agent_id: UUID, grant_ids: Iterable[UUID]) -> dict[UUID, Grant]:
    """Return the agent's grants by key, each with its agent, whose row is locked until the transaction ends; raises NotVisible.

    The lock makes an agent's submissions take turns, so that rolling sums are exact, and makes them take turns with its
    suspension and with changes of its grants. The grants are read after it is held: one that was revoked while we waited is
    seen revoked. Inserting rows that point at the agent stays possible meanwhile.
    """
    wanted = set(grant_ids)
    agent = lock_agent(agent_id)
    found = {grant.pk: grant for grant in Grant.objects.filter(pk__in=wanted, agent_id=agent_id)}
    if found.keys() != wanted:
        raise NotVisible(detail="The grant behind this token no longer exists.")
    for grant in found.values():
        grant.agent = agent
    return found


@dataclass(frozen=True, slots=True)
class Held:
    """What a submission holds and sees: the keys that are locked for it, its grants with their locked agent, keys that stand already."""

    keys: frozenset[str]
    grants: Mapping[UUID, Grant]
    standing: frozenset[str]


HOLD = f"""
WITH held AS MATERIALIZED (
    SELECT key FROM unnest(%s::text[]) AS key WHERE pg_try_advisory_xact_lock(hashtextextended(%s || key, 0))
)
SELECT (SELECT array_agg(key) FROM held), {columns_of(Agent, "agent")}
FROM identity_agent AS agent WHERE agent.id = %s AND EXISTS (SELECT FROM held) FOR NO KEY UPDATE OF agent
""".strip()  # noqa: S608  columns of a model
GRANTS = f"SELECT {columns_of(Grant, 'own')} FROM identity_grant AS own WHERE own.id = ANY(%s) AND own.agent_id = %s"  # noqa: S608  columns of a model
STANDING = "SELECT idempotency_key FROM proposals_proposal WHERE agent_id = %s AND idempotency_key = ANY(%s)"


def hold(agent_id: UUID, idempotency_keys: Sequence[str], grant_ids: Iterable[UUID]) -> Held:
    """Take the locks of a submission in one message: `take_key_locks`, and where one was free `lock_grants_with_agent`.

    What stands under the keys is asked once the agent is locked. Raises NotVisible.
    """
    wanted = set(grant_ids)
    together = Together()
    locked = together.ask(HOLD, [list(idempotency_keys), f"idempotency:{agent_id}:", agent_id])
    grants = together.ask(GRANTS, [list(wanted), agent_id])
    standing = together.ask(STANDING, [agent_id, list(idempotency_keys)])
    together.send()
    if not locked.rows:
        # No key was free, or there is no such agent.
        keys = take_key_locks(agent_id, idempotency_keys)
        return Held(frozenset(keys), lock_grants_with_agent(agent_id, wanted) if keys else {}, frozenset(idempotency_keys))
    held, *columns = locked.rows[0]
    agent = row_of(Agent, columns)
    found = {grant.pk: grant for row in grants.rows for grant in [row_of(Grant, row)]}
    if found.keys() != wanted:
        raise NotVisible(detail="The grant behind this token no longer exists.")
    for grant in found.values():
        grant.agent = agent
    return Held(frozenset(held), found, frozenset(key for (key,) in standing.rows))


def find_by_keys(agent_id: UUID, idempotency_keys: Sequence[str]) -> dict[str, Proposal]:
    """Return the agent's proposals under these keys, each with what its status derives from.

    Reply twice in every submission and nearly always in vain, so that the question is one index look-up without the ORM.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM proposals_proposal WHERE agent_id = %s AND idempotency_key = ANY(%s)", [agent_id, list(idempotency_keys)]
        )
        found = [row[0] for row in cursor.fetchall()]
    return {proposal.idempotency_key: proposal for proposal in _slim().filter(pk__in=found)} if found else {}


def list_for_agent(
    principal: AgentPrincipal, *, states: Sequence[str] = (), tool: str = "", company: str = "", before: UUID | None = None
) -> QuerySet[Proposal]:
    """Return the agent's own proposals, newest first, those after the cursor `before`."""
    filters: dict[str, Any] = {}
    if states:
        filters["state__in"] = states
    if tool:
        filters["tool"] = tool
    if company:
        filters["company"] = company
    if before:
        filters["pk__lt"] = before
    return _slim().filter(agent_id=principal.agent_id, **filters).order_by("-pk")


def get_read_for(principal: AgentPrincipal, read_id: str) -> ReadReceipt:
    """Return the agent's own read receipt; raises NotVisible or InvalidIdentifier."""
    key = decode(Prefix.READ, read_id)
    found = ReadReceipt.objects.filter(pk=key, agent_id=principal.agent_id).first()
    if found is None:
        raise NotVisible(detail=f"You have no read receipt {read_id}.")
    return found


def own_reads(principal: AgentPrincipal, company: str, read_ids: Iterable[str]) -> dict[UUID, Cited]:
    """Return those of the reads that are the agent's own in this company; what is no identifier is left out."""
    keys = {}
    for text in read_ids:
        try:
            keys[decode(Prefix.READ, text)] = text
        except InvalidIdentifier:
            continue
    if not keys:
        return {}
    rows = ReadReceipt.objects.filter(pk__in=keys, agent_id=principal.agent_id, company=company).values_list(
        "pk", "tool", "as_of", "result_digest"
    )
    return {key: Cited(key, encode(Prefix.READ, key), tool, as_of, digest) for key, tool, as_of, digest in rows}


def reads_to_cite(known: Mapping[UUID, Cited], company: str, read_ids: Sequence[str]) -> list[Cited]:
    """Return the reads in the order given; raises ValidationFailed naming each that is not among the known, the agent's own."""
    keys: list[UUID] = []
    for index, text in enumerate(read_ids):
        key = decode_field(Prefix.READ, text, path=f"/reads/{index}")
        if key in keys:
            raise _unacceptable(f"/reads/{index}", f"{text} is cited twice.", "each read once")
        keys.append(key)
    errors = tuple(
        FieldError(f"/reads/{index}", f"{text} is not a read of yours in {company}", "a read_id you got in this company")
        for index, (key, text) in enumerate(zip(keys, read_ids, strict=True))
        if key not in known
    )
    if errors:
        raise ValidationFailed(detail=f"{errors[0].path}: {errors[0].message}.", errors=errors)
    return [known[key] for key in keys]


def citations_of(keys: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Return the cited reads of each of these proposals, in the order in which they were cited."""
    cited: dict[UUID, list[UUID]] = {key: [] for key in keys}
    rows = Citation.objects.filter(proposal_id__in=keys).order_by("position").values_list("proposal_id", "read_id")
    for proposal_id, read_id in rows:
        cited[proposal_id].append(read_id)
    return cited


def superseding_of(proposals: Sequence[Proposal]) -> dict[UUID, UUID]:
    """Return, for each of these proposals that was superseded, the revision that took its place."""
    keys = [proposal.pk for proposal in proposals if proposal.state == ProposalState.SUPERSEDED]
    if not keys:
        return {}
    rows = Proposal.objects.filter(supersedes_id__in=keys).values_list("supersedes_id", "pk")
    return {old: new for old, new in rows if old is not None}


def decode_field(prefix: Prefix, text: str, *, path: str) -> UUID:
    """Return the key behind an identifier inside a body; raises InvalidIdentifier carrying the field's path."""
    try:
        return decode(prefix, text)
    except InvalidIdentifier as error:
        error.errors = (FieldError(path, error.detail, f"an identifier that starts with {prefix.value}_"),)
        raise


def take_key_locks(agent_id: UUID, idempotency_keys: Sequence[str]) -> set[str]:
    """Take the locks on these idempotency keys until the transaction ends; returns those that no other submission holds.

    Nobody waits for a key, so the order in which they are taken cannot make two submissions wait for each other.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT key FROM unnest(%s::text[]) AS key WHERE pg_try_advisory_xact_lock(hashtextextended(%s || key, 0))",
            [list(idempotency_keys), f"idempotency:{agent_id}:"],
        )
        return {row[0] for row in cursor.fetchall()}


def _with_result() -> QuerySet[Proposal]:
    return Proposal.objects.select_related("outcome", "feedback")


def _slim() -> QuerySet[Proposal]:
    """Return proposals without what only approvers and the commit engine look at."""
    return _with_result().defer("action_bytes", "payload", "facts", "preconditions", "rationale")


def _unacceptable(path: str, message: str, acceptable: str) -> ValidationFailed:
    return ValidationFailed(detail=f"{path}: {message}", errors=(FieldError(path, message, acceptable),))
