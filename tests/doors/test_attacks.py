"""Attempts to get past the agents' door: malformed bodies, header tricks, borrowed and dead tokens, guessed identifiers, batches."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from kernel.canonical import to_json_text
from kernel.ids import Prefix, encode, new_id
from proposals.models import Proposal
from tests.builders import gateway, identity
from tests.builders.proposals import a_key
from tests.doors.bodies import BODIES
from tests.doors.world import BUDGET, COMPANY, ENTRY, ORDER, READ, Reply, World, a_body, an_order, refused, watched

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


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
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "text/json"],
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


@pytest.mark.parametrize(
    "query", ["tool=%00", "company=%00", "state=%00", "cursor=%00", "limit=0", "limit=101", "limit=1e1", "limit=١", "state=x"]
)
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
