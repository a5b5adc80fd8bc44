"""A load of HTTP requests that were made before the clock starts: the client must cost as little as it can on the same machine."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

CONNECTIONS = 16


@dataclass(slots=True)
class Load:
    """What a load came to: seconds from the first to the last, answers by status, the wait for each answer in seconds."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    def rate(self, status: int) -> float:
        """Return answers per second; stops the run when one had another status: a figure over refusals would say nothing."""
        if set(self.statuses) != {status}:
            raise SystemExit(f"Not every answer was {status}: {dict(self.statuses)}")
        return self.statuses[status] / self.seconds


def on_the_wire(request: httpx.Request) -> bytes:
    """Return the request over a kept-open connection, byte for byte as it is sent."""
    headers = {name: value for name, value in request.headers.items() if name not in {"connection", "accept-encoding", "user-agent"}}
    lines = [f"{request.method} {request.url.raw_path.decode('ascii')} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + request.content


def send_all(url: str, requests: Sequence[bytes], *, connections: int = CONNECTIONS) -> Load:
    """Send every request, each connection one after the other, and return what the load came to."""
    return asyncio.run(_send_all(url, requests, connections))


async def _send_all(url: str, requests: Sequence[bytes], connections: int) -> Load:
    parts = urlsplit(url)
    waiting, load = iter(requests), Load()
    opened = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(connections)]
    started = time.perf_counter()
    await asyncio.gather(*[_drain(reader, writer, waiting, load) for reader, writer in opened])
    load.seconds = time.perf_counter() - started
    for _, writer in opened:
        writer.close()
    return load


async def _drain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: Any, load: Load) -> None:
    for request in waiting:
        started = time.perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        await _skip_body(reader, head)
        load.waits.append(time.perf_counter() - started)
        load.statuses[int(head.split(" ", 2)[1])] += 1


async def _skip_body(reader: asyncio.StreamReader, head: str) -> None:
    for line in head.split("\r\n"):
        if line.startswith("content-length:"):
            await reader.readexactly(int(line.partition(":")[2]))
            return
    while size := int((await reader.readline()).strip() or b"0", 16):
        await reader.readexactly(size + 2)
    await reader.readline()
