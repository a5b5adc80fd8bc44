"""The server's entry: one port, the MCP server in the event loop, Django's WSGI handler in threads behind what holds the waiting.

Agents wait for decisions by long poll. A WSGI thread parked for each of them would stop the server, so the waiting happens
here, in the event loop, and a thread is borrowed only for the moment of looking.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, cast

from a2wsgi import WSGIMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.longpoll import LongPoll
from config.wsgi import application as django_application
from proposals.mcp.door import PATH as MCP_PATH
from proposals.mcp.server import make_door

WEB_THREADS = 4


def make_application() -> Callable[[dict[str, Any], Any, Any], Awaitable[None]]:
    """Return a new application; it serves one lifespan, as its MCP server does."""
    mcp = make_door()
    # The two packages type ASGI and WSGI each in their own words.
    http = LongPoll(cast("Any", WSGIMiddleware(cast("Any", django_application), workers=WEB_THREADS)))

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Dispatch one connection: /mcp and the lifespan to the MCP server, other HTTP to Django, nothing else is offered."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] == MCP_PATH):
            await mcp(scope, receive, send)
        elif scope["type"] == "http":
            await http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    return application


application = make_application()
