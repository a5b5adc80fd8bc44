"""The token endpoint: a token for one action with one tool in one company, and every way of not getting one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from authlib.oauth2.rfc7523 import private_key_jwt_sign
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from identity import services
from identity.models import Agent, AssertionUse, Credential, Grant, Role
from identity.tokens.requests import ASSERTION_TYPE
from identity.tokens.resources import Resource, issuer, resource_url, token_endpoint
from kernel.canonical import to_json_text
from kernel.clock import now
from kernel.ids import Prefix, encode, new_id
from tests.builders.identity import (
    access_token,
    actor,
    details,
    equipped_agent,
    make_agent,
    make_assertion,
    make_credential,
    make_grant,
    make_key,
    make_user,
    principal,
    terms,
    token_response,
)
from tests.identity.recorded import actors, kinds, outcomes

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.identity.probe")]

TOOL = "create_purchase_order"
Equipped = tuple[Agent, ECKey]


def answer_of(response: Any) -> dict[str, Any]:
    answer = json.loads(response.content)
    assert isinstance(answer, dict)
    return answer


def issued_kinds() -> list[str]:
    return [kind for kind in kinds() if kind.startswith("token:")]


def recorded_detail() -> dict[str, Any]:
    """Return what the event of the first token says it is for."""
    details = outcomes("token:issued")[0]["details"]
    assert isinstance(details, list)
    detail: dict[str, Any] = details[0]
    return detail


def test_an_agent_gets_a_token_for_exactly_what_it_asked(equipped: Equipped) -> None:
    agent, key = equipped
    response = token_response(make_assertion(agent, key), details("propose", TOOL, resource="vendor:1580"))
    answer = answer_of(response)
    assert response.status_code == 200, answer
    assert (response["Cache-Control"], response["Pragma"]) == ("no-store", "no-cache")
    assert answer["token_type"] == "Bearer"
    assert 0 < answer["expires_in"] <= 300
    entry = {"type": "countersign_tool", "actions": ["propose"], "tool": TOOL, "company": "DE01", "resource": "vendor:1580"}
    assert answer["authorization_details"] == [entry]

    published = KeySet.import_key_set(answer_of(Client().get("/.well-known/jwks.json")))  # type: ignore[arg-type]
    token = jwt.decode(answer["access_token"], published, algorithms=["ES256"])
    assert (token.header["typ"], token.header["alg"]) == ("at+jwt", "ES256")
    claims = token.claims
    assert (claims["iss"], claims["aud"]) == (issuer(), resource_url(Resource.API))
    assert claims["sub"] == claims["client_id"] == agent.public_id
    assert claims["exp"] - claims["iat"] == 300
    assert claims["authorization_details"] == [entry]
    assert "cnf" not in claims

    assert issued_kinds() == ["token:issued"]
    assert actors("token:issued") == [("agent", agent.public_id)]
    assert outcomes("token:issued")[0]["token"] == claims["jti"]
    assert answer["access_token"] not in str(outcomes("token:issued"))
    assert agent.credentials.get().last_used_at is not None


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (OKPKey.generate_key("Ed25519"), "EdDSA"),
        (OKPKey.generate_key("Ed25519"), "Ed25519"),
        (RSAKey.generate_key(2048), "RS256"),
        (RSAKey.generate_key(2048), "PS256"),
        (ECKey.generate_key("P-256"), "ES256"),
    ],
)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_every_kind_of_key_works(alice: User, key: Key, algorithm: str) -> None:
    agent = make_agent(alice)
    make_credential(agent, key, algorithm=algorithm)
    make_grant(agent)
    response = token_response(make_assertion(agent, key, header={"alg": algorithm}), details("propose", TOOL))
    assert response.status_code == 200, response.content


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": token_endpoint()},
        {"aud": [issuer()]},
        {"aud": [issuer(), token_endpoint()]},
        {"header": {"kid": None}},
        {"header": {"typ": "client-authentication+jwt"}},
        {"header": {"typ": None}},
    ],
)
def test_what_other_clients_send_is_taken(equipped: Equipped, changes: dict[str, Any]) -> None:
    assert token_response(make_assertion(*equipped, **changes), details("propose", TOOL)).status_code == 200


def test_an_assertion_may_live_as_long_as_the_sdks_let_it(equipped: Equipped) -> None:
    at = int(now().timestamp())
    assert token_response(make_assertion(*equipped, iat=at, exp=at + 300), details("propose", TOOL)).status_code == 200


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_client_library_nobody_here_wrote_gets_a_token(equipped: Equipped) -> None:
    agent, key = equipped
    assertion = private_key_jwt_sign(key, client_id=agent.public_id, token_endpoint=token_endpoint(), alg="ES256", expires_in=300)
    text = assertion if isinstance(assertion, str) else assertion.decode()
    assert token_response(text, details("propose", TOOL), client_id=agent.public_id).status_code == 200


def test_the_newer_of_two_keys_works_without_a_key_id(equipped: Equipped) -> None:
    agent, first = equipped
    second = make_key()
    make_credential(agent, second)
    for key in (first, second):
        response = token_response(make_assertion(agent, key, header={"kid": None}), details("propose", TOOL))
        assert response.status_code == 200
    assert actors("token:issued") == [("agent", agent.public_id)] * 2


def test_a_log_only_grant_may_propose(alice: User) -> None:
    agent, key = make_agent(alice), make_key()
    make_credential(agent, key)
    make_grant(agent, is_active=False)
    assert principal(agent, key).details[0].tool == TOOL
    assert recorded_detail()["grant_state"] == "log_only"


def test_a_token_ends_with_its_grant(alice: User) -> None:
    agent, key = make_agent(alice), make_key()
    make_credential(agent, key)
    make_grant(agent, bounds=terms(valid_until=now() + timedelta(seconds=60)))
    answer = answer_of(token_response(make_assertion(agent, key), details("propose", TOOL)))
    assert 0 < answer["expires_in"] <= 60


def test_a_token_may_be_narrower_than_the_grant(equipped: Equipped) -> None:
    narrowed = principal(*equipped, ceiling={"amount": "500.00", "currency": "EUR"}, resource="vendor:1580").details[0]
    assert (narrowed.ceiling_minor, narrowed.currency, narrowed.resource) == (500_00, "EUR", "vendor:1580")


@dataclass
class Scene:
    """One attempt: who asks, with which assertion, for what; an attack changes one of these."""

    agent: Agent
    key: ECKey

    @cached_property
    def another(self) -> Equipped:
        return equipped_agent(make_user("dora", [Role.AGENT_OWNER]), TOOL, name="Another agent")

    @property
    def other(self) -> Agent:
        return self.another[0]

    @property
    def other_key(self) -> ECKey:
        return self.another[1]

    def assertion(self, **changes: Any) -> str:
        return make_assertion(self.agent, self.key, **changes)

    def ask(self, *, assertion: str | None = None, asked: str | None = None, **fields: str) -> Any:
        return token_response(
            self.assertion() if assertion is None else assertion, details("propose", TOOL) if asked is None else asked, **fields
        )


@pytest.fixture
def scene(equipped: Equipped) -> Scene:
    return Scene(*equipped)


def part(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(to_json_text(value).encode()).rstrip(b"=").decode()


def forged(scene: Scene, algorithm: str, secret: bytes) -> str:
    at = int(now().timestamp())
    claims: dict[str, object] = {
        "iss": scene.agent.public_id,
        "sub": scene.agent.public_id,
        "aud": issuer(),
        "iat": at,
        "exp": at + 60,
        "jti": "forged",
    }
    signed = f"{part({'alg': algorithm, 'kid': scene.key.thumbprint()})}.{part(claims)}"
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest() if secret else b""
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def used_before(scene: Scene) -> Any:
    assertion = scene.assertion()
    assert scene.ask(assertion=assertion).status_code == 200
    return scene.ask(assertion=assertion)


def used_by_a_refused_request(scene: Scene) -> Any:
    assertion = scene.assertion()
    assert scene.ask(assertion=assertion, asked=details("propose", TOOL, "FR01")).status_code == 400
    return scene.ask(assertion=assertion)


def change(scene: Scene, step: str) -> None:
    by, at = actor(scene.agent.owner), now()
    key, grant = scene.agent.credentials.get(), scene.agent.grants.get(tool=TOOL)
    if step == "suspend":
        services.suspend_agent(agent_id=scene.agent.pk, actor=by, now=at)
    elif step == "decommission":
        services.decommission_agent(agent_id=scene.agent.pk, actor=by, now=at)
    elif step == "revoke key":
        services.revoke_credential(credential_id=key.pk, actor=by, now=at)
    elif step == "revoke grant":
        services.revoke_grant(grant_id=grant.pk, actor=by, now=at)
    elif step == "overdue":
        Agent.objects.filter(pk=scene.agent.pk).update(expires_on=at.date() - timedelta(days=1))


def after(step: str, **changes: Any) -> Callable[[Scene], Any]:
    def attack(scene: Scene) -> Any:
        change(scene, step)
        return scene.ask(assertion=scene.assertion(**changes))

    return attack


def claims(**changes: Any) -> Callable[[Scene], Any]:
    return lambda scene: scene.ask(assertion=scene.assertion(**changes))


def timed(**seconds: float) -> Callable[[Scene], Any]:
    """Return an attack with claims so many seconds from the moment it is made."""

    def attack(scene: Scene) -> Any:
        at = int(now().timestamp())
        return scene.ask(assertion=scene.assertion(**{name: at + offset for name, offset in seconds.items()}))

    return attack


def asked(text: str) -> Callable[[Scene], Any]:
    return lambda scene: scene.ask(asked=text)


def raw(body: bytes, content_type: str = "application/x-www-form-urlencoded") -> Callable[[Scene], Any]:
    return lambda _scene: Client().post("/oauth/token", body, content_type=content_type)


ENTRY = {"type": "countersign_tool", "actions": ["propose"], "tool": TOOL, "company": "DE01"}
TEN_YEARS = 10 * 365 * 86_400
FORM = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}

ATTACKS: dict[str, tuple[Callable[[Scene], Any], str, str]] = {
    # The proof.
    "replayed": (used_before, "invalid_client", "assertion_replayed"),
    "replayed after a refusal": (used_by_a_refused_request, "invalid_client", "assertion_replayed"),
    "wrong audience": (claims(aud="https://elsewhere.example"), "invalid_client", "assertion_audience"),
    "no audience": (claims(aud=None), "invalid_client", "assertion_audience"),
    "empty audience": (claims(aud=[]), "invalid_client", "assertion_audience"),
    "one more audience": (claims(aud=[issuer(), "https://elsewhere.example"]), "invalid_client", "assertion_audience"),
    "expired": (timed(iat=-400, exp=-200), "invalid_client", "assertion_expired"),
    "ten years": (timed(exp=TEN_YEARS), "invalid_client", "assertion_lifetime"),
    "301 seconds": (timed(iat=0, exp=301), "invalid_client", "assertion_lifetime"),
    "backdated for a long life": (timed(iat=-3_000, exp=200), "invalid_client", "assertion_lifetime"),
    "issued tomorrow": (timed(iat=86_400, exp=86_500), "invalid_client", "assertion_not_yet_valid"),
    "not before tomorrow": (timed(nbf=86_400), "invalid_client", "assertion_not_yet_valid"),
    "no iat": (claims(iat=None), "invalid_client", "assertion_claim_missing"),
    "no exp": (claims(exp=None), "invalid_client", "assertion_claim_missing"),
    "no jti": (claims(jti=None), "invalid_client", "assertion_claim_missing"),
    "endless jti": (claims(jti="j" * 129), "invalid_client", "assertion_claim_missing"),
    "binary jti": (claims(jti="a\x00b"), "invalid_client", "assertion_claim_missing"),
    "exp true": (claims(exp=True), "invalid_client", "assertion_claim_missing"),
    "exp text": (claims(exp="9999999999"), "invalid_client", "assertion_claim_missing"),
    "exp float": (timed(exp=0.5), "invalid_client", "assertion_malformed"),
    "no subject": (claims(sub=None), "invalid_client", "assertion_subject"),
    "issuer is not subject": (claims(iss="agent_x"), "invalid_client", "assertion_subject"),
    "not an agent": (claims(iss="bob", sub="bob"), "invalid_client", "agent_unknown"),
    "nobody": (
        claims(**dict.fromkeys(("iss", "sub"), encode(Prefix.AGENT, new_id()))), "invalid_client", "agent_unknown"
    ),
    "a token type": (claims(header={"typ": "at+jwt"}), "invalid_client", "assertion_type"),
    "alg none": (lambda scene: scene.ask(assertion=forged(scene, "none", b"")), "invalid_client", "algorithm_not_allowed"),
    "HS256 with the public key": (
        lambda scene: scene.ask(assertion=forged(scene, "HS256", scene.key.as_pem(private=False))),
        "invalid_client",
        "algorithm_not_allowed",
    ),
    "ES256 that is HS256": (
        lambda scene: scene.ask(assertion=forged(scene, "ES256", scene.key.as_pem(private=False))), "invalid_client", "signature_invalid"
    ),
    "RS256 for an ES256 key": (
        lambda scene: scene.ask(
            assertion=make_assertion(
                scene.agent, RSAKey.generate_key(2048), header={"alg": "RS256", "kid": scene.key.thumbprint()}
            )
        ),
        "invalid_client",
        "signature_invalid",
    ),
    "another agent's key": (
        lambda scene: scene.ask(assertion=make_assertion(scene.agent, scene.other_key)), "invalid_client", "credential_unknown"
    ),
    "another agent's key under my key id": (
        lambda scene: scene.ask(
            assertion=make_assertion(scene.agent, scene.other_key, header={"kid": scene.key.thumbprint()})
        ),
        "invalid_client",
        "signature_invalid",
    ),
    "another agent's key and no key id": (
        lambda scene: scene.ask(assertion=make_assertion(scene.agent, scene.other_key, header={"kid": None})),
        "invalid_client",
        "signature_invalid",
    ),
    "unknown key id": (claims(header={"kid": make_key().thumbprint()}), "invalid_client", "credential_unknown"),
    "key id of no form": (claims(header={"kid": "x' OR 1=1 --\x00"}), "invalid_client", "credential_unknown"),
    "client id of another": (
        lambda scene: scene.ask(client_id=scene.other.public_id), "invalid_client", "client_id_mismatch"
    ),
    "garbage": (lambda scene: scene.ask(assertion="a.b.c"), "invalid_client", "assertion_malformed"),
    "not ascii": (lambda scene: scene.ask(assertion="ä.ö.ü"), "invalid_client", "assertion_malformed"),
    "empty": (lambda scene: scene.ask(assertion=""), "invalid_client", "assertion_malformed"),
    "endless assertion": (lambda scene: scene.ask(assertion="a" * 9_000), "invalid_client", "assertion_malformed"),
    "cut signature": (lambda scene: scene.ask(assertion=scene.assertion()[:-6]), "invalid_client", "signature_invalid"),
    "revoked key": (after("revoke key"), "invalid_client", "credential_revoked"),
    "revoked key without key id": (after("revoke key", header={"kid": None}), "invalid_client", "credential_missing"),
    # The agent.
    "suspended": (after("suspend"), "unauthorized_client", "agent_suspended"),
    "review overdue": (after("overdue"), "unauthorized_client", "agent_review_overdue"),
    "decommissioned": (after("decommission"), "invalid_client", "credential_revoked"),
    # What is asked for.
    "other company": (asked(details("propose", TOOL, "US01")), "invalid_authorization_details", "grant_company"),
    "other tool": (asked(details("propose", "post_journal_entry")), "invalid_authorization_details", "grant_missing"),
    "unknown tool": (asked(details("propose", "print_money")), "invalid_authorization_details", "unknown_tool"),
    "privileged tool": (asked(details("propose", "close_period")), "invalid_authorization_details", "grant_missing"),
    "read with a write tool": (asked(details("read", TOOL)), "invalid_authorization_details", "action_mismatch"),
    "propose with a read tool": (asked(details("propose", "check_budget")), "invalid_authorization_details", "action_mismatch"),
    "revoked grant": (after("revoke grant"), "invalid_authorization_details", "grant_missing"),
    "above the ceiling": (
        asked(details("propose", TOOL, ceiling={"amount": "100000.01", "currency": "EUR"})),
        "invalid_authorization_details",
        "ceiling_per_write",
    ),
    "other currency": (
        asked(details("propose", TOOL, ceiling={"amount": "1.00", "currency": "USD"})), "invalid_authorization_details", "grant_currency"
    ),
    "two entries": (asked(to_json_text([ENTRY, ENTRY])), "invalid_authorization_details", "authorization_details_single"),
    "no entry": (asked("[]"), "invalid_authorization_details", "authorization_details_single"),
    "two actions": (
        asked(to_json_text([ENTRY | {"actions": ["propose", "read"]}])), "invalid_authorization_details", "authorization_details_action"
    ),
    "no action": (asked(to_json_text([ENTRY | {"actions": []}])), "invalid_authorization_details", "authorization_details_action"),
    "unknown action": (
        asked(to_json_text([ENTRY | {"actions": ["approve"]}])), "invalid_authorization_details", "authorization_details_action"
    ),
    "an object as action": (
        asked(to_json_text([ENTRY | {"actions": [{}]}])), "invalid_authorization_details", "authorization_details_action"
    ),
    "other type": (asked(to_json_text([ENTRY | {"type": "payment"}])), "invalid_authorization_details", "authorization_details_type"),
    "nothing asked": (asked(""), "invalid_authorization_details", "authorization_details_missing"),
    "not JSON": (asked("[{"), "invalid_authorization_details", "authorization_details_malformed"),
    "an object": (asked(to_json_text(ENTRY)), "invalid_authorization_details", "authorization_details_malformed"),
    "a list of texts": (asked('["x"]'), "invalid_authorization_details", "authorization_details_malformed"),
    "a member twice": (asked('[{"type": "x", "type": "y"}]'), "invalid_authorization_details", "authorization_details_malformed"),
    "deeply nested": (asked("[" * 2_000 + "]" * 2_000), "invalid_authorization_details", "authorization_details_malformed"),
    "a lone surrogate": (asked('[{"type": "\\ud800"}]'), "invalid_authorization_details", "authorization_details_malformed"),
    "a wildcard company": (asked(details("propose", TOOL, "*")), "invalid_authorization_details", "authorization_details_malformed"),
    "a company with a line feed": (
        asked(details("propose", TOOL, "DE01\n")), "invalid_authorization_details", "authorization_details_malformed"
    ),
    "an unknown member": (
        asked(to_json_text([ENTRY | {"privileges": ["all"]}])), "invalid_authorization_details", "authorization_details_malformed"
    ),
    "a float ceiling": (
        asked(to_json_text([ENTRY | {"ceiling": {"amount": 1.5, "currency": "EUR"}}])),
        "invalid_authorization_details",
        "authorization_details_malformed",
    ),
    "a negative ceiling": (
        asked(details("propose", TOOL, ceiling={"amount": "-1.00", "currency": "EUR"})),
        "invalid_authorization_details",
        "authorization_details_malformed",
    ),
    "a resource of no form": (
        asked(details("propose", TOOL, resource="everything")), "invalid_authorization_details", "authorization_details_malformed"
    ),
    "endless details": (asked("[" + " " * 9_000 + "]"), "invalid_authorization_details", "authorization_details_malformed"),
    # The request.
    "other grant type": (lambda scene: scene.ask(grant_type="password"), "unsupported_grant_type", "grant_type"),
    "no grant type": (raw(b"a=1"), "unsupported_grant_type", "grant_type"),
    "a client secret": (lambda scene: scene.ask(client_secret="s3cret"), "invalid_client", "client_secret"),
    "other assertion type": (lambda scene: scene.ask(client_assertion_type="saml"), "invalid_client", "client_assertion_type"),
    "other resource": (lambda scene: scene.ask(resource="https://erp.example"), "invalid_target", "resource"),
    "JSON body": (raw(b"{}", "application/json"), "invalid_request", "content_type"),
    "oversized": (raw(b"a=" + b"b" * 40_000), "invalid_request", "request_too_large"),
    "a parameter twice": (raw(urlencode(FORM).encode() + b"&grant_type=password"), "invalid_request", "form_malformed"),
    "a hundred fields": (raw("&".join(f"f{n}=1" for n in range(100)).encode()), "invalid_request", "form_malformed"),
    "not UTF-8": (raw(b"grant_type=\xff\xfe"), "invalid_request", "form_malformed"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ATTACKS))
def test_an_attack_gets_a_code_and_no_token_and_leaves_one_event(scene: Scene, name: str) -> None:
    attack, error, code = ATTACKS[name]
    before = len(issued_kinds())
    response = attack(scene)
    answer = answer_of(response)
    assert (answer["error"], answer["code"]) == (error, code), answer
    assert "access_token" not in answer
    assert answer["error_description"]
    assert not set(answer["error_description"]) & set('"\\')
    assert response["Cache-Control"] == "no-store"
    expected = 401 if error == "invalid_client" else 413 if code == "request_too_large" else 400
    assert response.status_code == expected
    # Where the attack itself needs an earlier request, that one left its own event.
    earlier = 1 if name.startswith("replayed") else 0
    assert len(issued_kinds()) == before + earlier + 1
    assert issued_kinds()[-1] == "token:refused"
    assert outcomes("token:refused")[-1] == {"status": "refused", "code": code}


def test_a_refusal_names_an_agent_as_actor_only_when_it_has_proved_to_be_one(scene: Scene) -> None:
    scene.ask(assertion=make_assertion(scene.agent, scene.other_key, header={"kid": scene.key.thumbprint()}))
    scene.ask(asked=details("propose", TOOL, "US01"))
    assert actors("token:refused") == [("system", "token-endpoint"), ("agent", scene.agent.public_id)]


def test_a_key_past_its_end_is_refused(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    later = scene.agent.credentials.get().not_after + timedelta(seconds=1)
    monkeypatch.setattr("identity.tokens.views.now", lambda: later)
    assert answer_of(scene.ask())["code"] == "credential_expired"


def test_a_refused_assertion_is_not_used_up_by_somebody_who_cannot_sign(scene: Scene) -> None:
    good = scene.assertion(jti="precious")
    scene.ask(assertion=make_assertion(scene.agent, scene.other_key, header={"kid": scene.key.thumbprint()}, jti="precious"))
    assert scene.ask(assertion=good).status_code == 200


def test_two_agents_may_choose_the_same_jti(scene: Scene) -> None:
    assert scene.ask(assertion=scene.assertion(jti="1")).status_code == 200
    answer = token_response(make_assertion(scene.other, scene.other_key, jti="1"), details("propose", TOOL))
    assert answer.status_code == 200


@pytest.mark.django_db(transaction=True)
def test_one_assertion_raced_gives_one_token(alice: User) -> None:
    agent, key = equipped_agent(alice)
    assertion, start = make_assertion(agent, key), threading.Barrier(4)
    statuses: list[int] = []

    def ask() -> None:
        start.wait()
        try:
            statuses.append(token_response(assertion, details("propose", TOOL)).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 401, 401, 401]
    assert sorted(issued_kinds()) == ["token:issued", *["token:refused"] * 3]


def test_only_post_is_answered(client: Client) -> None:
    assert client.get("/oauth/token").status_code == 405
    assert client.post("/.well-known/jwks.json").status_code == 405


@pytest.mark.parametrize(
    ("url", "is_secure", "is_issued"),
    [
        ("http://localhost:8000", False, True),
        ("http://127.0.0.1", False, True),
        ("http://[::1]:8000", False, True),
        ("http://gate.local:8000", False, True),
        ("http://gate.example", False, False),
        ("http://localhost.example", False, False),
        ("http://gate.example", True, True),
        ("https://gate.example", False, False),
        ("https://gate.example", True, True),
    ],
)
def test_plain_http_only_on_this_machine(settings: Any, equipped: Equipped, url: str, is_secure: bool, is_issued: bool) -> None:
    settings.PUBLIC_URL = url
    form = parse_qs(urlencode(FORM | {"client_assertion": make_assertion(*equipped), "authorization_details": details("propose", TOOL)}))
    response = Client().post(
        "/oauth/token", urlencode(form, doseq=True), content_type="application/x-www-form-urlencoded", secure=is_secure
    )
    answer = answer_of(response)
    assert (response.status_code == 200) is is_issued, answer
    assert is_issued or answer["code"] == "insecure_transport"


def test_the_metadata_is_what_the_standard_asks(client: Client) -> None:
    published = answer_of(client.get("/.well-known/oauth-authorization-server"))
    assert published["issuer"] == issuer()
    assert published["token_endpoint"] == token_endpoint()
    assert published["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert not {"none", "HS256"} & set(published["token_endpoint_auth_signing_alg_values_supported"])
    checked = AuthorizationServerMetadata(published)
    checked.validate_token_endpoint()
    checked.validate_token_endpoint_auth_methods_supported()
    checked.validate_token_endpoint_auth_signing_alg_values_supported()
    checked.validate_grant_types_supported()


def test_the_published_keys_are_public(client: Client) -> None:
    keys = answer_of(client.get("/.well-known/jwks.json"))["keys"]
    assert [set(key) for key in keys] == [{"kty", "crv", "x", "y", "kid", "alg", "use"}]


def test_used_assertions_are_forgotten_once_they_are_over(scene: Scene) -> None:
    scene.ask()
    assert services.forget_expired_assertions(now=now()) == 0
    with pytest.raises(IntegrityError), transaction.atomic():
        AssertionUse.objects.all().delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        AssertionUse.objects.update(jti="another")
    AssertionUse.objects.create(agent=scene.agent, jti="old", expires_at=now() - timedelta(hours=2))
    assert services.forget_expired_assertions(now=now()) == 1
    assert AssertionUse.objects.count() == 1


def test_nothing_was_written_by_a_refusal_but_its_event(scene: Scene) -> None:
    before = (Credential.objects.count(), Grant.objects.count(), AssertionUse.objects.count())
    scene.ask(assertion="a.b.c")
    assert (Credential.objects.count(), Grant.objects.count(), AssertionUse.objects.count()) == before
    assert access_token(scene.agent, scene.key)
