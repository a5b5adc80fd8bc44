"""Federated credentials: each documented shape is taken when it is exact, and refused in every way of being something else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from identity import services
from identity.federation.claims import rows_of
from identity.federation.models import FederatedCredential, TrustedIssuer
from identity.federation.services.credentials import revoke_federated_credential
from identity.federation.services.issuers import suspend_issuer
from identity.models import Agent, Role
from identity.queries import excluded_people
from identity.services.proving import Known, prove_agent
from identity.tokens.errors import TokenRefused
from identity.tokens.requests import ClientProof
from kernel.canonical import to_json_text
from kernel.clock import now
from kernel.errors import DomainError
from tests.builders.federation import BY_NAME, SHAPES, Shape, exchange, federate, key_for, new_key, sign, token_of, trust
from tests.builders.identity import actor, bearer, bearer_principal, make_agent, make_grant, make_key, make_user
from tests.identity.recorded import actors, kinds, outcomes

pytestmark = pytest.mark.django_db

Standing = tuple[Agent, TrustedIssuer, FederatedCredential]
KUBERNETES = BY_NAME["kubernetes"]


@pytest.fixture
def ruth() -> User:
    return make_user("ruth", [Role.CONTROLLER])


@pytest.fixture
def standing(request: pytest.FixtureRequest, agent: Agent, bob: User, ruth: User) -> Standing:
    """Return an agent with a grant, and the shape's issuer and credential for it."""
    shape = getattr(request, "param", KUBERNETES)
    make_grant(agent)
    issuer = trust(shape, bob, ruth)
    return agent, issuer, federate(agent, issuer, shape)


def each_shape(function: Any) -> Any:
    shapes = [pytest.param(shape, shape, id=shape.name) for shape in SHAPES]
    return pytest.mark.parametrize(("standing", "shape"), shapes, indirect=["standing"])(function)


def answer_of(response: HttpResponse) -> dict[str, Any]:
    answer = json.loads(response.content)
    assert isinstance(answer, dict)
    return answer


def prove(token: str, client_id: str = "") -> str:
    """Return the code with which the token is refused, or an empty text when it proves somebody."""
    try:
        prove_agent(ClientProof(token, client_id, is_grant=True), Known.nobody(), now=now())
    except TokenRefused as error:
        return error.code
    return ""


def changed(claims: dict[str, Any], path: tuple[str, ...], value: object) -> dict[str, Any]:
    """Return the claims with another value at the end of the path; None takes it away."""
    found = deepcopy(claims)
    inner = found
    for name in path[:-1]:
        inner = inner[name]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return found


@each_shape
def test_the_exact_shape_is_exchanged_for_a_token_of_ours(standing: Standing, shape: Shape) -> None:
    agent, issuer, credential = standing
    foreign = token_of(shape)
    answer = answer_of(exchange(foreign))
    assert answer.get("token_type") == "Bearer", answer
    principal = bearer_principal(answer["access_token"])
    assert (principal.agent_id, principal.credential_thumbprint) == (agent.pk, credential.public_id)
    assert actors("token:issued") == [("agent", agent.public_id)]
    proved = outcomes("token:issued")[0]["federated"]
    assert isinstance(proved, dict)
    assert (proved["kind"], proved["issuer"]) == (shape.kind, issuer.public_id)
    assert shape.subject not in str(outcomes("token:issued"))
    credential.refresh_from_db()
    assert credential.last_used_at is not None
    # The foreign token itself opens no door.
    assert Client().get("/api/v1/tools", headers=bearer(foreign)).status_code == 401


@each_shape
def test_every_listed_claim_must_be_just_so(standing: Standing, shape: Shape) -> None:
    claims = shape.claims()
    assert prove(sign(shape, claims)) == ""
    for path, value in rows_of(shape.listed):
        wrong: object = 1 if value is True else f"{value}0"
        for other in (wrong, None, [value]):
            assert prove(sign(shape, changed(claims, path, other))) == "assertion_claim_mismatch", (path, other)


@each_shape
def test_every_other_flaw_is_refused(standing: Standing, shape: Shape) -> None:
    at = int(now().timestamp())
    other = ["https://elsewhere.example.com"]
    flaws: list[tuple[dict[str, Any], str]] = [
        ({"aud": None}, "assertion_audience"),
        ({"aud": other[0]}, "assertion_audience"),
        ({"aud": []}, "assertion_audience"),
        ({"aud": [shape.audience, *other]}, "assertion_audience"),
        ({"aud": [*other, shape.audience]}, "assertion_audience"),
        ({"aud": f"{shape.audience}/"}, "assertion_audience"),
        ({"exp": at - 1, "iat": at - 300}, "assertion_expired"),
        ({"exp": None}, "assertion_claim_missing"),
        ({"exp": at + 100_000}, "assertion_lifetime"),
        ({"exp": str(at + 60)}, "assertion_claim_missing"),
        ({"iat": at + 600, "exp": at + 700}, "assertion_not_yet_valid"),
        ({"nbf": at + 600}, "assertion_not_yet_valid"),
        ({"sub": None}, "assertion_subject"),
        ({"sub": f"{shape.subject}0"}, "subject_unknown"),
    ]
    if shape.kind != "spiffe":
        flaws += [({"iat": None}, "assertion_claim_missing"), ({"iss": "https://elsewhere.example.com"}, "issuer_unknown")]
        flaws += [({"iss": f"{shape.issuer}/"}, "issuer_unknown")]
    if shape.kind != "gcp_agent":
        flaws += [({"cnf": {"jkt": "x"}}, "assertion_claim_refused")]
    for claims, code in flaws:
        assert prove(token_of(shape, **claims)) == code, claims


@each_shape
def test_signatures_are_those_of_the_issuers_keys(standing: Standing, shape: Shape) -> None:
    claims = shape.claims()
    stranger = new_key(shape.algorithm)
    other = "RS512" if shape.algorithm == "RS256" else "RS256"
    assert prove(sign(shape, claims, key=stranger)) == "signature_invalid"
    assert prove(sign(shape, claims, kid="k2")) == "issuer_key_unknown"
    assert prove(sign(shape, claims, key=key_for(other), alg=other)) == "algorithm_not_allowed"
    assert prove(sign(shape, claims, typ="dpop+jwt")) == "assertion_type"
    assert prove(sign(shape, claims, kid=None)) == "", "`kid` may be left out; then every key is tried"
    body = ".".join(sign(shape, claims).split(".")[1:2])
    assert prove(f"{encoded({'alg': 'none', 'kid': 'k1'})}.{body}.") == "algorithm_not_allowed"
    # The public key as a shared secret: the confusion of old libraries.
    signed = f"{encoded({'alg': 'HS256', 'kid': 'k1'})}.{body}"
    secret = to_json_text(shape.jwk()).encode()
    mac = base64.urlsafe_b64encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    assert prove(f"{signed}.{mac}") == "algorithm_not_allowed"


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(to_json_text(value).encode()).rstrip(b"=").decode()


@each_shape
def test_a_foreign_token_counts_once(standing: Standing, shape: Shape) -> None:
    token = token_of(shape)
    assert exchange(token).status_code == 200
    refused = exchange(token)
    assert (refused.status_code, answer_of(refused)["code"]) == (401, "assertion_replayed")
    assert exchange(token, as_client=True).status_code == 401
    assert kinds().count("token:issued") == 1
    assert kinds().count("token:refused") == 2


def test_with_the_same_dpop_key_it_counts_again_until_it_ends(standing: Standing) -> None:
    token, mine = token_of(KUBERNETES), make_key()
    first, second = exchange(token, proof_key=mine), exchange(token, proof_key=mine)
    assert (first.status_code, second.status_code) == (200, 200)
    assert answer_of(second)["token_type"] == "DPoP"
    for proof_key in (make_key(), None):
        refused = exchange(token, proof_key=proof_key)
        assert (refused.status_code, answer_of(refused)["code"]) == (401, "assertion_replayed")


def test_a_token_is_bound_where_the_agents_terms_say_so(alice: User, bob: User, ruth: User) -> None:
    agent = make_agent(alice, token_binding="dpop")
    make_grant(agent)
    federate(agent, trust(KUBERNETES, bob, ruth), KUBERNETES)
    token = token_of(KUBERNETES)
    assert answer_of(exchange(token))["code"] == "proof_missing"
    assert answer_of(exchange(token, proof_key=make_key()))["token_type"] == "DPoP", "a refused attempt does not use it up"


def test_as_client_assertion_with_client_credentials(standing: Standing) -> None:
    agent, _, _ = standing
    answer = answer_of(exchange(token_of(KUBERNETES), as_client=True, client_id=agent.public_id))
    assert bearer_principal(answer["access_token"]).agent_id == agent.pk


def test_a_grant_takes_no_second_proof_and_no_assertion_of_an_agents_own(standing: Standing) -> None:
    agent, _, _ = standing
    two = exchange(token_of(KUBERNETES), client_assertion="x")
    assert (two.status_code, answer_of(two)["code"]) == (401, "client_assertion")
    assert prove(token_of(KUBERNETES, iss=agent.public_id, sub=agent.public_id)) == "issuer_unknown"
    assert answer_of(exchange("", as_client=False))["code"] == "assertion_malformed"


def test_one_subject_of_two_agents_needs_the_client_id(standing: Standing, alice: User) -> None:
    _, issuer, _ = standing
    second = make_agent(alice, name="Second agent")
    federate(second, issuer, KUBERNETES)
    assert prove(token_of(KUBERNETES)) == "agent_ambiguous"
    assert prove(token_of(KUBERNETES), second.public_id) == ""
    assert prove(token_of(KUBERNETES), make_agent(alice, name="Third agent").public_id) == "subject_unknown"
    assert prove(token_of(KUBERNETES), "cred_01kas8v3q2f0ynh5tq3n8rzd1c") == "agent_unknown"


def marked(shape: Shape, **claims: object) -> str:
    """Return a token with other marks; None takes one away."""
    return sign(shape, {name: value for name, value in (shape.claims() | claims).items() if value is not None})


def test_an_application_without_the_agent_marker_is_no_agent(agent: Agent, bob: User, ruth: User) -> None:
    for name, marker in (("entra_v2", "xms_act_fct"), ("entra_v1", "xms_sub_fct")):
        shape = BY_NAME[name]
        federate(agent, trust(shape, bob, ruth), shape)
        assert prove(token_of(shape)) == ""
        assert prove(marked(shape, xms_par_app_azp=None, **{marker: None})) == "assertion_claim_mismatch"
        assert prove(marked(shape, **{marker: "13"})) == "assertion_claim_mismatch", "13 is an agent's user"
        assert prove(token_of(shape, idtyp="user", sub=shape.subject)) == "assertion_claim_mismatch", "on behalf of a person"


def test_an_extended_kubernetes_token_is_refused(standing: Standing) -> None:
    def extend(claims: dict[str, Any]) -> None:
        claims["kubernetes.io"]["warnafter"] = claims["iat"] + 3607

    assert prove(token_of(KUBERNETES, extend)) == "assertion_claim_refused"


@pytest.mark.parametrize(("standing", "shape"), [(BY_NAME["spiffe"], BY_NAME["spiffe"])], indirect=["standing"])
def test_a_trust_domain_speaks_for_itself_only(standing: Standing, shape: Shape) -> None:
    assert prove(token_of(shape, sub="spiffe://other.example.com/ns/finance")) == "issuer_unknown"
    assert prove(token_of(shape, iss="https://spire.prod.example.com")) == "", "`iss` is optional and says nothing"
    assert prove(sign(shape, shape.claims(), typ="JOSE")) == ""


def test_a_token_dies_with_credential_issuer_and_agent(standing: Standing, alice: User, bob: User) -> None:
    agent, issuer, credential = standing

    def a_token() -> str:
        return str(answer_of(exchange(token_of(KUBERNETES)))["access_token"])

    token = a_token()
    services.suspend_agent(agent_id=agent.pk, actor=actor(alice), now=now())
    assert refusal_of(token) == "agent_suspended"
    assert answer_of(exchange(token_of(KUBERNETES)))["code"] == "agent_suspended"
    services.resume_agent(agent_id=agent.pk, actor=actor(alice), now=now())
    assert refusal_of(token) == ""

    revoke_federated_credential(federated_id=credential.pk, actor=actor(alice), now=now())
    assert refusal_of(token) == "token_invalid"
    assert prove(token_of(KUBERNETES)) == "credential_revoked"

    federate(agent, issuer, KUBERNETES)
    token = a_token()
    suspend_issuer(issuer_id=issuer.pk, actor=actor(bob), now=now())
    assert refusal_of(token) == "token_invalid"
    assert prove(token_of(KUBERNETES)) == "issuer_not_active"


def refusal_of(token: str) -> str:
    try:
        bearer_principal(token)
    except DomainError as error:
        return error.code
    return ""


def test_a_credential_ends_and_its_token_before_it(standing: Standing) -> None:
    agent, issuer, credential = standing
    FederatedCredential.objects.filter(pk=credential.pk).update(revoked_at=now())
    federate(agent, issuer, KUBERNETES, not_after=now() + timedelta(seconds=30))
    answer = answer_of(exchange(token_of(KUBERNETES)))
    assert 0 < answer["expires_in"] <= 30
    later = now() + timedelta(seconds=31)
    with pytest.raises(TokenRefused) as refused:
        prove_agent(ClientProof(token_of(KUBERNETES), "", is_grant=True), Known.nobody(), now=later)
    assert refused.value.code == "credential_expired"


def test_who_registered_and_who_trusted_never_decides(standing: Standing, alice: User, bob: User, ruth: User) -> None:
    agent, _, credential = standing
    found = excluded_people(agent, None, None, credential.public_id)
    assert {person for person, reason in found if reason == "issued_credential"} == {alice.pk, bob.pk, ruth.pk}


def test_decommissioning_revokes_it(standing: Standing, alice: User) -> None:
    agent, _, credential = standing
    services.decommission_agent(agent_id=agent.pk, actor=actor(alice), now=now())
    credential.refresh_from_db()
    assert credential.revoked_at is not None
    assert prove(token_of(KUBERNETES)) == "credential_revoked"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinned keys are never fetched: nothing in this file may open a connection."""
    monkeypatch.setattr("identity.federation.fetching.outbound_client", None)
