"""Waiting without a thread: what ends a wait, and what never waits."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from contextlib import closing
from typing import Any

import pytest
from a2wsgi import WSGIMiddleware
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections, transaction

from config.longpoll import LongPoll, Message, Receive, Send
from kernel.clock import now
from kernel.ids import Prefix, decode
from proposals import services
from proposals.events import ProposalEvent
from proposals.queries import lock_proposal
from proposals.states import ProposalState
from tests.builders.proofs import Holder
from tests.proposals.conftest import Door
from tests.proposals.test_status import PERSON

PATH = "/api/v1/proposals/prop_01kas8v3q2f0ynh5tq3n8rzd1c"


class Scripted:
    """An inner application that gives one scripted answer after the other, the last one for ever."""

    def __init__(self, *answers: tuple[int, str, bool]) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        assert (await receive())["body"] == b""
        status, etag, is_settled = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        headers = [(b"etag", etag.encode())] + ([(b"Countersign-Settled", b"true")] if is_settled else [])
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": etag.encode(), "more_body": False})


async def ask(
    inner: Any, *, path: str = PATH, query: str = "wait=5", method: str = "GET", headers: Any = (), gone_after: float | None = None
) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    is_read = False

    async def receive() -> Message:
        nonlocal is_read
        if not is_read:
            is_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await (asyncio.Event().wait() if gone_after is None else asyncio.sleep(gone_after))
        return {"type": "http.disconnect"}

    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
        "query_string": query.encode(), "headers": [(b"host", b"localhost"), *headers], "scheme": "http",
        "server": ("localhost", 8000), "client": ("127.0.0.1", 1), "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    poll = LongPoll(inner, first_pause=0.01, longest_pause=0.02)
    await asyncio.wait_for(poll(scope, receive, send), timeout=20)
    return sent


def body_of(sent: list[Message]) -> bytes:
    return b"".join(message.get("body", b"") for message in sent)


def test_a_settled_answer_is_given_at_once() -> None:
    inner = Scripted((200, "a", True))
    assert body_of(asyncio.run(ask(inner))) == b"a"
    assert inner.calls == 1


def test_a_change_ends_the_wait() -> None:
    inner = Scripted((200, "a", False), (200, "a", False), (200, "b", False))
    assert body_of(asyncio.run(ask(inner))) == b"b"
    assert inner.calls == 3


def test_a_refusal_ends_the_wait() -> None:
    inner = Scripted((200, "a", False), (401, "x", False))
    sent = asyncio.run(ask(inner))
    assert (sent[0]["status"], body_of(sent)) == (401, b"x")


def test_time_ends_the_wait() -> None:
    inner = Scripted((200, "a", False))
    sent = asyncio.run(ask(inner, query="wait=1"))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert body_of(sent) == b"a"
    assert inner.calls > 10


def test_a_client_that_goes_away_ends_the_wait() -> None:
    inner = Scripted((200, "a", False))
    assert asyncio.run(ask(inner, gone_after=0.05)) == []
    assert inner.calls < 10


@pytest.mark.parametrize(
    ("path", "query", "method"),
    [
        (PATH, "", "GET"),
        (PATH, "wait=0", "GET"),
        (PATH, "wait=61", "GET"),
        (PATH, "wait=soon", "GET"),
        (PATH, "wait=5", "POST"),
        (PATH + "/withdraw", "wait=5", "GET"),
        ("/api/v1/proposals", "wait=5", "GET"),
        ("/inbox", "wait=5", "GET"),
    ],
)
def test_everything_else_passes_through(path: str, query: str, method: str) -> None:
    inner = Scripted((200, "a", False))
    assert body_of(asyncio.run(ask(inner, path=path, query=query, method=method))) == b"a"
    assert inner.calls == 1


@pytest.mark.django_db(databases=["default", "ledger"], transaction=True)
def test_a_decision_reaches_the_one_who_waits(door: Door) -> None:
    proposal_id = door.propose().json()["id"]
    holder, path = Holder(door.agent, door.key), f"/api/v1/proposals/{proposal_id}"
    token = holder.token()
    handler = WSGIHandler()

    def django(environ: Any, start_response: Any) -> list[bytes]:
        try:
            with closing(handler(environ, start_response)) as response:
                return list(response)
        finally:
            connections.close_all()

    inner = WSGIMiddleware(django, workers=2)

    def reject() -> None:
        try:
            with transaction.atomic():
                proposal = lock_proposal(decode(Prefix.PROPOSAL, proposal_id))
                services.resolve(proposal=proposal, to=ProposalState.REJECTED, actor=PERSON, now=now(), kind=ProposalEvent.REJECTED)
        finally:
            connections.close_all()

    async def wait_and_decide() -> list[Message]:
        # Bound to a key: the proof is good for one request, and waiting is one request however often Django looks.
        headers = [(name.lower().encode(), value.encode()) for name, value in holder.headers(token, "GET", path).items()]
        waiting = asyncio.create_task(ask(inner, path=path, query="wait=15", headers=headers))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        await asyncio.to_thread(reject)
        return await waiting

    sent = asyncio.run(wait_and_decide())
    assert sent[0]["status"] == 200
    assert b'"status":"rejected"' in body_of(sent)
