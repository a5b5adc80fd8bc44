"""Giving a token back and asking about one: an agent about its own tokens only."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client
from joserfc.jwk import ECKey

from identity import services, spent
from identity.models import Agent, RevokedToken
from identity.tokens.requests import ASSERTION_TYPE
from identity.tokens.resources import Resource, introspection_endpoint, issuer, resource_url, revocation_endpoint
from kernel.clock import now
from tests.builders.identity import access_token, actor, bearer, equipped_agent, make_assertion
from tests.builders.proofs import Holder
from tests.identity.recorded import actors, kinds, outcomes

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.identity.probe")]

Equipped = tuple[Agent, ECKey]


@pytest.fixture
def another(dora: User) -> Equipped:
    return equipped_agent(dora, name="Another agent")


def ask(path: str, caller: Equipped, token: str, /, **changes: Any) -> Any:
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": make_assertion(*caller), "token": token} | changes
    return Client().post(f"/oauth/{path}", urlencode(form), content_type="application/x-www-form-urlencoded")


def answer(response: Any, status: int = 200) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Cache-Control"] == "no-store"
    found: dict[str, Any] = json.loads(response.content)
    return found


def is_open(token: str) -> bool:
    return bool(Client().get("/probe", headers=bearer(token)).status_code == 200)


def test_a_revoked_token_opens_nothing_from_the_next_request_on(equipped: Equipped) -> None:
    token, other = access_token(*equipped), access_token(*equipped)
    assert is_open(token)
    assert answer(ask("revoke", equipped, token)) == {}
    assert not is_open(token)
    assert is_open(other)
    assert answer(ask("introspect", equipped, token)) == {"active": False}
    assert answer(ask("revoke", equipped, token)) == {}
    assert [found["status"] for found in outcomes("token:revoked")] == ["revoked", "nothing_to_revoke"]
    assert actors("token:revoked") == [("agent", equipped[0].public_id)] * 2


def test_what_is_no_token_is_revoked_already(equipped: Equipped) -> None:
    assert answer(ask("revoke", equipped, "x", token_type_hint="refresh_token")) == {}
    assert RevokedToken.objects.count() == 0


def test_nobody_revokes_the_token_of_another(equipped: Equipped, another: Equipped) -> None:
    token = access_token(*equipped)
    refused = answer(ask("revoke", another, token), 400)
    assert (refused["error"], refused["code"]) == ("unauthorized_client", "token_of_another")
    assert is_open(token)
    assert actors("token:refused") == [("agent", another[0].public_id)]


def test_introspection_says_what_the_token_says(equipped: Equipped) -> None:
    agent, _ = equipped
    found = answer(ask("introspect", equipped, access_token(*equipped, resource="vendor:1580")))
    assert found["active"] is True
    assert (found["iss"], found["sub"], found["client_id"]) == (issuer(), agent.public_id, agent.public_id)
    assert (found["aud"], found["token_type"]) == (resource_url(Resource.API), "Bearer")
    assert 0 < found["exp"] - found["iat"] <= 300
    assert found["authorization_details"][0]["resource"] == "vendor:1580"
    assert outcomes("token:introspected")[0]["status"] == "active"


def test_introspection_of_a_bound_token_names_its_key(equipped: Equipped) -> None:
    holder = Holder(*equipped)
    found = answer(ask("introspect", equipped, holder.token(resource=[resource_url(item) for item in Resource])))
    assert (found["token_type"], found["cnf"]) == ("DPoP", {"jkt": holder.proof_key.thumbprint()})
    assert found["aud"] == [resource_url(item) for item in Resource]


def test_another_agents_token_is_answered_like_none_and_recorded(equipped: Equipped, another: Equipped) -> None:
    token = access_token(*equipped)
    assert answer(ask("introspect", another, token)) == {"active": False}
    assert answer(ask("introspect", another, "x")) == {"active": False}
    assert outcomes("token:introspected") == [{"status": "token_of_another"}, {"status": "inactive"}]


@pytest.mark.parametrize("step", ["suspend", "grant", "key"])
def test_a_token_whose_ground_is_gone_is_inactive(equipped: Equipped, step: str) -> None:
    agent, key = equipped
    token, by = access_token(agent, key), actor(agent.owner)
    if step == "suspend":
        services.suspend_agent(agent_id=agent.pk, actor=by, now=now(), reason="A test.")
    elif step == "grant":
        services.revoke_grant(grant_id=agent.grants.get(tool="create_purchase_order").pk, actor=by, now=now())
    else:
        services.revoke_credential(credential_id=agent.credentials.get().pk, actor=by, now=now())
    response = ask("introspect", equipped, token)
    if step == "key":
        assert answer(response, 401)["code"] == "credential_revoked"
    else:
        assert answer(response) == {"active": False}


@pytest.mark.parametrize("path", ["revoke", "introspect"])
def test_only_a_proven_agent_is_answered(equipped: Equipped, another: Equipped, path: str) -> None:
    token = access_token(*equipped)
    stolen = make_assertion(equipped[0], another[1], header={"kid": equipped[1].thumbprint()})
    wrong = {
        "signature_invalid": {"client_assertion": stolen},
        "client_secret": {"client_secret": "s3cret"},
        "client_assertion_type": {"client_assertion_type": "none"},
        "token_missing": {"token": ""},
    }
    for code, changes in wrong.items():
        assert answer(ask(path, equipped, token, **changes), 400 if code == "token_missing" else 401)["code"] == code
    once = make_assertion(*equipped)
    assert answer(ask(path, equipped, "x", client_assertion=once)) is not None
    assert answer(ask(path, equipped, token, client_assertion=once), 401)["code"] == "assertion_replayed"
    assert kinds().count("token:refused") == len(wrong) + 1
    assert is_open(token)


def test_assertions_for_either_endpoint_are_taken(equipped: Equipped) -> None:
    for endpoint in (introspection_endpoint(), revocation_endpoint()):
        proof = make_assertion(*equipped, aud=endpoint)
        assert answer(ask("introspect", equipped, "x", client_assertion=proof)) == {"active": False}


def test_a_revoked_token_stays_so_until_it_has_ended(equipped: Equipped) -> None:
    ask("revoke", equipped, access_token(*equipped))
    with pytest.raises(IntegrityError), transaction.atomic():
        RevokedToken.objects.all().delete()
    assert spent.forget_spent(now=now()) == 0
    RevokedToken.objects.create(token_id=equipped[0].pk, agent=equipped[0], expires_at=now() - timedelta(hours=1))
    assert spent.forget_spent(now=now()) == 1


def test_only_post_is_answered(client: Client) -> None:
    for path in ("revoke", "introspect"):
        assert client.get(f"/oauth/{path}").status_code == 405
