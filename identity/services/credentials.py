"""The public keys of an agent: registered, overlapping for rotation, revoked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.services import record
from identity.errors import CredentialKnown, CredentialLimit
from identity.events import IdentityEvent
from identity.models import Credential
from identity.queries import live_credentials
from identity.services.guards import (
    agent_subject,
    created,
    field_error,
    lock_managed_agent,
    mark_edited,
    records_refusal,
    remember_change,
)
from identity.states import AgentState
from identity.tokens.keys import read_public_key
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.errors import NotVisible, StateConflict

# The key in use and the one it rotates to.
LIVE_CREDENTIALS_MAX = 2
CREDENTIAL_LIFETIME_MAX = timedelta(days=731)


@records_refusal(IdentityEvent.CREDENTIAL_REFUSED)
def register_credential(
    *, agent_id: UUID, jwk: Mapping[str, object], not_after: datetime, actor: Actor, now: datetime, algorithm: str = ""
) -> Credential:
    """The public key stands for the agent until it is revoked or `not_after` comes; the private half was never seen.

    `algorithm` chooses between RS256 and PS256 for an RSA key and may be left out otherwise.
    """
    key = read_public_key(jwk, algorithm)
    with transaction.atomic():
        agent, manager = lock_managed_agent(agent_id, actor)
        if agent.state == AgentState.DECOMMISSIONED:
            raise StateConflict(detail=f"{agent.name} is decommissioned for good.", data={"state": agent.state})
        if not now < not_after <= now + CREDENTIAL_LIFETIME_MAX:
            raise field_error(
                "/not_after", "The key's end is not within the next two years.", f"up to {wire_time(now + CREDENTIAL_LIFETIME_MAX)}"
            )
        if live_credentials(agent.pk, now).count() >= LIVE_CREDENTIALS_MAX:
            raise CredentialLimit(
                detail=f"{agent.name} has {LIVE_CREDENTIALS_MAX} live keys; revoke one before you register another.",
                data={"live_max": LIVE_CREDENTIALS_MAX},
            )
        if Credential.objects.filter(thumbprint=key.thumbprint).exists():
            raise CredentialKnown(detail="This key was registered before; make a new one, keys are never used twice.")
        credential = Credential(
            agent=agent,
            jwk=key.jwk,
            thumbprint=key.thumbprint,
            algorithm=key.algorithm,
            not_after=not_after,
            issued_by=manager,
            created_at=now,
        )
        created(credential, user=manager, now=now)
        mark_edited(agent, user=manager)
        record(
            kind=IdentityEvent.CREDENTIAL_REGISTERED,
            actor=actor,
            subject=agent_subject(agent),
            now=now,
            outcome={
                "credential": credential.public_id,
                "thumbprint": key.thumbprint,
                "algorithm": key.algorithm,
                "not_after": wire_time(not_after),
            },
        )
        return credential


@records_refusal(IdentityEvent.CREDENTIAL_REFUSED)
def revoke_credential(*, credential_id: UUID, actor: Actor, now: datetime) -> Credential:
    """The key is worth nothing from the next request on, and neither are the tokens it got."""
    agent_id = Credential.objects.filter(pk=credential_id).values_list("agent_id", flat=True).first()
    if agent_id is None:
        raise NotVisible(detail="There is no such key among those you can see.")
    with transaction.atomic():
        agent, manager = lock_managed_agent(agent_id, actor)
        credential = Credential.objects.select_for_update().get(pk=credential_id)
        if credential.revoked_at is not None:
            raise StateConflict(detail=f"The key was revoked at {wire_time(credential.revoked_at)} already.")
        Credential.objects.filter(pk=credential.pk, revoked_at__isnull=True).update(revoked_at=now)
        credential.revoked_at = now
        remember_change([credential], user=manager, now=now)
        mark_edited(agent, user=manager)
        record(
            kind=IdentityEvent.CREDENTIAL_REVOKED,
            actor=actor,
            subject=agent_subject(agent),
            now=now,
            outcome={"credential": credential.public_id, "thumbprint": credential.thumbprint},
        )
        return credential
