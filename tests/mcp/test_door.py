"""What stands in front of the server: who gets in, what is too large, what is no message."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.conf import settings

from identity.limits.models import RateCounter
from identity.limits.quotas import Quota
from kernel.errors import DomainError
from proposals.models import Proposal
from tests.builders import identity
from tests.mcp.standing import ORDER, READ, Knocker, Standing, recorded

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
LIST = '{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD", "OPTIONS"])
def test_only_post_is_answered(standing: Standing, method: str) -> None:
    import httpx2

    answer = httpx2.request(method, standing.url, headers={"Accept": "text/event-stream"}, timeout=5)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_without_a_token_the_way_to_one_is_shown(standing: Standing) -> None:
    with recorded():
        answer = standing.post(LIST)
    assert answer.status_code == 401
    metadata = f'resource_metadata="{standing.address}/.well-known/oauth-protected-resource/mcp"'
    assert metadata in answer.headers["www-authenticate"]
    assert answer.json()["id"] is None


def test_tokens_of_no_use_are_refused_and_recorded(standing: Standing, mine: Knocker) -> None:
    for_the_api = identity.access_token(mine.agent, mine.key)
    with recorded("token:refused", "read:refused"):
        for token in ("nonsense", for_the_api):
            answer = standing.post(LIST, token)
            assert answer.status_code == 401
            assert answer.json()["error"]["data"]["code"] == "token_invalid"
            assert "resource_metadata" in answer.headers["www-authenticate"]
    with recorded("token:refused"):
        assert standing.post(LIST, Authorization="Basic YTpi").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost.evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": "http://localhost:6274"}, 200),
        ({"Content-Type": "text/plain"}, 400),
        ({"Accept": "text/html"}, 406),
        ({"Mcp-Protocol-Version": "1900-01-01"}, 400),
    ],
)
def test_headers_that_lead_nowhere(standing: Standing, mine: Knocker, headers: dict[str, str], status: int) -> None:
    assert standing.post(LIST, mine.token(READ), **headers).status_code == status


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, -32700),
        (b"{", 400, -32700),
        (b"\xff\xfe", 400, -32700),
        (LIST.encode("utf-16"), 400, -32700),
        (b"[" * 100_000, 400, -32700),
        (b'{"id": ' + b"9" * 5000 + b"}", 400, -32700),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "method": "tools/call"}', 400, -32700),
        (b"null", 400, -32600),
        (f"[{LIST}]".encode(), 400, -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "resources/list"}', 200, -32601),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": 7}}', 200, -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "check_budget", "arguments": []}}', 200, -32602),
        (b"x" * (5 * 1024 * 1024), 413, -32010),
    ],
)
def test_what_is_no_message_is_refused_in_form(standing: Standing, mine: Knocker, body: bytes, status: int, code: int) -> None:
    before = Proposal.objects.count()
    answer = standing.post(body, mine.token(READ))
    assert answer.status_code in {status, 400}, answer.content
    assert answer.json()["error"]["code"] in {code, -32602, -32700}, answer.content
    assert "Traceback" not in answer.text
    assert Proposal.objects.count() == before


def test_a_body_without_a_length_is_bounded_too(standing: Standing, mine: Knocker) -> None:
    import httpx2

    def chunks() -> Iterator[bytes]:
        for _ in range(5):
            yield b"x" * (1024 * 1024)

    headers = {"Authorization": f"Bearer {mine.token(READ)}", "Content-Type": "application/json"}
    assert httpx2.post(standing.url, content=chunks(), headers=headers, timeout=20).status_code == 413


def test_who_calls_too_often_is_told_when_to_come_back(standing: Standing, mine: Knocker, monkeypatch: pytest.MonkeyPatch) -> None:
    token = mine.token()  # asking for it counts too
    monkeypatch.setattr(settings, "RATE_TOOL", None)
    monkeypatch.setattr(settings, "RATE_AGENT", Quota("agent", 1, 60))
    RateCounter.objects.all().delete()
    answer = standing.post(LIST, token)
    assert answer.status_code == 200
    assert answer.headers["ratelimit-policy"].startswith('"agent"')
    with recorded("read:refused"):
        answer = standing.post(LIST, token)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"]["data"]["code"] == "rate_limited"
    RateCounter.objects.all().delete()  # the tests after this one have their own quota


@pytest.mark.parametrize("failure", [RuntimeError("secret words"), ValueError("secret words")])
def test_a_defect_says_nothing_of_itself(standing: Standing, mine: Knocker, monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    def fail(**_: object) -> None:
        raise failure

    monkeypatch.setattr("proposals.mcp.server.call_tool", fail)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": ORDER, "arguments": {}}})  # noqa: TID251
    answer = standing.post(body, mine.token())
    assert "secret" not in answer.text
    error = answer.json()["error"]
    assert error["code"] == -32603
    assert answer.headers["x-request-id"] in error["message"]


def test_an_answer_is_never_waited_for_longer_than_clients_wait(standing: Standing, mine: Knocker, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    going, released = threading.Event(), threading.Event()

    def slow(**_: object) -> None:
        going.set()
        released.wait(10)
        raise DomainError

    monkeypatch.setattr("proposals.mcp.server.call_tool", slow)
    monkeypatch.setattr("proposals.mcp.visits.ANSWER_SECONDS", 1.5)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": ORDER, "arguments": {}}})  # noqa: TID251
    try:
        result = standing.post(body, mine.token()).json()["result"]
    finally:
        released.set()
    assert going.is_set()
    assert (result["isError"], result["structuredContent"]["code"]) == (True, "answer_overdue")
    assert result["structuredContent"]["retryable"] is True
