"""Giving a token back (RFC 7009) and asking about one (RFC 7662): an agent about its own tokens only, each time with one event."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction

from audit.services import record
from identity.authentication import standing_of
from identity.errors import TokenInvalid
from identity.events import IdentityEvent
from identity.limits.services import admit_proven, refuse_unproven
from identity.models import RevokedToken
from identity.services.guards import agent_subject
from identity.services.proving import Known, ProvenAgent, mark_used, prove_agent, use_once
from identity.tokens.access import AccessToken, read_token
from identity.tokens.errors import TokenRefused, refusal
from identity.tokens.requests import AboutToken, TokenForm, read_about_token
from identity.tokens.resources import issuer
from kernel.clock import wire_time
from kernel.errors import DomainError

Answer = dict[str, object]
INACTIVE = "inactive"


def revoke_token(*, form: TokenForm, now: datetime) -> None:
    """The agent's token is worth nothing from the next request on; one that is over or no token at all is left as it is (RFC 7009).

    Raises TokenRefused when the caller does not prove to be an agent, or when the token is another agent's.
    """
    asked, proven = _proven(form, now)
    with transaction.atomic():
        refused = _use(proven, now)
        token = None if refused else _token(asked.token, now)
        if token is not None and token.agent_id != proven.agent.pk:
            refused = refusal("token_of_another", "The token was issued to another agent.", error="unauthorized_client")
        if refused is not None:
            _record(IdentityEvent.TOKEN_REFUSED, proven, {"status": "refused", "code": refused.code}, now)
        else:
            status = "revoked" if token is not None and _revoke(token) else "nothing_to_revoke"
            _record(IdentityEvent.TOKEN_REVOKED, proven, {"status": status, **_named(token)}, now)
    if refused is not None:
        raise refused


def introspect_token(*, form: TokenForm, now: datetime) -> Answer:
    """Return whether the agent's token is good at `now`, and what for; another agent's token is answered like no token at all.

    Raises TokenRefused when the caller does not prove to be an agent.
    """
    asked, proven = _proven(form, now)
    with transaction.atomic():
        refused = _use(proven, now)
        if refused is not None:
            _record(IdentityEvent.TOKEN_REFUSED, proven, {"status": "refused", "code": refused.code}, now)
        else:
            token = _token(asked.token, now)
            reason = _reason(token, proven, now)
            answer: Answer = _claims(token) if token is not None and not reason else {"active": False}
            outcome = {"status": reason or "active", **(_named(token) if token and token.agent_id == proven.agent.pk else {})}
            _record(IdentityEvent.TOKEN_INTROSPECTED, proven, outcome, now)
    if refused is not None:
        raise refused
    return answer


def _proven(form: TokenForm, now: datetime) -> tuple[AboutToken, ProvenAgent]:
    known = Known.nobody()
    try:
        asked = read_about_token(form)
        proven = prove_agent(asked.client, known, now=now)
    except TokenRefused as error:
        raise refuse_unproven(kind=IdentityEvent.TOKEN_REFUSED, actor=known.actor, subject=known.subject, error=error, now=now) from error
    admit_proven(kind=IdentityEvent.TOKEN_REFUSED, actor=proven.actor(), now=now)
    return asked, proven


def _use(proven: ProvenAgent, now: datetime) -> TokenRefused | None:
    """Use up what proved the agent; return the refusal when it was used before."""
    try:
        use_once(proven)
    except TokenRefused as error:
        return error
    mark_used(proven, now=now)
    return None


def _token(text: str, now: datetime) -> AccessToken | None:
    try:
        return read_token(text, now)
    except TokenInvalid:
        return None


def _revoke(token: AccessToken) -> bool:
    ends = datetime.fromtimestamp(token.expires_at, UTC)
    _, is_new = RevokedToken.objects.get_or_create(token_id=token.token_id, defaults={"agent_id": token.agent_id, "expires_at": ends})
    return is_new


def _reason(token: AccessToken | None, proven: ProvenAgent, now: datetime) -> str:
    """Return why the token is not active for this caller; empty when it is."""
    if token is None:
        return INACTIVE
    if token.agent_id != proven.agent.pk:
        return "token_of_another"
    try:
        standing_of(token, now)
    except DomainError as error:
        return error.code
    return ""


def _claims(token: AccessToken) -> Answer:
    answer: Answer = {
        "active": True,
        "iss": issuer(),
        "sub": token.public_agent_id,
        "client_id": token.public_agent_id,
        "aud": token.resources[0] if len(token.resources) == 1 else list(token.resources),
        "iat": token.issued_at,
        "exp": token.expires_at,
        "jti": str(token.token_id),
        "token_type": "DPoP" if token.key_thumbprint else "Bearer",
        "authorization_details": [detail.as_dict() for detail in token.details],
    }
    return answer | ({"cnf": {"jkt": token.key_thumbprint}} if token.key_thumbprint else {})


def _named(token: AccessToken | None) -> dict[str, object]:
    if token is None:
        return {}
    return {"token": str(token.token_id), "expires_at": wire_time(datetime.fromtimestamp(token.expires_at, UTC))}


def _record(kind: IdentityEvent, proven: ProvenAgent, outcome: dict[str, object], now: datetime) -> None:
    record(kind=kind, actor=proven.actor(), subject=agent_subject(proven.agent), now=now, outcome=outcome)
