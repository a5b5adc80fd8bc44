"""The sample agent at the door: what it may do, and what is refused, each refusal with one record and no proposal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from examples.agent_client import AgentClient, ProofOfPossession, Refused, reads_of
from kernel.ids import new_id
from tests.journey.installation import RealInstallation

pytestmark = pytest.mark.slow

ORDER = "create_purchase_order"
ENTRY = "post_journal_entry"
COMPANY = "DE01"


@pytest.fixture(scope="module")
def buyer(running: RealInstallation) -> AgentClient:
    return running.client("purchasing-agent")


@pytest.fixture(scope="module")
def closer(running: RealInstallation) -> AgentClient:
    return running.client("close-assistant")


def new_key() -> str:
    return str(new_id())


def order(**changes: Any) -> dict[str, Any]:
    """Return the body of an order that a person has to approve."""
    line = {"item": "P-1009", "quantity": "400", "unit_price": "0.9500"}
    payload: dict[str, Any] = {
        "vendor": "70005",
        "reference": f"REQ-{new_key()[:8]}",
        "ordered_on": "2026-11-20",
        "cost_centre": "4010",
        "currency": "EUR",
        "lines": [line | {name: changes.pop(name) for name in line if name in changes}],
    }
    return {"tool": ORDER, "company": COMPANY, "payload": payload | changes}


def entry(*, effective_on: str = "2026-11-20", credit: str = "120.00") -> dict[str, Any]:
    """Return the body of an entry that is balanced and falls into an open period, unless told otherwise."""
    lines = [{"account": "6400", "cost_centre": "4020", "debit": "120.00"}, {"account": "2200", "credit": credit}]
    payload = {"effective_on": effective_on, "currency": "EUR", "description": "Freight not yet invoiced", "lines": lines}
    return {"tool": ENTRY, "company": COMPANY, "payload": payload}


def post(client: AgentClient, token: str, key: str, body: Mapping[str, Any]) -> httpx.Response:
    """Send one submission as it is, without the client's repeating."""
    proof = ProofOfPossession(client.proof_key, token)
    return client.http.post(f"{client.base_url}/api/v1/proposals", json=body, headers={"Idempotency-Key": f'"{key}"'}, auth=proof)


def records(running: RealInstallation, client: AgentClient) -> list[str]:
    """Return the kinds of all events that the agent caused, oldest first; a token may become due at any time."""
    query = "SELECT kind FROM audit_event WHERE actor_id = %s AND kind <> 'token:issued' ORDER BY event_id"
    rows = running.ask(query, client.agent_id)
    return [kind for (kind,) in rows]


def proposals(running: RealInstallation) -> int:
    return int(running.ask("SELECT count(*) FROM proposals_proposal")[0][0])


@contextmanager
def one_refusal(running: RealInstallation, client: AgentClient, kind: str = "proposal:refused") -> Iterator[None]:
    """Whatever happens inside adds no proposal and exactly one event, of this kind."""
    events, count = records(running, client), proposals(running)
    yield
    assert records(running, client) == [*events, kind]
    assert proposals(running) == count


def refusal(client: AgentClient, body: Mapping[str, Any]) -> Mapping[str, Any]:
    with pytest.raises(Refused) as caught:
        client.propose(new_key(), body)
    return caught.value.problem


def test_read_and_propose(running: RealInstallation, buyer: AgentClient) -> None:
    read = buyer.read("check_budget", COMPANY, {"cost_centre": "4010", "year": 2026})
    assert read["read_id"].startswith("read_")
    assert read["result"]["amount"] == "480000.00"
    proposal = buyer.propose(new_key(), order() | {"reads": reads_of([read]), "rationale": "Bearings run out."})
    assert (proposal["status"], proposal["amount"], proposal["is_final"]) == ("pending", "380.00", False)
    assert proposal["reads"] == [read["read_id"]]
    assert buyer.wait(proposal, seconds=1)["status"] == "pending"


def test_the_same_key_twice(running: RealInstallation, buyer: AgentClient) -> None:
    key, body, token = new_key(), order(), buyer.token("propose", ORDER, COMPANY)
    count = proposals(running)
    first, second = post(buyer, token, key, body), post(buyer, token, key, body)
    assert (first.status_code, first.headers.get("Idempotency-Replayed")) == (202, None)
    assert (second.status_code, second.headers.get("Idempotency-Replayed")) == (200, "true")
    assert first.json() == second.json()
    assert proposals(running) == count + 1
    with one_refusal(running, buyer):
        other = post(buyer, token, key, body | {"payload": {**body["payload"], "reference": "REQ-OTHER"}})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_float(running: RealInstallation, buyer: AgentClient) -> None:
    with one_refusal(running, buyer):
        problem = refusal(buyer, order(unit_price=0.95))
    assert problem["status"] == 422
    assert [item["path"] for item in problem["errors"]] == ["/payload/lines/0/unit_price"]
    assert "float" in str(problem["errors"])


def test_a_token_for_another_tool(running: RealInstallation, buyer: AgentClient) -> None:
    token = buyer.token("propose", "release_inventory", COMPANY)
    with one_refusal(running, buyer):
        answer = post(buyer, token, new_key(), order())
    assert answer.status_code == 403
    assert "release_inventory" in answer.text


def test_no_token_for_a_tool_without_grant(running: RealInstallation, buyer: AgentClient) -> None:
    count = proposals(running)
    with pytest.raises(Refused) as caught:
        buyer.token("propose", ENTRY, COMPANY)
    assert caught.value.problem["status"] in {400, 403}
    assert proposals(running) == count


def test_a_closed_period(running: RealInstallation, closer: AgentClient) -> None:
    with one_refusal(running, closer):
        problem = refusal(closer, entry(effective_on="2026-03-31"))
    assert (problem["status"], problem["code"]) == (422, "period_closed")
    assert "2026-03" in problem["detail"]


def test_an_unbalanced_entry(running: RealInstallation, closer: AgentClient) -> None:
    with one_refusal(running, closer):
        problem = refusal(closer, entry(credit="119.99"))
    assert (problem["status"], problem["code"]) == (422, "unbalanced_entry")
    assert "0.01" in str(problem)


def test_an_amount_above_the_grant(running: RealInstallation, buyer: AgentClient) -> None:
    with one_refusal(running, buyer):
        problem = refusal(buyer, order(quantity="100000", unit_price="1.0001"))
    assert problem["status"] == 403
    assert "100000.00" in str(problem).replace(",", "")


def test_another_company(running: RealInstallation, buyer: AgentClient) -> None:
    token = buyer.token("propose", ORDER, COMPANY)
    with one_refusal(running, buyer):
        answer = post(buyer, token, new_key(), order() | {"company": "US01"})
    assert answer.status_code == 403


def test_a_small_order_needs_nobody(running: RealInstallation, buyer: AgentClient) -> None:
    body = order(vendor="70007", item="P-1008", quantity="20", unit_price="3.2100")
    proposal = buyer.propose(new_key(), body)
    done = buyer.wait(proposal, seconds=30)
    assert (done["status"], done["amount"], done["is_final"]) == ("committed", "64.20", True)
    landed = running.ask("SELECT document, total_minor FROM ledger_landed WHERE reference = %s", proposal["id"], database=1)
    assert landed == [(done["outcome"]["document"], 6420)]
    kinds = running.ask("SELECT kind, actor_kind FROM audit_event WHERE proposal = %s ORDER BY position", proposal["id"])
    assert [kind for kind, _ in kinds] == [
        "proposal:proposed",
        "gate:routed",
        "approval:granted",
        "commit:started",
        "commit:succeeded",
    ]
    assert "human" not in {actor for _, actor in kinds}
    # The row's bound is the sum of a day: the next one of the same vendor waits for a person.
    assert buyer.propose(new_key(), body | {"payload": {**body["payload"], "reference": "REQ-NEXT"}})["status"] == "pending"
