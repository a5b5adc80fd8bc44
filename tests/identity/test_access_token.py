"""What an access token opens, and how fast it stops doing so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from joserfc import jwt
from joserfc.jwk import ECKey
from pytest_django import DjangoAssertNumQueries

from identity import services
from identity.errors import AgentNotActive, GrantRefused, TokenBindingMismatch, TokenExpired, TokenInvalid, TokenScopeMismatch
from identity.models import Agent
from identity.tokens.access import mint
from identity.tokens.details import Detail
from identity.tokens.resources import Resource, resource_metadata_url, resource_url
from kernel.actors import ActorKind
from kernel.clock import now
from kernel.errors import DomainError
from kernel.ids import Prefix, encode, new_id
from tests.builders.identity import (
    access_token,
    actor,
    bearer,
    bearer_principal,
    make_assertion,
    make_grant,
    make_key,
    principal,
    signing_key,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.identity.probe")]

TOOL = "create_purchase_order"
Equipped = tuple[Agent, ECKey]


def probe(token: str) -> Any:
    return Client().get("/probe", headers=bearer(token))


def test_a_token_opens_the_api(equipped: Equipped) -> None:
    response = probe(access_token(*equipped))
    assert response.status_code == 200, response.content
    assert response.json() == {"agent": equipped[0].public_id, "tool": TOOL, "company": "DE01"}


def test_the_principal_is_the_agent_with_its_key(equipped: Equipped) -> None:
    agent, key = equipped
    found = principal(agent, key)
    assert (found.agent_id, found.details[0].grant_id) == (agent.pk, agent.grants.get(tool=TOOL).pk)
    assert found.actor().kind is ActorKind.AGENT
    assert (found.actor().id, found.actor().credential) == (agent.public_id, key.thumbprint())


def test_agent_grant_and_key_are_read_in_one_query(equipped: Equipped, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    token = access_token(*equipped)
    with django_assert_num_queries(1):
        bearer_principal(token)


def test_a_token_ends_after_five_minutes(monkeypatch: pytest.MonkeyPatch, equipped: Equipped) -> None:
    token = access_token(*equipped)
    assert bearer_principal(token, now() + timedelta(seconds=295)).details[0].tool == TOOL
    with pytest.raises(TokenExpired):
        bearer_principal(token, now() + timedelta(seconds=301))
    monkeypatch.setattr("identity.authentication.clock_now", lambda: now() + timedelta(seconds=301))
    response = probe(token)
    assert (response.status_code, response.json()["code"]) == (401, "token_expired")
    assert 'error="invalid_token"' in response["WWW-Authenticate"]


def test_no_setting_makes_a_token_live_longer(settings: Any, equipped: Equipped) -> None:
    settings.TOKEN_LIFETIME_SECONDS = 86_400
    token = access_token(*equipped)
    with pytest.raises(TokenExpired):
        bearer_principal(token, now() + timedelta(seconds=301))


def test_suspension_is_effective_at_the_next_request(equipped: Equipped) -> None:
    agent, _ = equipped
    token = access_token(*equipped)
    assert probe(token).status_code == 200
    services.suspend_agent(agent_id=agent.pk, actor=actor(agent.owner), now=now())
    response = probe(token)
    assert (response.status_code, response.json()["code"]) == (403, "agent_suspended")
    services.resume_agent(agent_id=agent.pk, actor=actor(agent.owner), now=now())
    assert probe(token).status_code == 200


@pytest.mark.parametrize(
    ("step", "error", "code"),
    [
        ("decommission", AgentNotActive, "agent_decommissioned"),
        ("overdue", AgentNotActive, "agent_review_overdue"),
        ("revoke key", TokenInvalid, "token_invalid"),
        ("revoke grant", GrantRefused, "grant_not_active"),
        ("replace grant", GrantRefused, "grant_not_active"),
    ],
)
def test_what_ends_a_token_at_once(equipped: Equipped, step: str, error: type[DomainError], code: str) -> None:
    agent, key = equipped
    token, by, grant = access_token(agent, key), actor(agent.owner), agent.grants.get(tool=TOOL)
    if step == "decommission":
        services.decommission_agent(agent_id=agent.pk, actor=by, now=now())
    elif step == "overdue":
        Agent.objects.filter(pk=agent.pk).update(expires_on=now().date() - timedelta(days=1))
    elif step == "revoke key":
        services.revoke_credential(credential_id=agent.credentials.get().pk, actor=by, now=now())
    else:
        services.revoke_grant(grant_id=grant.pk, actor=by, now=now())
    if step == "replace grant":
        make_grant(agent)
    with pytest.raises(error) as refused:
        bearer_principal(token)
    assert refused.value.code == code


def signed(claims: dict[str, Any], *, key: ECKey | None = None, **header: Any) -> str:
    head = {"alg": "ES256", "typ": "at+jwt", "kid": signing_key().thumbprint()} | header
    return jwt.encode({name: value for name, value in head.items() if value}, claims, key or signing_key())


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "https://elsewhere.example"},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"exp": None},
        {"exp": True},
        {"sub": None},
        {"sub": "agent_x"},
        {"sub": encode(Prefix.AGENT, new_id())},
        {"grants": [encode(Prefix.GRANT, new_id())]},
        {"grants": [encode(Prefix.AGENT, new_id())]},
        {"grants": []},
        {"grants": None},
        {"credential": "x"},
        {"credential": None},
        {"jti": None},
        {"authorization_details": []},
        {"authorization_details": None},
        {"cnf": {"jkt": "x"}},
        {"cnf": {"x5t#S256": "x"}},
        {"cnf": {}},
        {"jti": "no-uuid"},
    ],
)
def test_claims_that_do_not_fit(equipped: Equipped, change: dict[str, Any]) -> None:
    good = jwt.decode(access_token(*equipped), signing_key(), algorithms=["ES256"]).claims
    assert bearer_principal(signed(good)).details[0].tool == TOOL
    changed = {name: value for name, value in (good | change).items() if value is not None}
    with pytest.raises(TokenInvalid):
        bearer_principal(signed(changed))


def test_a_signature_or_type_that_does_not_fit(equipped: Equipped) -> None:
    agent, key = equipped
    token = access_token(agent, key)
    good = jwt.decode(token, signing_key(), algorithms=["ES256"]).claims
    head, body, signature = token.split(".")
    attempts = (
        signed(good, key=key),
        signed(good, key=make_key()),
        signed(good, typ="JWT"),
        signed(good, typ=None),
        signed(good, kid="another"),
        f"{head}.{body}.",
        f"eyJhbGciOiJub25lIn0.{body}.",
        f"{head}.{body}.{signature[::-1]}",
        make_assertion(agent, key),
        "x" * 9_000,
        "",
    )
    for attempt in attempts:
        with pytest.raises(TokenInvalid):
            bearer_principal(attempt)


def test_a_bound_token_is_no_bearer_token(equipped: Equipped) -> None:
    agent, key = equipped
    minted = mint(
        agent_id=agent.pk,
        credential_thumbprint=key.thumbprint(),
        details=[(Detail("propose", TOOL, "DE01"), agent.grants.get(tool=TOOL).pk)],
        not_after=now() + timedelta(days=1),
        now=now(),
        key_thumbprint=key.thumbprint(),
    )
    with pytest.raises(TokenBindingMismatch, match="bound"):
        bearer_principal(minted.text)


@pytest.mark.parametrize("header", ["", "Basic YTpi", "DPoP x", "Bearer", "Bearer ", "x"])
def test_other_authorization_headers(header: str) -> None:
    response = Client().get("/probe", headers={"Authorization": header} if header else {})
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer ")
    assert ", DPoP " in response["WWW-Authenticate"]
    assert response["WWW-Authenticate"].count(f'resource_metadata="{resource_metadata_url(Resource.API)}"') == 2
    assert response["Content-Type"].startswith("application/problem+json")


def test_a_token_is_for_one_action_tool_and_company(equipped: Equipped) -> None:
    found = principal(*equipped)
    detail = found.detail_for(action="propose", tool=TOOL, company="DE01")
    assert found.detail_for(company="DE01") == found.detail_for() == detail
    assert found.allows(tool=TOOL)
    assert not found.allows(tool="check_budget")
    with pytest.raises(TokenScopeMismatch) as refused:
        found.detail_for(action="read", tool="check_budget", company="DE01")
    assert refused.value.code == "token_scope"
    assert refused.value.data == {
        "needed": {"action": "read", "tool": "check_budget"},
        "held": {"action": "propose", "tool": TOOL},
    }
    assert "check_budget" in refused.value.detail
    assert TOOL in refused.value.detail


def test_a_token_of_one_company_only(equipped: Equipped) -> None:
    with pytest.raises(TokenScopeMismatch):
        principal(*equipped).detail_for(company="US01")
    assert resource_url(Resource.API).endswith("/api")
