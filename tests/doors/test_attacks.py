"""Attempts to get past the agents' door: malformed bodies, header tricks, borrowed and dead tokens, guessed identifiers, batches."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from joserfc import jwt

from identity import services
from identity.tokens.access import audience, issuer
from identity.tokens.keys import token_signing_key
from kernel.canonical import to_json_text
from kernel.clock import now as clock_now
from kernel.ids import Prefix, encode, new_id
from proposals.models import Proposal
from tests.builders import gateway, identity
from tests.builders.proposals import a_key
from tests.doors.bodies import BODIES
from tests.doors.world import BUDGET, COMPANY, ENTRY, ORDER, READ, Reply, World, a_body, an_order, watched

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def refused(response: Reply, status: int, code: str) -> dict[str, Any]:
    """Return the problem document, after checking that it is one."""
    document: dict[str, Any] = response.json()
    assert (response.status_code, document["code"]) == (status, code), document
    assert response["Content-Type"] == "application/problem+json"
    assert document["detail"]
    return document


@pytest.mark.parametrize(("what", "body", "status", "code", "path"), BODIES, ids=[item[0] for item in BODIES])
def test_malformed_proposal_is_refused_naming_the_place(world: World, what: str, body: Any, status: int, code: str, path: str) -> None:
    token = world.mine.token()

    with watched() as traces:
        response = world.mine.post("proposals", body, token=token, key=a_key())

    document = refused(response, status, code)
    if path:
        assert path in [item["path"] for item in document["errors"]], document
    assert traces.changed == []
    assert traces.kinds == ["proposal:refused"]
    assert traces.outcomes() == [{"status": "refused", "code": code}]


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "text/json"]
)
def test_other_content_types_are_refused(world: World, content_type: str) -> None:
    token = world.mine.token()

    with watched() as traces:
        response = world.mine.post("proposals", to_json_text(an_order()), token=token, key=a_key(), **{"Content-Type": content_type})

    refused(response, 415, "unsupported_media_type")
    assert (traces.changed, traces.kinds) == ([], ["proposal:refused"])


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "idempotency_key_missing"),
        ("", "idempotency_key_missing"),
        (" \t ", "idempotency_key_missing"),
        ("two words", "idempotency_key_invalid"),
        ("clé", "idempotency_key_invalid"),
        ("a\x7f", "idempotency_key_invalid"),
        ("x" * 201, "idempotency_key_invalid"),
        ('""', "idempotency_key_invalid"),
    ],
)
def test_key_of_another_form_is_refused(world: World, key: str | None, code: str) -> None:
    token = world.mine.token()

    with watched() as traces:
        response = world.mine.post("proposals", an_order(), token=token, key=key)

    assert "Idempotency-Key" in [item["path"] for item in refused(response, 400, code)["errors"]]
    assert (traces.changed, traces.kinds) == ([], ["proposal:refused"])


def test_quoted_and_bare_key_are_one_key(world: World) -> None:
    token, key = world.mine.token(), a_key()
    first = world.mine.post("proposals", an_order(), token=token, key=key)
    again = world.mine.post("proposals", an_order(), token=token, key=f'"{key}"')
    other = world.mine.post("proposals", an_order(), token=token, key=key.upper())

    assert (first.status_code, again.status_code, other.status_code) == (202, 200, 202)
    assert again.json()["id"] == first.json()["id"] != other.json()["id"]


def test_key_in_the_body_or_the_query_is_no_key(world: World) -> None:
    token = world.mine.token()

    refused(world.mine.post("proposals?Idempotency-Key=k", an_order(), token=token), 400, "idempotency_key_missing")
    refused(world.mine.post("proposals", an_order() | {"idempotency_key": "k"}, token=token, key="k"), 422, "validation_failed")


def test_another_agents_key_is_another_key(world: World) -> None:
    key = a_key()
    mine = world.mine.propose(key=key)
    theirs = world.other.propose(key=key)

    assert (mine.status_code, theirs.status_code) == (202, 202)
    assert mine.json()["id"] != theirs.json()["id"]
    assert "Idempotency-Replayed" not in theirs


def test_key_in_another_letter_of_the_body_is_a_replay_only_of_the_same_meaning(world: World) -> None:
    """Key order and white space are no other body; a default spelled out, or a longer decimal, is."""
    token, key = world.mine.token(), a_key()
    body = an_order()
    first = world.mine.post("proposals", body, token=token, key=key)
    turned = "{" + ", ".join(f'"{name}": {to_json_text(body[name])}' for name in reversed(body)) + "}"

    assert world.mine.post("proposals", turned, token=token, key=key).json()["id"] == first.json()["id"]
    refused(world.mine.post("proposals", body | {"rationale": ""}, token=token, key=key), 422, "idempotency_key_reused")


# Tokens ---------------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Bearer \0", "Bearer é.é.é", f"Bearer {'a' * 100_000}", "Basic {token}", "DPoP {token}", "{token}"]
    + ["Bearer {token}, Bearer {token}", "Bearer {token}x", "Bearer {token} {token}"],
    ids=lambda text: text[:24],
)  # fmt: skip
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
        "aud": audience(),
        "iat": at,
        "exp": at + 300,
        "jti": str(new_id()),
        "authorization_details": [detail],
        "grant_id": agent.grants.get(tool=ORDER).public_id,
        "credential": agent.credentials.get().thumbprint,
    } | changes


def forged(world: World, header: dict[str, object] | None = None, key: Any = None, **changes: object) -> str:
    """Return a token over changed claims; signed by the installation itself unless a key is given."""
    signing = token_signing_key()
    head = {"alg": "ES256", "typ": "at+jwt", "kid": signing.thumbprint()} | (header or {})
    return jwt.encode(head, claims_of(world, **changes), key or signing, algorithms=[str(head["alg"])])


def with_public_key_as_secret(claims: dict[str, object]) -> str:
    """Return a token that a verifier takes which lets the token choose the algorithm; made by hand, because no library makes it."""
    head = {"alg": "HS256", "typ": "at+jwt", "kid": token_signing_key().thumbprint()}
    parts = [urlsafe_b64encode(to_json_text(part).encode()).rstrip(b"=") for part in (head, claims)]
    signature = hmac.digest(token_signing_key().as_pem(private=False), b".".join(parts), "sha256")
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
        "bound to a key": forged(world, cnf={"jkt": "x"}),
        "another agent's grant": forged(world, grant_id=other.grants.get(tool=ORDER).public_id),
        "another agent": forged(world, sub=other.public_id),
        "a grant for another tool": forged(world, grant_id=world.mine.agent.grants.get(tool=ENTRY).public_id),
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

    for attempt in (
        lambda: world.mine.post("proposals", an_order(), token=token, key=a_key()),
        lambda: world.mine.post("proposals", an_order(), token=token, key=proposal.idempotency_key),
        lambda: world.mine.post("proposals/batch", {"items": [an_order() | {"idempotency_key": "k"}]}, token=token),
        lambda: world.mine.post(f"proposals/{proposal.public_id}/withdraw", {}, token=token),
        lambda: world.mine.get(f"proposals/{proposal.public_id}", token=token),
        lambda: world.mine.get("tools", token=token),
    ):
        with watched() as traces:
            refused(attempt(), status, code)
        assert traces.changed == []
        assert traces.outcomes() == [{"status": "refused", "code": code}]
        assert [event.actor_id for event in traces.events] == [agent.public_id]


# What belongs to others -----------------------------------------------------------------------------------------------


def test_another_agents_proposal_does_not_exist(world: World) -> None:
    proposal, nothing = world.mine.proposed(), encode(Prefix.PROPOSAL, new_id())
    token = world.other.token()

    with watched() as traces:
        for path in ("proposals/{}", "proposals/{}?wait=0"):
            found = refused(world.other.get(path.format(proposal.public_id), token=token), 404, "not_found")
            absent = refused(world.other.get(path.format(nothing), token=token), 404, "not_found")
            assert found["detail"].replace(proposal.public_id, nothing) == absent["detail"]
    assert (traces.changed, traces.kinds) == ([], [])

    with watched() as traces:
        refused(world.other.post(f"proposals/{proposal.public_id}/withdraw", {}, token=token), 404, "not_found")
    assert (traces.changed, traces.kinds) == ([], ["proposal:refused"])

    with watched() as traces:
        revised = world.other.post("proposals", an_order() | {"supersedes": proposal.public_id}, token=token, key=a_key())
    assert refused(revised, 422, "validation_failed")["errors"][0]["path"] == "/supersedes"
    assert traces.changed == []

    page = world.other.get("proposals", token=token, cursor=encode(Prefix.PROPOSAL, new_id())).json()
    assert proposal.public_id not in to_json_text(page)


def test_another_agents_read_is_neither_shown_nor_citable(world: World) -> None:
    asked = world.mine.post(f"tools/{READ}/read", {"company": COMPANY, "arguments": BUDGET}, tool=READ)
    read_id = asked.json()["read_id"]

    refused(world.other.get(f"reads/{read_id}"), 404, "not_found")
    cited = world.other.propose(reads=[read_id])
    assert refused(cited, 422, "validation_failed")["errors"][0]["path"] == "/reads/0"


def test_tools_without_a_grant_do_not_exist(world: World) -> None:
    listed = [tool["name"] for tool in world.other.get("tools").json()["results"]]

    assert sorted(listed) == sorted([ORDER, READ])
    for name in (ENTRY, "change_vendor_bank_account", "no_such_tool", "..%2Fproposals", "%00"):
        response = world.other.get(f"tools/{name}")
        assert response.status_code in {404, 422}, name


def test_identifier_of_another_kind_is_refused_saying_so(world: World) -> None:
    token, proposal = world.mine.token(), world.mine.proposed()
    for text in (
        world.mine.agent.public_id,
        str(proposal.pk),
        proposal.public_id.upper(),
        proposal.public_id[:-1],
        "prop_zzzzzzzzzzzzzzzzzzzzzzzzzz",
        "prop_",
        "1",
        "-1",
    ):
        document = refused(world.mine.get(f"proposals/{text}", token=token), 400, "invalid_identifier")
        assert "prop_" in document["detail"]
    cited = world.mine.post("proposals", an_order() | {"reads": [proposal.public_id]}, token=token, key=a_key())
    assert refused(cited, 400, "invalid_identifier")["errors"][0]["path"] == "/reads/0"


@pytest.mark.parametrize("query", ["tool=%00", "company=%00", "state=%00", "cursor=%00", "limit=0", "limit=101", "limit=1e1", "limit=١", "state=x"])
def test_list_is_asked_in_bounds(world: World, query: str) -> None:
    response: Reply = Client().get(f"/api/v1/proposals?{query}", headers=identity.bearer(world.mine.token()))
    assert response.status_code in {400, 422}, response.content
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["tools/%00", "tools/a%00/read", "proposals/%00", "proposals/%00/withdraw", "reads/%00"])
def test_address_with_a_nul_is_refused(world: World, path: str) -> None:
    token = world.mine.token()
    is_post = path.endswith(("read", "withdraw"))
    response = world.mine.post(path, {}, token=token) if is_post else world.mine.get(path, token=token)
    assert response.status_code in {400, 422}, response.content


def test_a_method_is_not_overridden(world: World) -> None:
    token, proposal = world.mine.token(), world.mine.proposed()
    path = f"/api/v1/proposals/{proposal.public_id}/withdraw"
    for headers, query in (
        ({"X-HTTP-Method-Override": "POST"}, ""),
        ({"X-HTTP-Method": "POST"}, ""),
        ({"X-Method-Override": "POST"}, "?_method=POST&method=POST"),
    ):
        with watched() as traces:
            response: Reply = Client().get(path + query, headers=identity.bearer(token) | headers)
        refused(response, 405, "method_not_allowed")
        assert traces.changed == []


# Batches --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [{}, {"items": []}, {"items": {}}, {"items": "x" * 501}, {"items": [{}] * 501}, {"items": [{}], "token": "x"}, {"items": None}],
    ids=["nothing", "empty", "an object", "a text", "501", "another field", "null"],
)
def test_batch_of_another_form_is_refused_as_a_whole(world: World, body: dict[str, object]) -> None:
    token = world.mine.token()

    with watched() as traces:
        response = world.mine.post("proposals/batch", body, token=token)

    refused(response, 422, "validation_failed")
    assert (traces.changed, traces.kinds) == ([], ["proposal:refused"])


def test_batch_takes_and_refuses_each_item_by_itself(world: World) -> None:
    token, key = world.mine.token(), a_key()
    items: list[object] = [
        an_order() | {"idempotency_key": key},
        an_order() | {"idempotency_key": key},
        an_order(note="Another body.") | {"idempotency_key": key},
        a_body(gateway.entry_payload(), tool=ENTRY) | {"idempotency_key": a_key()},
        an_order() | {"company": "AT01", "idempotency_key": a_key()},
        an_order(),
        an_order() | {"idempotency_key": 7},
        an_order() | {"idempotency_key": "two words"},
        an_order() | {"tool": ["a"], "idempotency_key": a_key()},
        None,
        [],
        "x",
    ]

    with watched() as traces:
        response = world.mine.post("proposals/batch", {"items": items}, token=token)

    results = response.json()["results"]
    codes = [result["problem"]["code"] if result["problem"] else result["is_replay"] for result in results]
    assert codes == [
        False,
        True,
        "idempotency_key_reused",
        "token_scope",
        "token_scope",
        "idempotency_key_missing",
        "idempotency_key_missing",
        "idempotency_key_invalid",
        "validation_failed",
        "idempotency_key_missing",
        "idempotency_key_missing",
        "idempotency_key_missing",
    ]
    assert Proposal.objects.filter(agent=world.mine.agent).count() == 1
    assert traces.kinds.count("proposal:refused") == 10
    assert traces.kinds.count("proposal:proposed") == 1


def test_batch_does_not_get_under_a_ceiling(world: World) -> None:
    """Fifty items of 24,000.00 EUR in one request are counted one after the other, like fifty requests."""
    agent, key = identity.equipped_agent(world.person("alice"), READ, name="Small agent")
    identity.make_grant(agent, ORDER, bounds=identity.terms(ceiling_minor=24_000_00, ceiling_day_minor=50_000_00))
    token = identity.access_token(agent, key, "propose", ORDER)
    lines = [{"item": "P-1009", "quantity": "1", "unit_price": "24000"}]
    items = [an_order(lines=lines, reference=f"R-{number}") | {"idempotency_key": f"k{number}"} for number in range(4)]

    results = world.mine.post("proposals/batch", {"items": items}, token=token).json()["results"]

    assert [result["status"] for result in results] == [202, 202, 403, 403]
    assert results[3]["problem"]["code"] == "ceiling_day"
