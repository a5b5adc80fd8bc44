"""Tokens bound to a key at the real doors: the body that was signed, narrowed tokens, several details, the other door's tokens."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from identity import services
from identity.tokens.resources import Resource, resource_url
from kernel.canonical import to_json_text
from kernel.clock import now as clock_now
from proposals.models import Proposal, ReadReceipt
from tests.builders import gateway, identity
from tests.builders.proofs import Holder
from tests.builders.proposals import a_key
from tests.doors.world import BUDGET, COMPANY, ENTRY, ORDER, READ, World, a_body, an_order, refused, watched

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])

PROPOSALS, READS = "/api/v1/proposals", f"/api/v1/tools/{READ}/read"


def entry(tool: str, action: str = "propose", **more: object) -> dict[str, object]:
    """Return one entry of authorization_details in the sample company."""
    return {"type": "countersign_tool", "actions": [action], "tool": tool, "company": COMPANY, **more}


def terms(world: World, **changes: Any) -> Holder:
    """Return Alice's agent with these token terms, and a key of its own for its tokens."""
    standard: dict[str, Any] = {"token_binding": "dpop", "token_shape": "single", "is_strict": False, "default_details": []}
    owner = identity.actor(world.person("alice"))
    services.set_token_terms(agent_id=world.mine.agent.pk, actor=owner, now=clock_now(), **(standard | changes))
    return Holder(world.mine.agent, world.mine.key)


def order_key() -> dict[str, str]:
    return {"Idempotency-Key": a_key()}


def test_a_strict_agent_proposes_and_reads(world: World) -> None:
    holder = terms(world, is_strict=True)
    ordered = holder.post(PROPOSALS, an_order(), holder.token(), headers=order_key())
    assert ordered.status_code == 202, ordered.content
    read = holder.post(READS, {"company": COMPANY, "arguments": BUDGET}, holder.token(identity.details("read", READ)))
    assert read.status_code == 200, read.content


def test_a_body_that_was_changed_on_the_way_proposes_nothing(world: World) -> None:
    holder = terms(world)
    token, signed = holder.token(), to_json_text(an_order()).encode()
    headers = holder.headers(token, "POST", PROPOSALS, body=signed) | order_key()
    changed = signed.replace(b"70001", b"70002")
    assert changed != signed

    with watched() as traces:
        response = Client().post(PROPOSALS, changed, content_type="application/json", headers=headers)

    refused(response, 401, "content_digest_invalid")
    assert (traces.changed, traces.kinds) == ([], ["token:refused"])
    assert [(event.actor_id, event.subject_id) for event in traces.events] == [("unknown", world.mine.agent.public_id)]
    assert Client().post(PROPOSALS, signed, content_type="application/json", headers=headers).status_code == 202


def test_a_strict_agent_without_a_digest_proposes_nothing(world: World) -> None:
    holder = terms(world, is_strict=True)
    token = holder.token()
    with watched() as traces:
        response = holder.post(PROPOSALS, an_order(), token, covers=False, headers=order_key())
    refused(response, 401, "content_digest_invalid")
    assert (traces.changed, traces.kinds) == ([], ["token:refused"])


def test_a_stolen_token_and_a_replayed_proof_propose_nothing(world: World) -> None:
    holder = terms(world)
    token, body = holder.token(), to_json_text(an_order()).encode()
    used = holder.headers(token, "POST", PROPOSALS, body=body)
    assert Client().post(PROPOSALS, body, content_type="application/json", headers=used | order_key()).status_code == 202

    attempts = {
        "token_binding": identity.bearer(token),
        "proof_invalid": {"Authorization": f"DPoP {token}"},
        # The key of the idempotency changes, so that only the proof stands between this and a second order.
        "proof_replayed": used,
    }
    for code, headers in attempts.items():
        with watched() as traces:
            response = Client().post(PROPOSALS, body, content_type="application/json", headers=headers | order_key())
        refused(response, 401, code)
        assert (traces.changed, traces.kinds) == ([], ["token:refused"])


def test_an_oversized_body_is_refused_before_it_is_covered(world: World) -> None:
    holder = terms(world)
    token = holder.token()
    with watched() as traces:
        response = holder.post(PROPOSALS, {"tool": "x" * 5_000_000}, token, headers=order_key())
    refused(response, 413, "body_too_large")
    assert traces.changed == []


def test_the_token_of_one_door_is_not_taken_at_the_other(world: World) -> None:
    token = Holder(world.mine.agent, world.mine.key).token(resource=resource_url(Resource.MCP))
    with watched() as traces:
        response = Holder(world.mine.agent, world.mine.key).post(PROPOSALS, an_order(), token, headers=order_key())
    refused(response, 401, "token_invalid")
    assert f'resource_metadata="{resource_url(Resource.API)[:-4]}/.well-known/oauth-protected-resource/api"' in response["WWW-Authenticate"]
    assert (traces.changed, len(traces.events)) == ([], 1)


NARROWED = [
    (ORDER, "vendor:70001", True),
    (ORDER, "vendor:70002", False),
    # The number is right, but it is a vendor's.
    (ORDER, "customer:70001", False),
    (ORDER, "cost_centre:4010", True),
    (ORDER, "cost_centre:4020", False),
    # The entry touches three accounts: a token for one of them does not cover it.
    (ENTRY, "account:6300", False),
    (ENTRY, "vendor:6300", False),
]


@pytest.mark.parametrize(("tool", "resource", "is_taken"), NARROWED)
def test_a_narrowed_token_proposes_for_its_resource_only(world: World, tool: str, resource: str, is_taken: bool) -> None:
    payload = gateway.PAYLOADS[tool]()
    token = world.mine.token(tool, resource=resource)
    with watched() as traces:
        response = world.mine.post("proposals", a_body(payload, tool=tool), key=a_key(), token=token)
    if is_taken:
        assert response.status_code == 202, response.content
        return
    assert refused(response, 403, "token_resource")["data"]["acceptable"] == resource
    assert (traces.changed, traces.kinds) == ([], ["proposal:refused"])


@pytest.mark.parametrize(("amount", "is_taken"), [("1250.90", True), ("1250.89", False)])
def test_a_lower_ceiling_holds_to_the_cent(world: World, amount: str, is_taken: bool) -> None:
    token = world.mine.token(ceiling={"amount": amount, "currency": "EUR"})
    with watched() as traces:
        response = world.mine.post("proposals", an_order(), key=a_key(), token=token)
    if is_taken:
        assert response.status_code == 202, response.content
        return
    refused(response, 403, "ceiling_token")
    assert (traces.changed, traces.kinds) == ([], ["proposal:refused"])


def test_a_narrowed_token_holds_inside_a_batch_as_well(world: World) -> None:
    token = world.mine.token(resource="vendor:70002")
    items = [an_order() | {"idempotency_key": a_key()}]
    result = world.mine.post("proposals/batch", {"items": items}, token=token).json()["results"][0]
    assert (result["status"], result["problem"]["code"]) == (403, "token_resource")


class TestSet:
    """One token for several tools: the downgrade for clients that hold one token."""

    def token(self, world: World, *entries: dict[str, object]) -> tuple[Holder, str]:
        holder = terms(world, token_shape="set", default_details=list(entries))
        # Without `authorization_details`: the registered default, which is what such clients ask for.
        return holder, str(holder.ask("").json()["access_token"])  # type: ignore[attr-defined]

    def test_each_tool_answers_to_its_own_detail(self, world: World) -> None:
        holder, token = self.token(world, entry(ORDER, resource="vendor:70001"), entry(READ, "read"))
        assert holder.post(READS, {"company": COMPANY, "arguments": BUDGET}, token).status_code == 200
        assert holder.post(PROPOSALS, an_order(), token, headers=order_key()).status_code == 202
        elsewhere = an_order(vendor="70002")
        refused(holder.post(PROPOSALS, elsewhere, token, headers=order_key()), 403, "token_resource")
        other = a_body(gateway.PAYLOADS[ENTRY](), tool=ENTRY)
        document = refused(holder.post(PROPOSALS, other, token, headers=order_key()), 403, "token_scope")
        assert [held["tool"] for held in document["data"]["held"]] == [ORDER, READ]

    def test_a_grant_that_ended_ends_its_tool_only(self, world: World) -> None:
        holder, token = self.token(world, entry(ORDER), entry(READ, "read"))
        agent = world.mine.agent
        services.revoke_grant(grant_id=agent.grants.get(tool=ORDER).pk, actor=identity.actor(world.person("alice")), now=clock_now())
        with watched() as traces:
            refused(holder.post(PROPOSALS, an_order(), token, headers=order_key()), 403, "grant_not_active")
        assert (traces.changed, traces.kinds) == ([], ["proposal:refused"])
        assert holder.post(READS, {"company": COMPANY, "arguments": BUDGET}, token).status_code == 200
        assert ReadReceipt.objects.filter(agent=agent).exists()
        assert not Proposal.objects.filter(agent=agent).exists()

    def test_withdrawing_needs_the_detail_of_its_tool(self, world: World) -> None:
        holder, token = self.token(world, entry(ENTRY), entry(READ, "read"))
        ordered = holder.post(PROPOSALS, an_order(), holder.token(to_json_text([entry(ORDER)])), headers=order_key()).json()
        refused(holder.post(f"{PROPOSALS}/{ordered['id']}/withdraw", {}, token), 403, "token_scope")
        able = holder.token(to_json_text([entry(ORDER), entry(READ, "read")]))
        assert holder.post(f"{PROPOSALS}/{ordered['id']}/withdraw", {}, able).status_code == 200
