"""The MCP server: one low-level server of the official SDK for both eras of the protocol, without sessions."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any, TypeVar

from django.conf import settings
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    RequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from kernel.clock import now
from kernel.errors import DomainError
from proposals.mcp import results, tasks
from proposals.mcp.calls import call_tool
from proposals.mcp.door import PATH, Application, Door
from proposals.mcp.tools import listed_tools
from proposals.mcp.visits import STATE, Visit
from proposals.problems import problem_of
from proposals.representation import Json

INSTRUCTIONS = (
    "Tools that read answer at once and leave a receipt: cite its read_id in the proposals that rest on it. Tools that write propose: "
    "people decide on exactly the payload you send, and only then it is written to the ERP, once. Make an idempotency_key before each "
    "intended write and repeat the call with the same key when an answer is lost. A proposal that is pending is not done: come back "
    "with get_proposal, or poll the task. A refusal says in next_step what to do; do not repeat a call that says retryable false."
)

Context = ServerRequestContext[Any, Any]
Params = TypeVar("Params")
Outcome = TypeVar("Outcome")
logger = logging.getLogger(__name__)


class TaskParams(RequestParams):
    """Which task; what else is sent (`inputResponses`) answers nothing that was asked, and is ignored as the extension says."""

    task_id: str


def make_door() -> Application:
    """Return a new MCP application behind its door; it serves one lifespan."""
    app = make_server().streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        # Hosts and origins are the door's business, by ALLOWED_HOSTS.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    return Door(app)


def make_server() -> Server[Any]:
    """Return the server with its tools and the tasks extension."""
    server: Server[Any] = Server(
        "countersign",
        version=str(settings.SPECTACULAR_SETTINGS["VERSION"]),
        title="Countersign",
        instructions=INSTRUCTIONS,
        # Asked before each call for headers that mirror arguments; none of our tools declares one.
        get_tool_input_schema=lambda _: None,
        on_list_tools=list_tools,
        on_call_tool=run_tool,  # type: ignore[arg-type]  # a task's handle is a result of the extension, which the SDK does not type
    )
    server.extensions = {tasks.EXTENSION: {}}
    for method, handler in {"tasks/get": get_task, "tasks/update": acknowledge_task, "tasks/cancel": acknowledge_task}.items():
        server.add_request_handler(method, TaskParams, handler)
    return server


def guarded(handler: Callable[[Context, Params], Awaitable[Outcome]]) -> Callable[[Context, Params], Awaitable[Outcome]]:
    """Return the handler with every defect answered by a fixed sentence: the SDK would send the exception's own words."""

    @wraps(handler)
    async def answer(context: Context, params: Params) -> Outcome:
        try:
            return await handler(context, params)
        except MCPError:
            raise
        except Exception:
            logger.exception("%s failed", context.method)
            message = f"Something failed here; say {visit_of(context).origin.request_id} when you report it."
            raise MCPError(code=INTERNAL_ERROR, message=message) from None

    return answer


@guarded
async def list_tools(context: Context, _: PaginatedRequestParams | None) -> ListToolsResult:
    """List what this token may call."""
    visit = visit_of(context)
    try:
        return ListToolsResult(tools=await visit.work(lambda: listed_tools(visit.principal, now())))
    except DomainError as error:
        raise _protocol_error(error) from error


@guarded
async def run_tool(context: Context, params: CallToolRequestParams) -> CallToolResult | Json:
    """Call a tool; people's decisions are never waited for."""
    visit = visit_of(context)
    call = partial(
        call_tool, principal=visit.principal, name=params.name, arguments=params.arguments or {}, takes_tasks=declares_tasks(context)
    )
    try:
        return await visit.work(lambda: call(now=now()))
    except DomainError as error:  # overdue: what is refused by a service is a result already
        return results.of_problem(problem_of(error))


@guarded
async def get_task(context: Context, params: TaskParams) -> Json:
    """Say where a task stands."""
    visit = _task_visit(context, params)
    try:
        return await visit.work(lambda: tasks.get_task(visit.principal, params.task_id))
    except DomainError as error:
        raise _protocol_error(error) from error


@guarded
async def acknowledge_task(context: Context, params: TaskParams) -> Json:
    """Take note that a client stopped watching, or sent input that nobody asked for: neither changes the proposal."""
    visit = _task_visit(context, params)
    try:
        await visit.work(lambda: tasks.require_task(visit.principal, params.task_id))
    except DomainError as error:
        raise _protocol_error(error) from error
    return {"resultType": "complete"}


def visit_of(context: Context) -> Visit:
    """Return the visit that the door let in."""
    visit: Visit = context.request.scope["state"][STATE]  # type: ignore[union-attr]  # over HTTP there always is a request
    return visit


def declares_tasks(context: Context) -> bool:
    """Return whether this very request says that its client knows tasks."""
    capabilities = context.session.client_capabilities
    return bool(capabilities and capabilities.extensions and tasks.EXTENSION in capabilities.extensions)


def _task_visit(context: Context, params: TaskParams) -> Visit:
    """Return the visit of a request about a task; raises MCPError when its client has not said that it knows tasks, or misroutes it."""
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        raise MCPError(code=METHOD_NOT_FOUND, message="Method not found", data=context.method)
    if not declares_tasks(context):
        needed: Json = {"requiredCapabilities": {"extensions": {tasks.EXTENSION: {}}}}
        raise MCPError(code=MISSING_REQUIRED_CLIENT_CAPABILITY, message="Missing required client capability", data=needed)
    # A missing header misleads nobody, and clients in the field leave it out.
    named = context.request.headers.get(MCP_NAME_HEADER)  # type: ignore[union-attr]
    if named is not None and decode_header_value(named) != params.task_id:
        raise MCPError(code=HEADER_MISMATCH, message="The header Mcp-Name does not name the task of the body.")
    return visit_of(context)


def _protocol_error(error: DomainError) -> MCPError:
    problem = problem_of(error)
    code = INTERNAL_ERROR if problem.is_retryable else INVALID_PARAMS
    return MCPError(code=code, message=problem.detail, data=problem.as_dict())
