"""What must be refused at the doors: each refusal names what and why, changes nothing, and leaves exactly one record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from approvals import plans
from approvals.models import Decision
from commits.models import Commit
from identity.models import ApprovalGroupMember
from kernel.clock import now as clock_now
from ledger.models import PurchaseOrder
from ledger.services.staff import close_period, set_vendor_bank_fingerprint
from proposals.models import Proposal
from tests.builders import gateway, identity
from tests.builders.commits import as_owner
from tests.builders.console import commit_everything
from tests.builders.proposals import a_key
from tests.doors.world import (
    COMPANY,
    ENTRY,
    ORDER,
    READ,
    World,
    a_body,
    an_order,
    decision_path,
    form_of,
    page_path,
    refused,
    watched,
)

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


@dataclass(frozen=True, slots=True)
class ApiRefusal:
    """One thing that an agent may not do: how it knocks, and what it is told."""

    what: str
    status: int
    code: str
    says: str
    body: Callable[[], dict[str, Any] | str]
    tool: str = ORDER
    path: str = "/payload"
    has_errors: bool = True


def an_entry(**changes: Any) -> dict[str, Any]:
    return a_body(gateway.entry_payload(**changes), tool=ENTRY)


def an_order_over(amount: str) -> dict[str, Any]:
    return an_order(lines=[{"item": "P-1009", "quantity": "1", "unit_price": amount}])


def unbalanced() -> dict[str, Any]:
    lines = [{"account": "6300", "cost_centre": "4030", "debit": "120.00"}, {"account": "2000", "credit": "119.99"}]
    return an_entry(lines=lines)


FLOAT = (
    '{"tool": "create_purchase_order", "company": "DE01", "payload": {"vendor": "70001", "reference": "R", "ordered_on": "2026-11-23", '
    '"cost_centre": "4010", "currency": "EUR", "lines": [{"item": "P-1009", "quantity": "1", "unit_price": 0.1}]}}'
)

API_REFUSALS = [
    ApiRefusal(
        "a token for another tool",
        403,
        "token_scope",
        "tool 'post_journal_entry' (the token is for 'create_purchase_order')",
        an_entry,
        has_errors=False,
    ),
    ApiRefusal(
        "a token for reading only", 403, "token_scope", "action 'propose' (the token is for 'read')", an_order, READ, has_errors=False
    ),
    ApiRefusal(
        "a token for another company",
        403,
        "token_scope",
        "company 'AT01' (the token is for 'DE01')",
        lambda: an_order() | {"company": "AT01"},
        has_errors=False,
    ),
    ApiRefusal(
        "a float",
        422,
        "not_canonical",
        "/payload/lines/0/unit_price holds the float 0.1",
        lambda: FLOAT,
        path="/payload/lines/0/unit_price",
    ),
    ApiRefusal("an unbalanced entry", 422, "unbalanced_entry", "120.00", unbalanced, ENTRY, path="/payload/lines"),
    ApiRefusal(
        "an order in a closed period",
        422,
        "period_closed",
        "period 2026-09 of DE01 is closed",
        lambda: an_order(ordered_on="2026-09-30"),
        path="/payload/ordered_on",
    ),
    ApiRefusal(
        "an entry in a closed period",
        422,
        "period_closed",
        "period 2026-09 of DE01 is closed",
        lambda: an_entry(effective_on="2026-09-30"),
        ENTRY,
        path="/payload/effective_on",
    ),
    ApiRefusal(
        "an amount above the grant",
        403,
        "ceiling_per_write",
        "The amount 100,000.01 EUR is above the 100,000.00 EUR allowed.",
        lambda: an_order_over("100000.01"),
        has_errors=False,
    ),
    ApiRefusal("a blocked vendor", 422, "vendor_not_active", "70008", lambda: an_order(vendor="70008"), path="/payload/vendor"),
    ApiRefusal(
        "a company that nobody keeps books of",
        403,
        "token_scope",
        "company 'XX99'",
        lambda: an_order() | {"company": "XX99"},
        has_errors=False,
    ),
    ApiRefusal(
        "another agent's read",
        422,
        "validation_failed",
        "is not a read of yours in DE01",
        lambda: an_order() | {"reads": ["read_01kas8v3q2f0ynh5tq3n8rzd1c"]},
        path="/reads/0",
    ),
]


@pytest.mark.parametrize("case", API_REFUSALS, ids=lambda case: case.what)
def test_agent_is_refused(world: World, case: ApiRefusal) -> None:
    token = world.mine.token(case.tool)

    with watched() as traces:
        response = world.mine.post("proposals", case.body(), key=a_key(), token=token)

    document = response.json()
    assert (response.status_code, document["code"]) == (case.status, case.code), document
    assert response["Content-Type"] == "application/problem+json"
    assert case.says in document["detail"], document
    if case.has_errors:
        assert case.path in {item["path"] for item in document["errors"]}, document
    assert traces.changed == []
    assert traces.kinds == ["proposal:refused"]
    assert traces.outcomes() == [{"status": "refused", "code": case.code}]
    assert (traces.events[0].actor_kind, traces.events[0].actor_id) == ("agent", world.mine.agent.public_id)


def test_write_that_no_row_of_the_policy_covers_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    agent, key = identity.equipped_agent(world.person("alice"), "release_inventory", name="Releaser")
    token = identity.access_token(agent, key, "propose", "release_inventory")
    as_owner("DELETE FROM approvals_policyrow WHERE tool = %s", ["release_inventory"])
    monkeypatch.setattr(plans, "_policies", {})  # a process that has not met the policy before

    with watched() as traces:
        response = world.mine.post("proposals", a_body(tool="release_inventory"), key=a_key(), token=token)

    document = refused(response, 422, "unroutable")
    assert "No row of policy v1 covers release_inventory of 1,243.20 EUR in DE01." in document["detail"]
    assert traces.changed == []
    assert traces.outcomes() == [{"status": "refused", "code": "unroutable"}]


def test_same_key_twice_gives_the_same_answer_and_one_order(world: World) -> None:
    key, token = a_key(), world.mine.token()
    first = world.mine.post("proposals", an_order(), key=key, token=token)
    with watched() as traces:
        again = world.mine.post("proposals", an_order(), key=key, token=token)

    assert (first.status_code, again.status_code) == (202, 200)
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert (traces.changed, traces.kinds) == ([], [])

    orders = PurchaseOrder.objects.count()
    proposal = Proposal.objects.get(idempotency_key=key)
    page = world.as_("bob").get(page_path(proposal))
    decided = world.as_("bob").post(decision_path(proposal), form_of(page) | {"kind": "approve"})
    assert decided.status_code == 303, decided.content
    commit_everything()
    third = world.mine.post("proposals", an_order(), key=key, token=token)
    commit_everything()

    assert third["Idempotency-Replayed"] == "true"
    assert (third.json()["id"], third.json()["status"]) == (first.json()["id"], "committed")
    assert PurchaseOrder.objects.count() == orders + 1
    assert third.json()["outcome"]["document"] == PurchaseOrder.objects.get(reference=proposal.public_id).number
    assert Commit.objects.filter(proposal=proposal).count() == 1


def test_same_key_with_another_payload_is_refused_and_names_the_first(world: World) -> None:
    key, token = a_key(), world.mine.token()
    first = world.mine.post("proposals", an_order(), key=key, token=token)

    with watched() as traces:
        response = world.mine.post("proposals", an_order(note="Ring twice."), key=key, token=token)

    document = response.json()
    assert (response.status_code, document["code"]) == (422, "idempotency_key_reused")
    assert first.json()["id"] in document["detail"]
    assert document["data"] == {"proposal_id": first.json()["id"]}
    assert "Idempotency-Replayed" not in response
    assert traces.changed == []
    assert traces.outcomes() == [{"status": "refused", "code": "idempotency_key_reused"}]


@dataclass(frozen=True, slots=True)
class Sitting:
    """One person before the page of one pending order of Alice's agent; 1,250.90 EUR, one approval by purchasing is asked."""

    world: World
    proposal: Proposal
    person: str
    form: dict[str, str]
    patch: pytest.MonkeyPatch


@dataclass(frozen=True, slots=True)
class Refusal:
    """One decision that must not be taken: what happens between the page and the click, and what the person is told."""

    what: str
    status: int
    code: str
    says: str
    person: str = "bob"
    meanwhile: Callable[[Sitting], object] = bool
    also: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()


def bank_details_change(sitting: Sitting) -> None:
    set_vendor_bank_fingerprint(company=COMPANY, vendor="70001", bank_fingerprint="sha256:" + "0" * 64)


def period_is_closed(sitting: Sitting) -> None:
    close_period(company=COMPANY, year=2026, month=11)


def time_runs_out(sitting: Sitting) -> None:
    sitting.patch.setattr("approvals.views.clock_now", lambda: clock_now() + timedelta(minutes=2))


def bob_decides_first(sitting: Sitting) -> None:
    answer = sitting.world.as_("bob").post(decision_path(sitting.proposal), sitting.form | {"kind": "approve"})
    assert answer.status_code == 303


def maria_rejects_first(sitting: Sitting) -> None:
    client = sitting.world.as_("maria")
    form = form_of(client.get(page_path(sitting.proposal)))
    answer = client.post(decision_path(sitting.proposal), form | {"kind": "reject", "reason_code": "amount", "comment": "Half is enough."})
    assert answer.status_code == 303, answer.content


def agent_is_suspended(sitting: Sitting) -> None:
    answer = sitting.world.as_("alice").post(f"/agents/{sitting.world.mine.agent.public_id}/suspend/", {"reason": "It orders too much."})
    assert answer.status_code == 303


def agent_takes_it_back(sitting: Sitting) -> None:
    answer = sitting.world.mine.post(f"proposals/{sitting.proposal.public_id}/withdraw", {})
    assert answer.status_code == 200


def agent_revises_it(sitting: Sitting) -> None:
    sitting.world.mine.proposed(gateway.order_payload(note="Ring twice."), supersedes=sitting.proposal.public_id)


def bob_leaves_the_groups(sitting: Sitting) -> None:
    ApprovalGroupMember.objects.filter(user__username="bob").delete()


CONSOLE_REFUSALS = [
    Refusal(
        "approving one's own agent's proposal",
        403,
        "sod_owner",
        "You own agent Alice's agent, so you can't decide on its proposals (SoD: owner).",
        person="alice",
    ),
    Refusal("a vendor's bank details changed since", 409, "stale_page", "bank details", meanwhile=bank_details_change),
    Refusal("the period was closed since", 409, "stale_page", "Period 2026-11 of DE01 is open", meanwhile=period_is_closed),
    Refusal(
        "an expired proposal",
        409,
        "proposal_expired",
        "expired",
        meanwhile=time_runs_out,
        also=("proposal:expired",),
        changed=("proposals_proposal", "proposals_rollingtotal"),
        options=(("expires_in_seconds", 60),),
    ),
    Refusal("deciding twice", 409, "already_decided", "one person decides once, across all steps", meanwhile=bob_decides_first),
    Refusal("an approved proposal", 409, "proposal_not_pending", "it is approved", person="maria", meanwhile=bob_decides_first),
    Refusal("a rejected proposal", 409, "proposal_not_pending", "it is rejected", meanwhile=maria_rejects_first),
    Refusal("a revised proposal", 409, "proposal_not_pending", "it is superseded", meanwhile=agent_revises_it),
    Refusal("another company's proposal", 404, "not_found", "There is no proposal", person="charlie"),
    Refusal("a suspended agent's proposal", 409, "agent_suspended", "suspended", meanwhile=agent_is_suspended),
    Refusal("a withdrawn proposal", 409, "proposal_not_pending", "it is withdrawn", meanwhile=agent_takes_it_back),
    Refusal("a group that one has left", 403, "not_a_member", "member", meanwhile=bob_leaves_the_groups),
    Refusal("a role that may not decide", 403, "permission_denied", "proposal:decide", person="tomas"),
    Refusal("an auditor", 403, "permission_denied", "proposal:decide", person="samuel"),
    Refusal("an administrator", 403, "permission_denied", "proposal:decide", person="adele"),
]


@pytest.mark.parametrize("case", CONSOLE_REFUSALS, ids=lambda case: case.what)
def test_person_is_refused(world: World, case: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    proposal = world.mine.proposed(**dict(case.options))
    form = form_of(world.as_("bob").get(page_path(proposal)))
    if case.person == "alice":
        form = form_of(world.as_("alice").get(page_path(proposal)))
    case.meanwhile(Sitting(world, proposal, case.person, form, monkeypatch))

    with watched() as traces:
        response = world.as_(case.person).post(decision_path(proposal), form | {"kind": "approve"})

    assert response.status_code == case.status, response.content
    page = " ".join(response.content.decode().replace("&#x27;", "'").split())
    assert case.says in page, page
    assert tuple(traces.changed) == case.changed
    refused = [event for event in traces.events if event.kind not in case.also]
    assert traces.outcomes() == [{"status": "refused", "code": case.code}]
    assert len(refused) == 1
    assert refused[0].actor_id == str(world.person(case.person).pk)
    assert not Decision.objects.filter(proposal=proposal, user__username=case.person, kind="approve").exclude(user__username="bob").exists()
