"""A real server on a port of this machine over the test databases, the agents that knock at its MCP door, and the official client."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import anyio
import httpx2
from joserfc.jwk import ECKey
from mcp.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, Request, RequestParams, Result
from uvicorn import Config, Server

from audit.models import Event
from identity.events import IdentityEvent
from identity.models import Agent
from identity.tokens.resources import Resource, resource_url
from kernel.canonical import parse_json
from proposals.models import Proposal
from tests.builders import identity

COMPANY = "DE01"
ORDER = "create_purchase_order"
READ = "check_budget"
BUDGET = {"cost_centre": "4100", "year": 2026}
A_BUDGET = {
    "company": COMPANY, "cost_centre": "4100", "year": 2026, "currency": "EUR",
    "amount": "500.00", "consumed": "120.00", "remaining": "380.00",
}  # fmt: skip
MODERN, LEGACY = "2026-07-28", "legacy"
# A token lives for five minutes; one that is used a second time must still outlive its test.
TOKEN_SECONDS = 120
TASKS = "io.modelcontextprotocol/tasks"
Answer = TypeVar("Answer")


class TaskHandle(Result):
    """What a proposing call answers to a client that knows tasks."""

    result_type: Literal["task"] = "task"
    task_id: str
    status: str
    poll_interval_ms: int | None = None
    ttl_ms: int | None = None


class TaskParams(RequestParams):
    """Which task."""

    task_id: str


class TaskRequest(Request[TaskParams, str]):
    """One of the extension's requests, with the header that names the task."""

    name_param = "taskId"

    method: str
    params: TaskParams


class TaskAnswer(Result):
    """Where a task stands, as it came."""

    task_id: str | None = None
    status: str | None = None
    result_type: str | None = None
    result: dict[str, Any] | None = None


class Tasks(ClientExtension):
    """The tasks extension on the client's side: handles are shown, nothing is polled."""

    identifier = TASKS

    def claims(self) -> list[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=TaskHandle, resolve=self.resolve)]

    async def resolve(self, task: TaskHandle, context: ClaimContext) -> CallToolResult:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Knocker:
    """An agent with its key."""

    agent: Agent
    key: ECKey
    _tokens: dict[str, tuple[float, str]] = field(default_factory=dict, compare=False, repr=False)

    def token(self, tool: str = ORDER) -> str:
        """Return an access token for the MCP door from the real endpoint; the same one for a while."""
        issued, token = self._tokens.get(tool, (0.0, ""))
        if time.monotonic() - issued > TOKEN_SECONDS:
            token = self._new_token(tool)
            self._tokens[tool] = (time.monotonic(), token)
        return token

    def _new_token(self, tool: str) -> str:
        wanted = identity.details("read" if tool == READ else "propose", tool, COMPANY)
        response: Any = identity.token_response(identity.make_assertion(self.agent, self.key), wanted, resource=resource_url(Resource.MCP))
        assert response.status_code == 200, response.content
        return str(response.json()["access_token"])


@dataclass(slots=True)
class Standing:
    """The running server and who knocks at it."""

    address: str
    agents: dict[str, Knocker] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.address}/mcp"

    def ask(
        self,
        token: str,
        work: Callable[[Client], Awaitable[Answer]],
        *,
        mode: str = MODERN,
        takes_tasks: bool = False,
        **options: Any,
    ) -> Answer:
        """Return what the work with a connected official client returns; a loop and a thread of its own."""

        async def run() -> Answer:
            async with self.client(token, mode=mode, takes_tasks=takes_tasks, **options) as client:
                return await work(client)

        with ThreadPoolExecutor(1) as thread:
            try:
                return thread.submit(anyio.run, run).result()
            except BaseExceptionGroup as group:
                raise _leaf(group) from None

    @asynccontextmanager
    async def client(self, token: str, *, mode: str = MODERN, takes_tasks: bool = False, **options: Any) -> AsyncIterator[Client]:
        """Yield an official client that sends this token; without one, `options` bring an `auth` of their own."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx2.AsyncClient(headers=headers, timeout=20, verify=False, **options) as http:
            transport = streamable_http_client(self.url, http_client=http)
            async with Client(transport, mode=mode, extensions=[Tasks()] if takes_tasks else None) as client:
                yield client

    def call(self, token: str, tool: str, arguments: Mapping[str, Any], *, mode: str = MODERN) -> CallToolResult:
        """Return the result of one call of a tool."""
        return self.ask(token, lambda client: client.call_tool(tool, dict(arguments)), mode=mode)

    def handle(self, token: str, tool: str, arguments: Mapping[str, Any]) -> Result:
        """Return what a client that knows tasks is answered: a handle, or the result when it is there already."""
        return self.ask(token, lambda client: client.session.call_tool(tool, dict(arguments), allow_claimed=True), takes_tasks=True)

    def task(self, token: str, task_id: str, method: str = "tasks/get") -> TaskAnswer:
        """Return the answer to a request about a task."""
        request = TaskRequest(method=method, params=TaskParams(task_id=task_id))
        return self.ask(token, lambda client: client.session.send_request(request, TaskAnswer), takes_tasks=True)

    def post(self, body: bytes | str, token: str = "", **headers: str) -> httpx2.Response:
        """Return the answer to raw bytes."""
        sent = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **headers,
        }
        return httpx2.post(self.url, content=body, headers={name: value for name, value in sent.items() if value}, timeout=20, verify=False)


def _leaf(group: BaseException) -> BaseException:
    """Return the one exception inside the groups that the client's task groups make of it."""
    while isinstance(group, BaseExceptionGroup):
        (group,) = group.exceptions
    return group


def value_of(result: CallToolResult) -> dict[str, Any]:
    """Return the result's value, after checking that its text says the same."""
    assert [block.type for block in result.content] == ["text"]
    assert parse_json(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
    value: dict[str, Any] = result.structured_content
    return value


def refused(result: CallToolResult, code: str) -> dict[str, Any]:
    """Return the refusal that a call came to, after checking that it is one."""
    value = value_of(result)
    assert (result.is_error, value.get("code")) == (True, code), value
    assert value["next_step"]
    return value


def an_order(key: str, **fields: Any) -> dict[str, Any]:
    """Return the arguments of a call that proposes an order of 550 pedals, 2,764.08 EUR."""
    from tests.builders.proposals import a_purchase_order

    return {"idempotency_key": key, "payload": a_purchase_order(), **fields}


@contextmanager
def recorded(*kinds: str) -> Iterator[list[dict[str, Any]]]:
    """Fail unless the block leaves exactly these events; yields their records, in order, once the block is over.

    That a token was issued is not counted.
    """
    before = set(Event.objects.values_list("pk", flat=True))
    records: list[dict[str, Any]] = []
    yield records
    events = list(Event.objects.exclude(pk__in=before).exclude(kind=IdentityEvent.TOKEN_ISSUED).order_by("recorded_at", "pk"))
    assert [event.kind for event in events] == list(kinds)
    records.extend(parse_json(bytes(event.bytes)) for event in events)  # type: ignore[misc]


@contextmanager
def refused_without_a_trace(kind: str, code: str) -> Iterator[None]:
    """Fail unless the block leaves one record of a refusal, made at this door, and no proposal."""
    before = Proposal.objects.count()
    with recorded(kind) as records:
        yield
    assert Proposal.objects.count() == before
    assert records[0]["outcome"] == {"status": "refused", "code": code}
    assert records[0]["origin"]["channel"] == "mcp"


@contextmanager
def running_server(around: Callable[[Any], Any] = lambda application: application) -> Iterator[str]:
    """Serve the whole application, as an installation does, and yield its address; stops cleanly. `around` may wrap it."""
    # Builds Django's handler, whose middleware the tests' settings have to choose first.
    from config.asgi import make_application

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.bind(("127.0.0.1", 0))
        config = Config(around(make_application()), lifespan="on", access_log=False, log_level="warning")
        server = Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="server")
        thread.start()
        try:
            deadline = time.monotonic() + 20
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                assert time.monotonic() < deadline, "the server did not start in time"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive(), "the server did not stop"
