"""Tokens that need a key (DPoP, RFC 9449): issued to it, useless without it, one proof for one request."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from pytest_django import DjangoAssertNumQueries

from identity import services, spent
from identity.authentication import authenticate_agent
from identity.errors import ProofReplayed
from identity.models import Agent, ProofUse, TokenBinding
from identity.tokens.proofs import base64url_digest, is_same_address, verify_proof
from identity.tokens.resources import Resource, public_url, token_endpoint
from kernel.canonical import to_json_text
from kernel.clock import now
from kernel.errors import DomainError
from kernel.waiting import looked_at_again
from tests.builders.identity import actor, bearer, equipped_agent, make_key, signing_key
from tests.builders.proofs import Holder, make_proof
from tests.identity.recorded import actors, outcomes

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.identity.probe")]

URL = "/probe"


def bind(agent: Agent, **terms: Any) -> None:
    standard: dict[str, Any] = {"token_binding": "dpop", "token_shape": "single", "is_strict": False, "default_details": []}
    services.set_token_terms(agent_id=agent.pk, actor=actor(agent.owner), now=now(), **(standard | terms))


@pytest.fixture
def holder(alice: User) -> Holder:
    agent, key = equipped_agent(alice)
    bind(agent)
    return Holder(agent, key)


def code_of(response: Any, status: int = 401) -> str:
    assert response.status_code == status, response.content
    return str(json.loads(response.content)["code"])


def test_a_token_is_bound_to_the_key_that_asked_for_it(holder: Holder) -> None:
    token = holder.token()
    claims = jwt.decode(token, signing_key(), algorithms=["ES256"]).claims
    assert claims["cnf"] == {"jkt": holder.proof_key.thumbprint()}
    assert outcomes("token:issued")[0]["binding"] == holder.proof_key.thumbprint()

    response = Client().get(URL, headers=holder.headers(token, "GET", URL))
    assert response.status_code == 200, response.content
    assert response.json()["agent"] == holder.agent.public_id


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (OKPKey.generate_key("Ed25519"), "EdDSA"),
        (OKPKey.generate_key("Ed25519"), "Ed25519"),
        (RSAKey.generate_key(2048), "RS256"),
        (RSAKey.generate_key(2048), "PS256"),
    ],
)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_every_kind_of_key_can_hold_a_token(holder: Holder, key: Key, algorithm: str) -> None:
    token = holder.token(proof=make_proof(key, "POST", token_endpoint(), header={"alg": algorithm}))
    sent = holder.headers(token, "GET", URL, key=key, header={"alg": algorithm})
    assert Client().get(URL, headers=sent).status_code == 200


def test_an_agent_registered_for_bound_tokens_gets_no_other(holder: Holder) -> None:
    response = holder.ask(proof="")
    assert json.loads(response.content)["error"] == "invalid_dpop_proof"
    assert code_of(response, 400) == "proof_missing"


def test_an_agent_registered_for_bearer_tokens_may_have_a_better_one(holder: Holder) -> None:
    bind(holder.agent, token_binding="bearer")
    assert "cnf" in jwt.decode(holder.token(), signing_key(), algorithms=["ES256"]).claims
    plain = json.loads(holder.ask(proof="").content)
    assert plain["token_type"] == "Bearer"
    assert Client().get(URL, headers=bearer(plain["access_token"])).status_code == 200

    bind(holder.agent)
    assert code_of(Client().get(URL, headers=bearer(plain["access_token"]))) == "token_binding"


def signed_by_hand(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """Return a proof that no library makes."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]  # noqa: TID251
    signature = hmac.digest(secret, b".".join(parts), hashlib.sha256) if secret else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def symmetric(holder: Holder, url: str, token: str, algorithm: str) -> str:
    public = holder.proof_key.as_dict(private=False)
    secret = holder.proof_key.as_pem(private=False) if algorithm == "HS256" else b""
    claims = {"jti": "x", "htm": "GET", "htu": url, "iat": int(now().timestamp()), "ath": base64url_digest(token.encode())}
    return signed_by_hand({"typ": "dpop+jwt", "alg": algorithm, "jwk": public}, claims, secret)


def other_key_in_header(holder: Holder, url: str, token: str) -> str:
    """Return a proof that names the bound key and is signed by another."""
    return make_proof(make_key(), "GET", url, token=token, header={"jwk": holder.proof_key.as_dict(private=False)})


def small_rsa(_holder: Holder, url: str, token: str) -> str:
    with pytest.warns(SecurityWarning):
        return make_proof(RSAKey.generate_key(1024), "GET", url, token=token, header={"alg": "RS256"})


OWN = make_key()


def proof(**changes: Any) -> Callable[[Holder, str, str], str]:
    """Return an attack that changes a good proof."""
    return lambda holder, url, token: make_proof(holder.proof_key, "GET", url, token=token, **changes)


def made(seconds: int) -> Callable[[Holder, str, str], str]:
    """Return an attack with a proof of so many seconds from the moment it is made."""

    def attack(holder: Holder, url: str, token: str) -> str:
        return make_proof(holder.proof_key, "GET", url, token=token, iat=int(now().timestamp()) + seconds)

    return attack


def signed_by(key: Key | None, **changes: Any) -> Callable[[Holder, str, str], str]:
    """Return an attack that signs with another key, the agent's own when none is given."""
    return lambda holder, url, token: make_proof(key or holder.key, "GET", url, token=token, **changes)


def text(value: str) -> Callable[[Holder, str, str], str]:
    return lambda _holder, _url, _token: value


WRONG: dict[str, tuple[str, Callable[[Holder, str, str], str]]] = {
    "another method": ("proof_invalid", proof(htm="POST")),
    "the method in lower case": ("proof_invalid", proof(htm="get")),
    "another path": ("proof_invalid", proof(htu=public_url(f"{URL}/x"))),
    "another host": ("proof_invalid", proof(htu="https://evil.example/probe")),
    "no address": ("proof_invalid", proof(htu=None)),
    "an address that is a list": ("proof_invalid", proof(htu=[public_url(URL)])),
    "an address of no form": ("proof_invalid", proof(htu="http://[::1/probe")),
    "another token": ("proof_invalid", proof(ath=base64url_digest(b"x"))),
    "no token": ("proof_invalid", proof(ath=None)),
    "stale": ("proof_invalid", made(-400)),
    "of the future": ("proof_invalid", made(4_000)),
    "without a time": ("proof_invalid", proof(iat=None)),
    "a time that is a text": ("proof_invalid", proof(iat="now")),
    "a time beyond all clocks": ("proof_invalid", proof(iat=2**60)),
    "without an id": ("proof_invalid", proof(jti=None)),
    "an endless id": ("proof_invalid", proof(jti="j" * 300)),
    "another type": ("proof_invalid", proof(header={"typ": "JWT"})),
    "no type": ("proof_invalid", proof(header={"typ": None})),
    "no key": ("proof_invalid", proof(header={"jwk": None})),
    "a private key": ("proof_invalid", signed_by(OWN, header={"jwk": OWN.as_dict(private=True)})),
    "a key of another curve": ("proof_invalid", signed_by(ECKey.generate_key("P-384"), header={"alg": "ES384"})),
    "a small RSA key": ("proof_invalid", small_rsa),
    "a critical extension": ("proof_invalid", proof(header={"crit": ["b64"], "b64": True})),
    "HS256 with the public key": ("proof_invalid", lambda holder, url, token: symmetric(holder, url, token, "HS256")),
    "none": ("proof_invalid", lambda holder, url, token: symmetric(holder, url, token, "none")),
    "a signature of somebody else": ("proof_invalid", other_key_in_header),
    "garbage": ("proof_invalid", text("a.b.c")),
    "two proofs": ("proof_invalid", lambda *of: ", ".join(proof()(*of) for _ in range(2))),
    "endless": ("proof_invalid", text("a" * 9_000)),
    "an empty header": ("proof_invalid", text("")),
    "the access token": ("proof_invalid", lambda _holder, _url, token: token),
    "another key": ("token_binding", signed_by(OWN)),
    "the agent's own key": ("token_binding", signed_by(None)),
    "a digest of another body": ("content_digest_invalid", proof(body=b"x")),
    "a digest of no form": ("content_digest_invalid", proof(content_digest=7)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(WRONG))
def test_a_wrong_proof_is_refused(holder: Holder, name: str) -> None:
    code, attack = WRONG[name]
    token = holder.token()
    spent_before = ProofUse.objects.count()
    sent = {"Authorization": f"DPoP {token}", "DPoP": attack(holder, public_url(URL), token)}
    response = Client().get(URL, headers=sent)
    assert code_of(response) == code
    bearer_challenge, bound_challenge = response["WWW-Authenticate"].split(", DPoP ")
    assert bearer_challenge.startswith("Bearer ")
    assert "error=" not in bearer_challenge
    assert f'error="{"invalid_token" if code == "token_binding" else "invalid_dpop_proof"}"' in bound_challenge
    # Whoever holds a token but not its key is nobody; nothing of theirs is remembered but the refusal.
    assert actors("token:refused") == [("agent", "unknown")]
    assert outcomes("token:refused") == [{"status": "refused", "code": code}]
    assert ProofUse.objects.count() == spent_before


def test_a_stolen_token_without_its_key_opens_nothing(holder: Holder) -> None:
    token = holder.token()
    assert code_of(Client().get(URL, headers=bearer(token))) == "token_binding"
    assert code_of(Client().get(URL, headers={"Authorization": f"DPoP {token}"})) == "proof_invalid"


def test_a_proof_is_good_for_one_request(holder: Holder) -> None:
    token = holder.token()
    sent = holder.headers(token, "GET", URL)
    assert Client().get(URL, headers=sent).status_code == 200
    assert code_of(Client().get(URL, headers=sent)) == "proof_replayed"
    assert outcomes("token:refused") == [{"status": "refused", "code": "proof_replayed"}]


def test_a_proof_for_the_token_endpoint_is_good_once_and_there_only(holder: Holder) -> None:
    made = make_proof(holder.proof_key, "POST", token_endpoint())
    assert holder.ask(proof=made).status_code == 200
    assert code_of(holder.ask(proof=made), 400) == "proof_replayed"
    elsewhere = make_proof(holder.proof_key, "POST", public_url("/oauth/introspect"))
    assert code_of(holder.ask(proof=elsewhere), 400) == "proof_invalid"
    assert code_of(holder.ask(proof="x"), 400) == "proof_invalid"


def test_a_suspended_agent_keeps_its_proof(holder: Holder) -> None:
    """A request that is refused for another reason uses nothing up that a later one could need."""
    token = holder.token()
    sent = holder.headers(token, "GET", URL)
    services.suspend_agent(agent_id=holder.agent.pk, actor=actor(holder.agent.owner), now=now(), reason="A test.")
    assert code_of(Client().get(URL, headers=sent), 403) == "agent_suspended"
    services.resume_agent(agent_id=holder.agent.pk, actor=actor(holder.agent.owner), now=now())
    assert Client().get(URL, headers=sent).status_code == 200


def test_one_query_and_one_insert(holder: Holder, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    token = holder.token()
    sent = holder.headers(token, "GET", URL)
    with django_assert_num_queries(2):
        known(holder, sent)


def known(holder: Holder, sent: dict[str, str], *, body: bytes = b"", method: str = "GET") -> str:
    return authenticate_agent(
        authorization=sent["Authorization"],
        proof=sent["DPoP"],
        method=method,
        url=public_url(URL),
        body=body,
        resource=Resource.API,
        now=now(),
    ).public_id


def test_a_waiting_request_is_one_request(holder: Holder) -> None:
    token = holder.token()
    sent, first_look = holder.headers(token, "GET", URL), now()
    assert known(holder, sent) == holder.agent.public_id
    with looked_at_again(first_look):
        assert known(holder, sent) == holder.agent.public_id
        assert known(holder, sent) == holder.agent.public_id
    with pytest.raises(ProofReplayed):
        known(holder, sent)


def test_a_waiting_request_may_outlast_its_proof_but_not_its_agent(holder: Holder) -> None:
    first_look = now() - timedelta(minutes=3)
    token = holder.token()
    sent = holder.headers(token, "GET", URL, iat=int(first_look.timestamp()))
    with looked_at_again(first_look):
        assert known(holder, sent) == holder.agent.public_id
        services.suspend_agent(agent_id=holder.agent.pk, actor=actor(holder.agent.owner), now=now(), reason="A test.")
        with pytest.raises(DomainError) as refused:
            known(holder, sent)
    assert refused.value.code == "agent_suspended"


class TestBody:
    """What `content_digest` holds together: a proof and the bytes that arrived."""

    BODY = b'{"amount": "1.00"}'

    def proof(self, holder: Holder, token: str, **claims: Any) -> dict[str, str]:
        return holder.headers(token, "POST", URL, **claims)

    def test_both_written_forms_are_taken(self, holder: Holder) -> None:
        token = holder.token()
        structured = base64.b64encode(hashlib.sha256(self.BODY).digest()).decode()
        for form in (base64url_digest(self.BODY), f"sha-256=:{structured}:"):
            assert known(holder, self.proof(holder, token, content_digest=form), body=self.BODY, method="POST")

    def test_a_changed_body_is_refused(self, holder: Holder) -> None:
        token = holder.token()
        sent = self.proof(holder, token, body=self.BODY)
        with pytest.raises(DomainError) as refused:
            known(holder, sent, body=self.BODY.replace(b"1", b"9"), method="POST")
        assert refused.value.code == "content_digest_invalid"
        # It was not used up: the agent's own request, arriving later, is taken.
        assert known(holder, sent, body=self.BODY, method="POST")

    def test_without_the_claim_only_a_strict_agent_is_refused(self, holder: Holder) -> None:
        token = holder.token()
        assert known(holder, self.proof(holder, token), body=self.BODY, method="POST")
        bind(holder.agent, is_strict=True)
        with pytest.raises(DomainError) as refused:
            known(holder, self.proof(holder, token), body=self.BODY, method="POST")
        assert refused.value.code == "content_digest_invalid"
        assert known(holder, self.proof(holder, token, body=self.BODY), body=self.BODY, method="POST")
        # Where nothing is sent there is nothing to change.
        assert known(holder, self.proof(holder, token), method="POST")

    def test_a_strict_agent_covers_its_token_request_too(self, holder: Holder) -> None:
        bind(holder.agent, is_strict=True)
        assert holder.ask().status_code == 200
        assert code_of(holder.ask(covers=False), 400) == "content_digest_invalid"
        other = make_proof(holder.proof_key, "POST", token_endpoint(), body=b"another form")
        assert code_of(holder.ask(proof=other), 400) == "content_digest_invalid"


@pytest.mark.parametrize(
    ("named", "is_same"),
    [
        ("https://gate.example/api/v1/proposals", True),
        ("HTTPS://Gate.Example/api/v1/proposals", True),
        ("https://gate.example:443/api/v1/proposals", True),
        ("https://gate.example/api/v1/proposals?limit=5#top", True),
        ("https://gate.example/api/v1/%70roposals", True),
        ("http://gate.example/api/v1/proposals", False),
        ("https://gate.example:8443/api/v1/proposals", False),
        ("https://gate.example/api/v1/proposals/", False),
        ("https://gate.example/api/v1/Proposals", False),
        ("https://user@gate.example/api/v1/proposals", False),
        ("https://gate.example.evil.example/api/v1/proposals", False),
        ("https://gate.example:0x1bb/api/v1/proposals", False),
        ("/api/v1/proposals", False),
        ("", False),
        (None, False),
    ],
)
def test_addresses_are_compared_after_normalisation(named: object, is_same: bool) -> None:
    assert is_same_address(named, "https://gate.example/api/v1/proposals") is is_same


@pytest.mark.parametrize(("age", "is_taken"), [(0, True), (59, True), (61, False), (-29, True), (-31, False)])
def test_the_window_of_a_proof(age: int, is_taken: bool) -> None:
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    made = make_proof(make_key(), "GET", public_url(URL), iat=int(at.timestamp()) - age)
    try:
        verify_proof(made, method="GET", url=public_url(URL), body=b"", now=at)
    except DomainError:
        assert not is_taken
    else:
        assert is_taken


@pytest.mark.django_db(transaction=True)
def test_one_proof_raced_opens_the_door_once(alice: User) -> None:
    agent, key = equipped_agent(alice)
    bind(agent)
    holder = Holder(agent, key)
    sent, start, answers = holder.headers(holder.token(), "GET", URL), threading.Barrier(4), []

    def knock() -> None:
        start.wait()
        try:
            answers.append(Client().get(URL, headers=sent).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=knock) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 401, 401, 401]


def test_what_is_spent_is_forgotten_once_it_is_over(holder: Holder) -> None:
    holder.token()
    with pytest.raises(IntegrityError), transaction.atomic():
        ProofUse.objects.all().delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        ProofUse.objects.update(expires_at=now())
    ProofUse.objects.create(digest=b"old", expires_at=now() - timedelta(hours=1))
    assert spent.forget_spent(now=now()) == 1
    assert ProofUse.objects.count() == 1


def test_the_binding_is_in_the_database_too(holder: Holder) -> None:
    for wrong in ({"token_binding": "none"}, {"token_shape": "all"}, {"is_strict": True, "token_binding": TokenBinding.BEARER}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Agent.objects.filter(pk=holder.agent.pk).update(**wrong)
    two = json.loads(to_json_text([{}, {}]))
    with pytest.raises(IntegrityError), transaction.atomic():
        Agent.objects.filter(pk=holder.agent.pk).update(default_details=two)
