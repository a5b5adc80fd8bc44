"""The server's entry: one port, Django's WSGI handler in threads behind an event loop that holds the waiting.

Agents wait for decisions by long poll. A WSGI thread parked for each of them would stop the server, so the waiting happens
here, in the event loop, and a thread is borrowed only for the moment of looking.
"""

from __future__ import annotations

import os
from typing import Any, cast

from a2wsgi import WSGIMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.longpoll import LongPoll
from config.wsgi import application as django_application

WEB_THREADS = 4

# The two packages type ASGI and WSGI each in their own words.
_http = LongPoll(cast("Any", WSGIMiddleware(cast("Any", django_application), workers=WEB_THREADS)))


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Dispatch one connection: lifespan here, HTTP to Django, nothing else is offered."""
    if scope["type"] == "http":
        await _http(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:
        await send({"type": "websocket.close", "code": 1000})


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
