"""One request at the MCP door, and the threads in which its work is done.

Django's ORM is synchronous and its connections belong to threads, so that the work leaves the event loop. It leaves it into threads of
its own: nothing here runs inside Django's request cycle, and nobody else gives the connections back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TypeVar

from django.db import close_old_connections

from identity.principals import AgentPrincipal
from kernel.context import Origin, origin
from proposals.errors import AnswerOverdue

THREADS = 4
# Clients give up after five seconds (openai-agents' default), and then the answer is lost although the work was done.
ANSWER_SECONDS = 4.5
STATE = "countersign"

Result = TypeVar("Result")
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mcp")


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a request came from, when it has to be answered, which agent sent it, and what its answer says of the agent's quota."""

    origin: Origin
    deadline: float
    principal: AgentPrincipal
    headers: Mapping[str, str] = field(default_factory=dict)

    async def work(self, function: Callable[[], Result]) -> Result:
        """Return what the function returns; raises what it raises, or AnswerOverdue when it takes too long."""
        return await in_thread(self.origin, self.deadline, function)


def new_deadline() -> float:
    """Return when a request that arrives now has to be answered."""
    return monotonic() + ANSWER_SECONDS


async def in_thread(where: Origin, deadline: float, function: Callable[[], Result]) -> Result:
    """Run the function in a thread of the door with this origin and return its result.

    Raises what it raises, or AnswerOverdue at the deadline: whoever repeats the call then finds what it did.
    """
    future = asyncio.get_running_loop().run_in_executor(_threads, partial(_run, where, function))
    done, _ = await asyncio.wait({future}, timeout=max(0.0, deadline - monotonic()))
    if not done:
        # What has not begun is dropped; what has begun ends, and nobody looks at how.
        future.cancel()
        raise AnswerOverdue(detail="It may still be done. Repeat the same call in a few seconds, a write with the same idempotency_key.")
    return future.result()


def _run(where: Origin, function: Callable[[], Result]) -> Result:
    # A connection that PostgreSQL has closed meanwhile would otherwise fail in this thread forever.
    close_old_connections()
    try:
        with origin(where):
            return function()
    finally:
        close_old_connections()
