"""How often an agent may knock at the API, and what becomes of those who are no agent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from audit.models import Event
from identity.limits import services
from identity.limits.models import RateCounter
from identity.limits.quotas import Quota
from kernel.canonical import parse_json
from kernel.clock import now as clock_now
from kernel.waiting import looked_at_again
from tests.proposals.conftest import Door, problem

pytestmark = pytest.mark.django_db


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__in=["token:refused", "read:refused", "proposal:refused"]).values_list("kind", flat=True))


@pytest.fixture(autouse=True)
def _recorded(settings: Any) -> None:
    settings.REFUSALS_RECORDED = 5


@pytest.fixture
def door(door: Door) -> Door:
    """Return the agent with its token, its quotas whole again."""
    RateCounter.objects.all().delete()
    return door


def junk(**more: Any) -> Any:
    return Client(**more).get("/api/v1/proposals", headers={"Authorization": "Bearer eyJ.junk.junk"})


def test_every_answer_says_what_is_left(door: Door, settings: Any) -> None:
    settings.RATE_AGENT, settings.RATE_TOOL = Quota("agent", 100, 60), Quota("tool", 50, 60)
    answers = [
        door.get("tools"),
        door.get("tools/none"),
        door.get("proposals"),
        door.get("proposals", limit="0"),
        door.propose(),
        door.propose(key=""),
        door.post("proposals", text="{"),
        door.get("proposals/prop_00000000000000000000000000"),
        door.post("proposals/batch", {"items": []}),
        Client().delete("/api/v1/proposals", headers={"Authorization": f"Bearer {door.token}"}),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 200, 422, 202, 400, 400, 404, 422, 405]
    for number, answer in enumerate(answers, start=1):
        assert answer["RateLimit-Policy"] == '"agent";q=100;w=60, "tool";q=50;w=60'
        agent, tool = answer["RateLimit"].split(", ")
        # Units come back while the test runs.
        assert 100 - number <= int(agent.split(";")[1].removeprefix("r=")) <= 100
        assert tool.startswith('"tool";r=4')


def test_too_many_requests_are_refused_with_the_pause_that_helps(door: Door, settings: Any) -> None:
    settings.RATE_AGENT, settings.RATE_TOOL = Quota("agent", 3, 60), None
    assert [door.get("proposals").status_code for _ in range(3)] == [200] * 3
    for _ in range(9):
        refused = door.get("proposals")
        document = problem(refused, 429, "rate_limited")
    assert document["retryable"] is True
    assert document["data"]["violated_policies"] == ["agent"]
    assert 15 <= int(refused["Retry-After"]) <= 20
    assert refused["RateLimit"].startswith('"agent";r=0;t=')
    assert kinds() == ["read:refused"] * 5
    services.record_summaries(now=clock_now() + timedelta(minutes=6))
    record: Any = parse_json(bytes(Event.objects.get(kind="gate:refusals_counted").bytes))
    assert (record["outcome"]["count"], record["outcome"]["recorded"]) == (9, 5)
    assert record["actor"]["id"] == door.agent.public_id


def test_one_tool_s_quota_is_no_other_tool_s_and_no_other_agent_s(door: Door, other_door: Door, settings: Any) -> None:
    settings.RATE_TOOL = Quota("tool", 1, 60)
    assert [door.get("proposals").status_code for _ in range(2)] == [200, 429]
    assert door.holding("read", "check_budget").get("proposals").status_code == 200
    assert door.get("tools/check_budget").status_code == 429, "the tool in the address counts"
    assert other_door.get("proposals").status_code == 200


def test_a_wait_counts_once(door: Door, settings: Any) -> None:
    settings.RATE_AGENT, settings.RATE_TOOL = Quota("agent", 1, 60), None
    assert door.get("proposals").status_code == 200
    with looked_at_again(clock_now()):
        answers = [door.get("proposals") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1]["RateLimit"].startswith('"agent";r=0')


def test_junk_leaves_a_few_events_and_is_locked_out(door: Door, settings: Any) -> None:
    settings.RATE_REFUSED = Quota("refused", 10, 300)
    answers = [junk() for _ in range(30)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 20
    document = problem(answers[-1], 429, "locked_out")
    assert document["detail"].startswith("There were more than 10 requests in 300 s (refused) from this address.")
    assert int(answers[-1]["Retry-After"]) >= 1
    assert kinds() == ["token:refused"] * 5
    services.record_summaries(now=clock_now() + timedelta(minutes=6))
    record: Any = parse_json(bytes(Event.objects.get(kind="gate:refusals_counted").bytes))
    assert (record["outcome"]["count"], record["outcome"]["code"]) == (30, "token_invalid")
    assert door.get("proposals").status_code == 200, "an agent behind the same address goes on"
    assert junk(REMOTE_ADDR="203.0.113.9").status_code == 401, "another address is asked again"


def test_asking_without_a_token_is_counted_too(settings: Any) -> None:
    settings.RATE_REFUSED = Quota("refused", 3, 300)
    assert [Client().get("/api/v1/proposals").status_code for _ in range(5)] == [401, 401, 401, 429, 429]
    assert kinds() == []


def test_limits_can_be_off(door: Door, settings: Any) -> None:
    settings.RATE_AGENT = settings.RATE_TOOL = settings.RATE_REFUSED = None
    answer = door.get("proposals")
    assert answer.status_code == 200
    assert "RateLimit" not in answer
    assert {junk().status_code for _ in range(70)} == {401}


def test_bodies_and_pages_are_bounded(door: Door, settings: Any) -> None:
    """Every bound of the agents' DRF door, at its edge."""
    large = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body = '{"tool": "' + "x" * large + '"}'
    for path in ("proposals", "proposals/batch", "tools/check_budget/read", "proposals/prop_00000000000000000000000000/withdraw"):
        status = door.post(path, text=body, key="a-key").status_code
        assert status in {413, 404}, path  # withdrawing reads no body: the proposal is not there
    deep = "[" * 2000 + "]" * 2000
    assert door.post("proposals", text=f'{{"payload": {deep}}}', key="a-key").status_code in {400, 422}
    for query, status in (({"limit": "101"}, 422), ({"limit": "-1"}, 422), ({"cursor": "x" * 9000}, 400), ({"state": "x" * 9000}, 422)):
        assert door.get("proposals", **query).status_code == status
    too_many = [{"idempotency_key": str(number)} for number in range(501)]
    assert door.post("proposals/batch", {"items": too_many}).status_code == 422
    assert door.propose(key="k" * 201).status_code == 400
    assert door.propose(rationale="r" * 4001).status_code == 422
    assert door.propose(reads=["read_00000000000000000000000000"] * 51).status_code == 422
    assert door.get("proposals/prop_00000000000000000000000000", wait="61").status_code == 422
