"""How an agent's tokens are: who changes that, what a downgrade is, tokens of several details, doors that tokens are for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from joserfc import jwt
from joserfc.jwk import ECKey

from identity import services
from identity.errors import GrantRefused, TokenInvalid, TokenScopeMismatch
from identity.models import Agent, TokenBinding
from identity.services.token_terms import downgrades
from identity.tokens.resources import Resource, issuer, resource_metadata_url, resource_url
from kernel.canonical import to_json_text
from kernel.clock import now
from kernel.errors import NotVisible, PermissionRefused, ValidationFailed
from tests.builders.identity import (
    access_token,
    actor,
    bearer_principal,
    details,
    make_agent,
    make_assertion,
    signing_key,
    token_response,
)
from tests.identity.recorded import kinds, outcomes

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.identity.probe")]

ORDER, BUDGET = "create_purchase_order", "check_budget"
Equipped = tuple[Agent, ECKey]


def entry(tool: str, action: str = "propose", company: str = "DE01", **more: object) -> dict[str, object]:
    return {"type": "countersign_tool", "actions": [action], "tool": tool, "company": company, **more}


BOTH = [entry(ORDER), entry(BUDGET, "read")]


def set_terms(agent: Agent, by: User | None = None, **terms: Any) -> Agent:
    standard: dict[str, Any] = {"token_binding": "bearer", "token_shape": "single", "is_strict": False, "default_details": []}
    return services.set_token_terms(agent_id=agent.pk, actor=actor(by or agent.owner), now=now(), **(standard | terms))


def ask(equipped: Equipped, asked: str = "", **fields: Any) -> dict[str, Any]:
    response = token_response(make_assertion(*equipped), asked, **fields)
    answer: dict[str, Any] = json.loads(response.content)
    return answer


class TestTerms:
    """Changing them."""

    def test_a_new_agent_has_bound_tokens_of_one_action(self, alice: User) -> None:
        agent = make_agent(alice, token_binding=TokenBinding.DPOP)
        assert (agent.token_binding, agent.token_shape, agent.is_strict) == ("dpop", "single", False)
        assert downgrades(agent) == []

    def test_its_owner_changes_them_and_that_is_recorded(self, agent: Agent, alice: User) -> None:
        set_terms(agent, token_shape="set", default_details=BOTH)
        agent.refresh_from_db()
        assert (agent.token_shape, agent.default_details) == ("set", BOTH)
        assert [code for code, _ in downgrades(agent)] == ["bearer", "set"]
        assert outcomes("agent:token_terms_changed")[0] == {
            "changed": ["default_details", "token_shape"],
            "token_binding": "bearer",
            "token_shape": "set",
            "is_strict": False,
            "downgrades": ["bearer", "set"],
        }
        newest, before = agent.history.all()[:2]
        assert (newest.token_shape, before.token_shape, newest.history_user) == ("set", "single", alice)
        assert agent.last_edited_by == alice

    @pytest.mark.parametrize(
        ("terms", "path"),
        [
            ({"token_binding": "none"}, "/token_binding"),
            ({"token_shape": "all"}, "/token_shape"),
            ({"is_strict": True}, "/is_strict"),
            ({"default_details": BOTH}, "/default_details"),
            ({"default_details": [{"type": "payment"}]}, "/default_details"),
            ({"default_details": ["x"]}, "/default_details"),
            ({"token_shape": "set", "default_details": [entry(ORDER), entry(ORDER)]}, "/default_details"),
            ({"token_shape": "set", "default_details": [entry(ORDER, company=f"C{n}") for n in range(21)]}, "/default_details"),
        ],
    )
    def test_terms_that_make_no_sense(self, agent: Agent, terms: dict[str, Any], path: str) -> None:
        before = len(kinds())
        with pytest.raises(ValidationFailed) as refused:
            set_terms(agent, **terms)
        assert refused.value.errors[0].path == path
        assert len(kinds()) == before

    def test_others_do_not_change_them(self, agent: Agent, dora: User, charlie: User) -> None:
        with pytest.raises(PermissionRefused):
            set_terms(agent, dora, token_shape="set")
        with pytest.raises(NotVisible):
            set_terms(agent, charlie, token_shape="set")
        agent.refresh_from_db()
        assert agent.token_shape == "single"
        assert kinds()[-1] == "agent:refused"


class TestSet:
    """A token of several details."""

    @pytest.fixture(autouse=True)
    def _terms(self, equipped: Equipped) -> None:
        set_terms(equipped[0], token_shape="set")

    def test_one_token_for_several_tools(self, equipped: Equipped) -> None:
        answer = ask(equipped, to_json_text(BOTH))
        assert answer["authorization_details"] == BOTH
        found = bearer_principal(answer["access_token"])
        assert found.allows(action="propose", tool=ORDER, company="DE01")
        assert found.detail_for(action="read", tool=BUDGET).grant_id == equipped[0].grants.get(tool=BUDGET).pk
        assert not found.allows(action="read", tool=ORDER)
        with pytest.raises(TokenScopeMismatch) as refused:
            found.detail_for(tool=ORDER, company="US01")
        assert refused.value.data["held"] == [
            {"action": "propose", "tool": ORDER, "company": "DE01"},
            {"action": "read", "tool": BUDGET, "company": "DE01"},
        ]

    def test_each_detail_must_be_granted(self, equipped: Equipped) -> None:
        assert ask(equipped, to_json_text([*BOTH, entry("post_journal_entry")]))["code"] == "grant_missing"
        assert ask(equipped, to_json_text([*BOTH, entry(ORDER, company="US01")]))["code"] == "grant_company"

    def test_a_revoked_grant_ends_its_detail_only(self, equipped: Equipped) -> None:
        agent, _ = equipped
        token = ask(equipped, to_json_text(BOTH))["access_token"]
        services.revoke_grant(grant_id=agent.grants.get(tool=ORDER).pk, actor=actor(agent.owner), now=now())
        found = bearer_principal(token)
        assert found.allows(tool=BUDGET)
        assert not found.allows(tool=ORDER)
        with pytest.raises(GrantRefused) as refused:
            found.detail_for(tool=ORDER)
        assert refused.value.code == "grant_not_active"
        services.revoke_grant(grant_id=agent.grants.get(tool=BUDGET).pk, actor=actor(agent.owner), now=now())
        with pytest.raises(GrantRefused):
            bearer_principal(token)

    def test_back_to_one_action_ends_the_tokens_of_several(self, equipped: Equipped) -> None:
        token, single = ask(equipped, to_json_text(BOTH))["access_token"], access_token(*equipped)
        set_terms(equipped[0])
        with pytest.raises(TokenInvalid):
            bearer_principal(token)
        assert bearer_principal(single).allows(tool=ORDER)
        assert ask(equipped, to_json_text(BOTH))["code"] == "authorization_details_single"

    @pytest.mark.parametrize(
        ("entries", "code"),
        [
            ([], "authorization_details_count"),
            ([entry(ORDER, company=f"C{n}") for n in range(21)], "authorization_details_count"),
            ([entry(ORDER), entry(ORDER, resource="vendor:1580")], "authorization_details_repeated"),
            ([entry(ORDER), "x"], "authorization_details_malformed"),
        ],
    )
    def test_sets_of_no_form(self, equipped: Equipped, entries: list[Any], code: str) -> None:
        assert ask(equipped, to_json_text(entries))["code"] == code

    def test_the_registered_default_as_far_as_it_is_granted(self, equipped: Equipped) -> None:
        agent, _ = equipped
        set_terms(agent, token_shape="set", default_details=[*BOTH, entry("post_journal_entry")])
        assert ask(equipped)["authorization_details"] == BOTH
        for tool in (ORDER, BUDGET):
            services.revoke_grant(grant_id=agent.grants.get(tool=tool).pk, actor=actor(agent.owner), now=now())
        assert ask(equipped)["code"] == "grant_missing"


def test_the_registered_default_stands_in_for_what_is_not_asked(equipped: Equipped) -> None:
    assert ask(equipped)["code"] == "authorization_details_missing"
    set_terms(equipped[0], default_details=[entry(ORDER, ceiling={"amount": "500.00", "currency": "EUR"})])
    found = bearer_principal(ask(equipped)["access_token"])
    assert found.details[0].ceiling_minor == 500_00
    # Asking beats the default.
    assert ask(equipped, details("read", BUDGET))["authorization_details"][0]["tool"] == BUDGET


class TestResources:
    """Which door a token is for (RFC 8707)."""

    @pytest.mark.parametrize(
        ("asked", "audience"),
        [
            ([], "api"),
            (["{issuer}"], "api"),
            (["{issuer}/api"], "api"),
            (["{issuer}/api/v1/"], "api"),
            (["{issuer}/mcp"], "mcp"),
            (["{issuer}/mcp", "{issuer}/mcp/"], "mcp"),
        ],
    )
    def test_a_token_is_for_one_door(self, equipped: Equipped, asked: list[str], audience: str) -> None:
        token = ask(equipped, details("propose", ORDER), resource=[text.format(issuer=issuer()) for text in asked])["access_token"]
        claims = jwt.decode(token, signing_key(), algorithms=["ES256"]).claims
        assert claims["aud"] == f"{issuer()}/{audience}"
        assert outcomes("token:issued")[0]["resources"] == [audience]
        door = Resource(audience)
        assert bearer_principal(token, resource=door)
        other = Resource.MCP if door is Resource.API else Resource.API
        with pytest.raises(TokenInvalid) as refused:
            bearer_principal(token, resource=other)
        assert resource_metadata_url(other) in refused.value.headers["WWW-Authenticate"]

    def test_a_token_for_both_says_so(self, equipped: Equipped) -> None:
        token = ask(equipped, details("propose", ORDER), resource=[resource_url(item) for item in Resource])["access_token"]
        assert bearer_principal(token, resource=Resource.API)
        assert bearer_principal(token, resource=Resource.MCP)

    @pytest.mark.parametrize("asked", ["https://erp.example/api", "/api", "{issuer}/admin", "{issuer}.example/api"])
    def test_unknown_resources(self, equipped: Equipped, asked: str) -> None:
        answer = ask(equipped, details("propose", ORDER), resource=[resource_url(Resource.API), asked.format(issuer=issuer())])
        assert (answer["error"], answer["code"]) == ("invalid_target", "resource")


class TestMetadata:
    """What is published."""

    @pytest.mark.parametrize(("path", "resource"), [("", Resource.API), ("/api", Resource.API), ("/mcp", Resource.MCP)])
    def test_of_the_doors(self, client: Client, path: str, resource: Resource) -> None:
        found = json.loads(client.get(f"/.well-known/oauth-protected-resource{path}").content)
        assert (found["resource"], found["authorization_servers"]) == (resource_url(resource), [issuer()])
        assert "ES256" in found["dpop_signing_alg_values_supported"]
        assert not {"none", "HS256"} & set(found["dpop_signing_alg_values_supported"])

    def test_of_no_door(self, client: Client) -> None:
        assert client.get("/.well-known/oauth-protected-resource/admin").status_code == 404

    def test_of_the_authorization_server_fits_the_official_sdk(self, client: Client) -> None:
        from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata

        document = client.get("/.well-known/oauth-authorization-server").content
        found = OAuthMetadata.model_validate_json(document)
        assert json.loads(document)["issuer"] == issuer()
        assert str(found.token_endpoint) == f"{issuer()}/oauth/token"
        assert str(found.revocation_endpoint) == f"{issuer()}/oauth/revoke"
        assert str(found.introspection_endpoint) == f"{issuer()}/oauth/introspect"
        door = ProtectedResourceMetadata.model_validate_json(client.get("/.well-known/oauth-protected-resource/mcp").content)
        assert str(door.resource) == f"{issuer()}/mcp"

    def test_nobody_is_sent_to_a_browser(self, client: Client) -> None:
        refused = client.get("/oauth/authorize", {"response_type": "code"})
        assert (refused.status_code, json.loads(refused.content)["error"]) == (400, "unsupported_response_type")
