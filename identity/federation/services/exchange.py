"""The exchange: which agent a foreign token stands for, and that nobody exchanges it a second time."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Q

from audit.records import Subject
from identity.federation.assertions import Presented, presented, verify_presented
from identity.federation.claims import mismatch
from identity.federation.fetching import verification_keys
from identity.federation.kinds import IssuerKind, trust_domain_of
from identity.federation.models import FederatedCredential, ForeignUse, TrustedIssuer
from identity.proven import ForeignToken, Known, ProvenAgent
from identity.states import IssuerState
from identity.tokens.errors import TokenRefused, client_refusal
from identity.tokens.requests import ClientProof
from kernel.canonical import digest
from kernel.clock import wire_time
from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode

INSERT = """
    INSERT INTO identity_foreignuse (issuer_id, digest, key_thumbprint, expires_at) VALUES (%s, %s, %s, %s)
    ON CONFLICT (issuer_id, digest) DO NOTHING
"""
SUBJECT = "countersign:federated_subject:v1"


def prove_federated(client: ClientProof, known: Known, *, now: datetime) -> ProvenAgent:
    """Return the agent for which the foreign token stands; raises TokenRefused.

    Writes nothing but the issuer's keys, which it may have to fetch: call it outside of any transaction.
    """
    token = presented(client.assertion)
    issuer = _issuer(token)
    if token.algorithm not in issuer.algorithms:
        raise client_refusal(
            "algorithm_not_allowed", f"{issuer.name} is not trusted to sign with {token.algorithm}.", ", ".join(issuer.algorithms)
        )
    keys = verification_keys(issuer, algorithm=token.algorithm, key_id=token.key_id, now=now)
    ends_at = verify_presented(token, issuer, keys, now=now)
    found = _credential(token, issuer, client.client_id, now)
    known.subject = Subject("agent", found.agent.public_id)
    foreign = ForeignToken(issuer.pk, issuer.public_id, issuer.kind, token.digest, digest(SUBJECT, [issuer.issuer, token.subject]))
    proven = ProvenAgent(found.agent, found.public_id, found.not_after, token.digest.hex(), ends_at, foreign)
    known.actor = proven.actor()
    return proven


def use_foreign(foreign: ForeignToken, *, until: datetime, key_thumbprint: str) -> None:
    """The foreign token is used up, but for whoever holds the key that its first access token was bound to; raises TokenRefused.

    Workloads get a new token from their platform every hour or so, and one of ours lives five minutes: with the same DPoP key the same
    foreign token may be exchanged until it ends. Without a key it counts once.
    """
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [foreign.issuer_id, foreign.digest, key_thumbprint, until])
        if cursor.rowcount == 1:
            return
    first = ForeignUse.objects.filter(issuer_id=foreign.issuer_id, digest=foreign.digest).first()
    if first is None or not key_thumbprint or first.key_thumbprint != key_thumbprint:
        raise client_refusal(
            "assertion_replayed",
            "This token was exchanged before.",
            "a new token of the issuer, or a DPoP proof by the key of the first exchange",
        )


def _issuer(token: Presented) -> TrustedIssuer:
    """Return the active issuer by `iss`, or by the subject's trust domain for SPIFFE, whose tokens need no `iss`."""
    named = Q(issuer=token.issuer) & ~Q(kind=IssuerKind.SPIFFE)
    if domain := trust_domain_of(token.subject):
        named |= Q(issuer=domain, kind=IssuerKind.SPIFFE)
    found = sorted(TrustedIssuer.objects.filter(named), key=lambda issuer: issuer.kind == IssuerKind.SPIFFE)
    if not found:
        raise client_refusal("issuer_unknown", "The token's issuer is not trusted here.", "a token of a trusted issuer")
    if found[0].state != IssuerState.ACTIVE:
        raise client_refusal("issuer_not_active", f"{found[0].name} is {found[0].get_state_display().lower()}.")
    return found[0]


def _credential(token: Presented, issuer: TrustedIssuer, client_id: str, now: datetime) -> FederatedCredential:
    """Return the one live credential that the token fits; raises TokenRefused with what is wrong with the nearest one."""
    rows = FederatedCredential.objects.select_related("agent").filter(issuer=issuer, subject=token.subject)
    rows = rows.filter(agent_id=_named(client_id)) if client_id else rows
    known = list(rows.order_by("-created_at"))
    live = [row for row in known if row.revoked_at is None and row.not_after > now]
    if not live:
        raise _dead(known[0]) if known else client_refusal("subject_unknown", "No agent is registered for this subject.")
    missing = {row.pk: mismatch(issuer.kind, row.claims, token.claims) for row in live}
    fitting = [row for row in live if not missing[row.pk]]
    if not fitting:
        raise client_refusal("assertion_claim_mismatch", f"The claim `{missing[live[0].pk]}` is not what is registered.")
    if len({row.agent_id for row in fitting}) > 1:
        raise client_refusal("agent_ambiguous", "The token stands for several agents.", "`client_id` with the agent's id")
    return fitting[0]


def _named(client_id: str) -> UUID:
    try:
        return decode(Prefix.AGENT, client_id)
    except InvalidIdentifier as error:
        raise client_refusal("agent_unknown", error.detail) from error


def _dead(row: FederatedCredential) -> TokenRefused:
    if row.revoked_at is not None:
        return client_refusal("credential_revoked", f"The credential was revoked at {wire_time(row.revoked_at)}.")
    return client_refusal("credential_expired", f"The credential ended at {wire_time(row.not_after)}.")
