"""Attempts with tokens: in the wrong place, forged, outlived, wider than their grant, resting on something that has ended."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from joserfc import jwt

from identity import services
from identity.tokens.resources import Resource, issuer, resource_url
from kernel.canonical import to_json_text
from kernel.clock import now as clock_now
from kernel.errors import ValidationFailed
from kernel.ids import Prefix, encode, new_id
from proposals.models import Proposal
from tests.builders import identity
from tests.builders.proposals import a_key
from tests.doors.world import BUDGET, COMPANY, ENTRY, ORDER, READ, Reply, World, an_order, refused, watched

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def test_token_counts_in_the_authorization_header_only(world: World) -> None:
    token = world.mine.token()
    places: list[Reply] = [
        Client().get(f"/api/v1/proposals?access_token={token}"),
        Client().get(f"/api/v1/proposals?authorization=Bearer%20{token}"),
        Client(headers={"Cookie": f"access_token={token}"}).get("/api/v1/proposals"),
        Client().get("/api/v1/proposals", headers={"X-Authorization": f"Bearer {token}"}),
        Client().post(f"/api/v1/proposals?access_token={token}", to_json_text(an_order()), content_type="application/json"),
        world.as_("maria").get("/api/v1/proposals"),
    ]
    for response in places:
        refused(response, 401, "not_authenticated")
        assert response["WWW-Authenticate"].startswith("Bearer")


HEADERS = [
    "Bearer",
    "Bearer ",
    "Bearer x",
    "Bearer a.b.c",
    "Bearer \0",
    "Bearer é.é.é",
    f"Bearer {'a' * 100_000}",
    "Basic {token}",
    "{token}",
    "Bearer {token}x",
    "Bearer {token} {token}",
    "Bearer {token}, Bearer {token}",
]


def test_a_plain_token_is_not_taken_as_a_bound_one(world: World) -> None:
    with watched() as traces:
        response = Client().get("/api/v1/proposals", headers={"Authorization": f"DPoP {world.mine.token()}"})

    refused(response, 401, "token_binding")
    assert response["WWW-Authenticate"].startswith("Bearer ")
    assert (traces.changed, traces.outcomes()) == ([], [{"status": "refused", "code": "token_binding"}])
    assert [(event.actor_id, event.subject_id) for event in traces.events] == [("unknown", world.mine.agent.public_id)]


@pytest.mark.parametrize("header", HEADERS, ids=lambda text: text[:24])
def test_anything_but_one_whole_bearer_token_is_refused(world: World, header: str) -> None:
    sent = header.format(token=world.mine.token())

    with watched() as traces:
        response = Client().get("/api/v1/proposals", headers={"Authorization": sent})

    refused(response, 401, "token_invalid")
    assert traces.changed == []
    assert len(traces.events) == 1
    assert traces.outcomes() == [{"status": "refused", "code": "token_invalid"}]


def claims_of(world: World, **changes: object) -> dict[str, object]:
    """Return the claims of a token that would be good."""
    agent = world.mine.agent
    at = int(clock_now().timestamp())
    detail = {"type": "countersign_tool", "actions": ["propose"], "tool": ORDER, "company": COMPANY}
    return {
        "iss": issuer(),
        "sub": agent.public_id,
        "client_id": agent.public_id,
        "aud": resource_url(Resource.API),
        "iat": at,
        "exp": at + 300,
        "jti": str(new_id()),
        "authorization_details": [detail],
        "grants": [agent.grants.get(tool=ORDER).public_id],
        "credential": agent.credentials.get().thumbprint,
    } | changes


def forged(world: World, header: dict[str, object] | None = None, key: Any = None, **changes: object) -> str:
    """Return a token over changed claims; signed by the installation itself unless a key is given."""
    signing = identity.signing_key()
    head = {"alg": "ES256", "typ": "at+jwt", "kid": signing.thumbprint()} | (header or {})
    return jwt.encode(head, claims_of(world, **changes), key or signing, algorithms=[str(head["alg"])])


def with_public_key_as_secret(claims: dict[str, object]) -> str:
    """Return a token that a verifier takes which lets the token choose the algorithm; made by hand, because no library makes it."""
    head = {"alg": "HS256", "typ": "at+jwt", "kid": identity.signing_key().thumbprint()}
    parts = [urlsafe_b64encode(to_json_text(part).encode()).rstrip(b"=") for part in (head, claims)]
    signature = hmac.digest(identity.signing_key().as_pem(private=False), b".".join(parts), "sha256")
    return b".".join([*parts, urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def test_a_token_over_those_claims_would_be_good(world: World) -> None:
    assert world.mine.get("proposals", token=forged(world)).status_code == 200


def test_forged_tokens_are_refused(world: World) -> None:
    other = world.other.agent
    bad = {
        "the key of an agent": forged(world, key=world.mine.key),
        "the public key as a secret": with_public_key_as_secret(claims_of(world)),
        "a client assertion": identity.make_assertion(world.mine.agent, world.mine.key),
        "another kind of token": forged(world, {"typ": "JWT"}),
        "another key's name": forged(world, {"kid": "another"}),
        "another issuer": forged(world, iss="https://elsewhere.example"),
        "another audience": forged(world, aud=f"{issuer()}/mcp"),
        "no end": forged(world, exp=None),
        "an end that is no number": forged(world, exp="tomorrow"),
        "another agent's grant": forged(world, grants=[other.grants.get(tool=ORDER).public_id]),
        "another agent": forged(world, sub=other.public_id),
        "a grant for another tool": forged(world, grants=[world.mine.agent.grants.get(tool=ENTRY).public_id]),
        "a key that nobody registered": forged(world, credential="x" * 43),
        "two details": forged(world, authorization_details=[{"type": "countersign_tool"}] * 2),
        "an agent that is a proposal": forged(world, sub=encode(Prefix.PROPOSAL, new_id())),
    }
    unsigned = forged(world).split(".")
    bad["no signature"] = f"{unsigned[0]}.{unsigned[1]}."
    for what, token in bad.items():
        with watched() as traces:
            response = world.mine.post("proposals", an_order(), token=token, key=a_key())
        assert (response.status_code, response.json()["code"]) == (401, "token_invalid"), what
        assert traces.changed == [], what
        assert len(traces.events) == 1, what


def test_token_past_its_end_is_refused(world: World) -> None:
    at = int(clock_now().timestamp())
    refused(world.mine.get("proposals", token=forged(world, exp=at)), 401, "token_expired")


def test_grant_is_asked_again_at_every_request(world: World) -> None:
    """A token signed for more than the grant holds does not reach further than the grant."""
    detail = {"type": "countersign_tool", "actions": ["propose"], "tool": ORDER, "company": "US01"}
    token = forged(world, authorization_details=[detail])

    with watched() as traces:
        response = world.mine.post("proposals", an_order() | {"company": "US01"}, token=token, key=a_key())

    refused(response, 403, "grant_company")
    assert (traces.changed, traces.kinds) == ([], ["proposal:refused"])


def test_narrower_token_holds_inside_a_wider_grant(world: World) -> None:
    small = world.mine.token(ceiling={"amount": "100.00", "currency": "EUR"})
    vendor = world.mine.token(resource="vendor:70002")

    refused(world.mine.post("proposals", an_order(), token=small, key=a_key()), 403, "ceiling_token")
    refused(world.mine.post("proposals", an_order(), token=vendor, key=a_key()), 403, "token_resource")
    assert Proposal.objects.filter(agent=world.mine.agent).count() == 0


def test_narrower_token_holds_for_reads_as_well(world: World) -> None:
    token = world.mine.token(READ, resource="cost_centre:4010")
    path, body = f"tools/{READ}/read", {"company": COMPANY, "arguments": BUDGET}

    assert world.mine.post(path, body, token=token).status_code == 200
    with watched() as traces:
        response = world.mine.post(path, body | {"arguments": BUDGET | {"cost_centre": "4020"}}, token=token)

    assert "cost_centre:4010" in refused(response, 403, "token_resource")["detail"]
    assert (traces.changed, traces.kinds) == ([], ["read:refused"])


def test_read_grant_promises_no_bounds_that_nothing_holds(world: World) -> None:
    agent, owner = world.mine.agent, identity.actor(world.person("alice"))
    bounds = services.GrantTerms(companies=(COMPANY,), valid_until=clock_now() + timedelta(days=9), vendors=("70001",))
    with pytest.raises(ValidationFailed):
        services.issue_grant(agent_id=agent.pk, tool="get_vendor", terms=bounds, actor=owner, now=clock_now())


END = {
    "suspended": ("agent_suspended", 403),
    "decommissioned": ("agent_decommissioned", 403),
    "overdue": ("agent_review_overdue", 403),
    "without its key": ("token_invalid", 401),
    "without its grant": ("grant_not_active", 403),
}


@pytest.mark.parametrize("how", END)
def test_live_token_dies_with_what_it_rests_on(world: World, how: str) -> None:
    agent, owner, now = world.mine.agent, identity.actor(world.person("alice")), clock_now()
    token, proposal = world.mine.token(), world.mine.proposed()
    if how == "suspended":
        services.suspend_agent(agent_id=agent.pk, actor=owner, now=now, reason="A test.")
    elif how == "decommissioned":
        services.decommission_agent(agent_id=agent.pk, actor=owner, now=now, reason="A test.")
    elif how == "overdue":
        type(agent).objects.filter(pk=agent.pk).update(expires_on=now.date() - timedelta(days=1))
    elif how == "without its key":
        services.revoke_credential(credential_id=agent.credentials.get().pk, actor=owner, now=now)
    else:
        services.revoke_grant(grant_id=agent.grants.get(tool=ORDER).pk, actor=owner, now=now)
    code, status = END[how]

    attempts: list[Callable[[], Reply]] = [
        lambda: world.mine.post("proposals", an_order(), token=token, key=a_key()),
        lambda: world.mine.post("proposals", an_order(), token=token, key=proposal.idempotency_key),
        lambda: world.mine.post("proposals/batch", {"items": [an_order() | {"idempotency_key": "k"}]}, token=token),
        lambda: world.mine.post(f"proposals/{proposal.public_id}/withdraw", {}, token=token),
        lambda: world.mine.get(f"proposals/{proposal.public_id}", token=token),
        lambda: world.mine.get("tools", token=token),
    ]
    for attempt in attempts:
        with watched() as traces:
            refused(attempt(), status, code)
        assert traces.changed == []
        assert traces.outcomes() == [{"status": "refused", "code": code}]
        assert [event.actor_id for event in traces.events] == [agent.public_id]
