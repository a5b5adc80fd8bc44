"""The federated credentials of an agent: which subject of which issuer stands for it, registered and revoked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.services import record
from identity.errors import CredentialKnown, CredentialLimit, IssuerNotActive
from identity.events import IdentityEvent
from identity.federation.claims import problems_of, rows_of
from identity.federation.kinds import RULES, subject_problem
from identity.federation.models import FederatedCredential, TrustedIssuer
from identity.federation.queries import live_federated
from identity.federation.services.exchange import SUBJECT
from identity.services.guards import (
    agent_subject,
    created,
    field_error,
    lock_managed_agent,
    mark_edited,
    records_refusal,
    remember_change,
)
from identity.states import AgentState, IssuerState
from kernel.actors import Actor
from kernel.canonical import digest
from kernel.clock import wire_time
from kernel.errors import FieldError, NotVisible, StateConflict, ValidationFailed

# As many runtimes as one agent may have at a time.
LIVE_MAX = 4
LIFETIME_MAX = timedelta(days=366)


@records_refusal(IdentityEvent.CREDENTIAL_REFUSED)
def register_federated_credential(
    *,
    agent_id: UUID,
    trusted_issuer_id: UUID,
    subject: str,
    claims: Mapping[str, object],
    not_after: datetime,
    actor: Actor,
    now: datetime,
) -> FederatedCredential:
    """Tokens of the issuer with this subject and just these claims stand for the agent, until it is revoked or `not_after` comes."""
    with transaction.atomic():
        agent, manager = lock_managed_agent(agent_id, actor)
        if agent.state == AgentState.DECOMMISSIONED:
            raise StateConflict(detail=f"{agent.name} is decommissioned for good.", data={"state": agent.state})
        # Not `select_for_update`: the row is only kept from being suspended meanwhile, which the insertion's trigger does.
        issuer = TrustedIssuer.objects.filter(pk=trusted_issuer_id, companies__contains=agent.companies).first()
        if issuer is None:
            raise NotVisible(detail="There is no such issuer for all companies of this agent.")
        if issuer.state != IssuerState.ACTIVE:
            raise IssuerNotActive(detail=f"{issuer.name}: {issuer.get_state_display().lower()}.")
        _require_identity(issuer, subject, claims)
        if not now < not_after <= now + LIFETIME_MAX:
            raise field_error("/not_after", "The credential's end is not within the next year.", f"up to {wire_time(now + LIFETIME_MAX)}")
        live = live_federated(agent.pk, now)
        if live.count() >= LIVE_MAX:
            raise CredentialLimit(
                detail=f"{agent.name} has {LIVE_MAX} live federated credentials; revoke one before you register another.",
                data={"live_max": LIVE_MAX},
            )
        if agent.federated_credentials.filter(issuer=issuer, subject=subject, revoked_at__isnull=True).exists():
            raise CredentialKnown(detail="This subject stands for the agent already; revoke that credential before you change its claims.")
        found = FederatedCredential(
            agent=agent,
            issuer=issuer,
            subject=subject,
            claims=dict(claims),
            not_after=not_after,
            issued_by=manager,
            created_at=now,
        )
        created(found, user=manager, now=now)
        mark_edited(agent, user=manager)
        record(
            kind=IdentityEvent.CREDENTIAL_FEDERATED,
            actor=actor,
            subject=agent_subject(agent),
            now=now,
            outcome={
                "credential": found.public_id,
                "issuer": issuer.public_id,
                "subject_digest": digest(SUBJECT, [issuer.issuer, subject]),
                "claims": ["/".join(path) for path, _ in rows_of(claims)],
                "not_after": wire_time(not_after),
            },
            payload={"subject": subject, "claims": dict(claims)},
        )
        return found


@records_refusal(IdentityEvent.CREDENTIAL_REFUSED)
def revoke_federated_credential(*, federated_id: UUID, actor: Actor, now: datetime) -> FederatedCredential:
    """The subject stands for the agent no longer, and the access tokens it got are worth nothing from the next request on."""
    agent_id = FederatedCredential.objects.filter(pk=federated_id).values_list("agent_id", flat=True).first()
    if agent_id is None:
        raise NotVisible(detail="There is no such credential among those you can see.")
    with transaction.atomic():
        agent, manager = lock_managed_agent(agent_id, actor)
        found = FederatedCredential.objects.select_for_update().get(pk=federated_id)
        if found.revoked_at is not None:
            raise StateConflict(detail=f"The credential was revoked at {wire_time(found.revoked_at)} already.")
        FederatedCredential.objects.filter(pk=found.pk, revoked_at__isnull=True).update(revoked_at=now)
        found.revoked_at = now
        remember_change([found], user=manager, now=now)
        mark_edited(agent, user=manager)
        record(
            kind=IdentityEvent.CREDENTIAL_UNFEDERATED,
            actor=actor,
            subject=agent_subject(agent),
            now=now,
            outcome={"credential": found.public_id},
        )
        return found


def _require_identity(issuer: TrustedIssuer, subject: str, claims: object) -> None:
    """The subject and claims name one workload of this kind of issuer; raises ValidationFailed with everything that is wrong."""
    errors = []
    if problem := subject_problem(issuer.kind, issuer.issuer, subject):
        errors.append(FieldError("/subject", problem, RULES[issuer.kind].subject_example))
    errors += [FieldError("/claims", problem, "") for problem in problems_of(issuer.kind, issuer.issuer, claims)]
    if errors:
        raise ValidationFailed(detail=" ".join(error.message for error in errors), errors=tuple(errors))
