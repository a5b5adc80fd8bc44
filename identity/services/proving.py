"""Who proved to be which agent, and with what: the one seam between the ways of proving it and what a proven agent may have."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from identity.federation.assertions import is_foreign
from identity.federation.models import FederatedCredential, federated_key
from identity.federation.services.exchange import prove_federated, use_foreign
from identity.models import Agent, AssertionUse, Credential
from identity.proven import Known, ProvenAgent
from identity.services.guards import agent_subject
from identity.tokens.assertions import Claimed, claimed, is_signed_by, verify
from identity.tokens.errors import client_refusal
from identity.tokens.requests import ClientProof
from identity.tokens.resources import introspection_endpoint, issuer, revocation_endpoint, token_endpoint
from identity.tokens.signing import LIFETIME_SECONDS_MAX
from kernel.clock import wire_time

__all__ = ["Known", "ProvenAgent", "forget_expired_assertions", "mark_used", "prove_agent", "use_once"]

# A key's last use is for people who clean up; writing it at every token would only queue the agent's requests.
LAST_USED_RESOLUTION = timedelta(minutes=1)
# Kept beyond the assertion's own end, so that a database clock a little ahead forgets nothing too early.
ASSERTION_MARGIN = timedelta(hours=1)


def prove_agent(client: ClientProof, known: Known, *, now: datetime) -> ProvenAgent:
    """Return the agent that the caller proved to be, by an assertion signed with a registered key or a token of a trusted issuer.

    Raises TokenRefused. Call it outside of any transaction, and `use_once` in the one that acts on it. `known` tells meanwhile whom a
    refusal concerns.
    """
    if client.is_grant or is_foreign(client.assertion):
        return prove_federated(client, known, now=now)
    claim = claimed(client.assertion)
    agent = _claimed_agent(claim, client)
    known.subject = agent_subject(agent)
    credential = _credential(agent, claim, client.assertion, now)
    assertion = verify(
        client.assertion,
        credential,
        audiences=(issuer(), token_endpoint(), revocation_endpoint(), introspection_endpoint()),
        lifetime_seconds=min(int(settings.ASSERTION_LIFETIME_SECONDS), LIFETIME_SECONDS_MAX),
        now=now,
    )
    proven = ProvenAgent(agent, credential.thumbprint, credential.not_after, assertion.token_id, assertion.expires_at)
    known.actor = proven.actor()
    return proven


def use_once(proven: ProvenAgent, *, key_thumbprint: str = "") -> None:
    """What proved the agent is used up; raises TokenRefused when it was before.

    `key_thumbprint`: the key that was proved beside a foreign token, which then counts again for the holder of that key.
    """
    if proven.foreign is not None:
        use_foreign(proven.foreign, until=proven.used_until, key_thumbprint=key_thumbprint)
        return
    try:
        with transaction.atomic():
            AssertionUse.objects.create(agent=proven.agent, jti=proven.used_id, expires_at=proven.used_until)
    except IntegrityError as error:
        raise client_refusal("assertion_replayed", "This assertion was used before.", "a new assertion with a new `jti`") from error


def mark_used(proven: ProvenAgent, *, now: datetime) -> None:
    """The credential shows when it was last used, to the minute."""
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - LAST_USED_RESOLUTION)
    federated = federated_key(proven.credential)
    if federated is not None:
        FederatedCredential.objects.filter(stale, pk=federated).update(last_used_at=now)
        return
    Credential.objects.filter(stale, agent=proven.agent, thumbprint=proven.credential).update(last_used_at=now)


def forget_expired_assertions(*, now: datetime, limit: int = 10_000) -> int:
    """Assertions that ended over an hour ago are no longer remembered: they are refused as expired anyway. Returns how many."""
    with transaction.atomic():
        ended = AssertionUse.objects.filter(expires_at__lt=now - ASSERTION_MARGIN).order_by("expires_at")[:limit]
        count, _ = AssertionUse.objects.filter(pk__in=[row.pk for row in ended]).delete()
        return count


def _claimed_agent(claim: Claimed, client: ClientProof) -> Agent:
    if client.client_id and client.client_id != claim.public_id:
        raise client_refusal("client_id_mismatch", "`client_id` is not the assertion's subject.", "leave it out")
    agent = Agent.objects.filter(pk=claim.agent_id).first()
    if agent is None:
        raise client_refusal("agent_unknown", "There is no such agent.")
    return agent


def _credential(agent: Agent, claim: Claimed, text: str, now: datetime) -> Credential:
    """Return the key of this agent that the assertion names; without a name, the live one whose algorithm and signature fit."""
    keys = Credential.objects.filter(agent=agent).order_by("-created_at")
    if claim.key_id:
        named = keys.filter(thumbprint=claim.key_id).first()
        if named is None:
            raise client_refusal("credential_unknown", "`kid` names no key of this agent.", "the thumbprint of a registered key")
        _require_live(named, now)
        return named
    live = [key for key in keys if key.revoked_at is None and key.not_after > now]
    if not live:
        raise client_refusal("credential_missing", "The agent has no live key.", "register a key")
    return next((key for key in live if is_signed_by(text, key)), live[0])


def _require_live(key: Credential, now: datetime) -> None:
    if key.revoked_at is not None:
        raise client_refusal("credential_revoked", f"The key was revoked at {wire_time(key.revoked_at)}.", "another registered key")
    if key.not_after <= now:
        raise client_refusal("credential_expired", f"The key ended at {wire_time(key.not_after)}.", "another registered key")
