"""Waiting for people without holding a thread: the long poll of `GET /api/v1/proposals/{id}?wait=N`.

Django runs on a few threads, and a person may take days. So the wait happens here, in the event loop: the inner application is
asked again and again, each answer is held back until it says something new.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import parse_qs

from kernel.clock import now
from kernel.waiting import looked_at_again

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

PATH = re.compile(r"^/api/v1/proposals/prop_[0-9a-z]{26}$")
WAIT_SECONDS_MAX = 60
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 1.0


@dataclass(slots=True)
class _Answer:
    """One answer of the inner application, complete and not yet sent."""

    messages: list[Message] = field(default_factory=list)

    async def keep(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"]) if self.messages else 0

    def header(self, name: bytes) -> bytes:
        headers: list[tuple[bytes, bytes]] = self.messages[0].get("headers", []) if self.messages else []
        return next((value for key, value in headers if key.lower() == name), b"")

    @property
    def is_settled(self) -> bool:
        """Whether waiting can't bring another answer: the status is final, or this is a refusal."""
        return self.status != 200 or self.header(b"countersign-settled") == b"true"


class LongPoll:
    """Passes everything through, and lets a GET of one proposal wait until its answer changes.

    The last answer is sent on when it is settled, when its ETag differs from the first one's, or when the time is up. A client that
    goes away ends the wait. Costs one call of the inner application per pause of 0.25 to 1 second.
    """

    def __init__(
        self,
        inner: Application,
        *,
        first_pause: float = FIRST_PAUSE_SECONDS,
        longest_pause: float = LONGEST_PAUSE_SECONDS,
    ) -> None:
        self.inner = inner
        self.first_pause = first_pause
        self.longest_pause = longest_pause

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Handle one connection."""
        seconds = _seconds_to_wait(scope)
        if not seconds:
            await self.inner(scope, receive, send)
            return
        gone = asyncio.create_task(_disconnected(receive))
        try:
            answer = await self._settled_answer(scope, seconds, gone)
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
        for message in answer.messages if answer else ():
            await send(message)

    async def _settled_answer(self, scope: MutableMapping[str, Any], seconds: int, gone: asyncio.Task[None]) -> _Answer | None:
        """Return the answer to send on, or None when nobody is there to take it."""
        deadline, first_look = monotonic() + seconds, now()
        first = answer = await self._ask(scope)
        pause = self.first_pause
        while not answer.is_settled and answer.header(b"etag") == first.header(b"etag"):
            remaining = deadline - monotonic()
            if remaining <= 0:
                break
            await asyncio.wait({gone}, timeout=min(pause, remaining))
            if gone.done():
                return None
            pause = min(pause * 1.5, self.longest_pause)
            # Its proof of possession was used up by the first look; the context reaches the thread that Django runs in.
            with looked_at_again(first_look):
                answer = await self._ask(scope)
        return answer

    async def _ask(self, scope: MutableMapping[str, Any]) -> _Answer:
        answer = _Answer()
        # Copied, because an application may write into its scope; each call is a request of its own.
        await self.inner({**scope}, _empty_body(), answer.keep)
        return answer


def _seconds_to_wait(scope: MutableMapping[str, Any]) -> int:
    """Return how long this request may wait; 0 for every request that is none of ours, also a wrong `wait`: the view refuses it."""
    if scope["type"] != "http" or scope["method"] != "GET" or not PATH.match(scope["path"]):
        return 0
    values = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("wait", [])
    text = values[-1] if values else ""
    if not text.isascii() or not text.isdecimal() or len(text) > 2:
        return 0
    return int(text) if int(text) <= WAIT_SECONDS_MAX else 0


async def _disconnected(receive: Receive) -> None:
    """Return when the client has gone; the body of a GET is read over."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _empty_body() -> Receive:
    """Return a `receive` for one call: an empty body, then silence until the call is over."""
    is_sent = False

    async def receive() -> Message:
        nonlocal is_sent
        if is_sent:
            await asyncio.Event().wait()
        is_sent = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive
