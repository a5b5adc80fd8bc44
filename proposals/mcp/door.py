"""What stands in front of the MCP server: methods, hosts, size and form of the body, and who is asking. Only agents get past it.

The SDK's own authentication knows no DPoP, and left alone it holds a stream open for each client that sends GET.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from mcp_types import PARSE_ERROR

from audit.records import Subject
from gateway.catalogue import TOOLS
from identity.authentication import authenticate_agent
from identity.errors import ProofInvalid, TokenBindingMismatch, TokenInvalid
from identity.events import IdentityEvent
from identity.limits.errors import RateLimited
from identity.limits.services import admit_agent, record_or_count, refused_at_the_door, source_of
from identity.tokens.challenges import challenge
from identity.tokens.resources import Resource, public_url
from kernel.canonical import canonical_bytes
from kernel.clock import now
from kernel.context import Origin, current_origin, origin
from kernel.errors import DomainError
from kernel.ids import new_id
from kernel.tracing import parse_traceparent
from proposals.errors import BodyTooLarge
from proposals.events import ReadEvent
from proposals.mcp.visits import STATE, Visit, in_thread, new_deadline
from proposals.problems import UNKNOWN, Problem, holder_of, problem_of

PATH = "/mcp"
# The range that JSON-RPC leaves to implementations: refused before the message was looked at; `data` is the problem document.
REFUSED = -32010

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

logger = logging.getLogger(__name__)


class Door:
    """Lets requests of agents through to the inner application, each with its Visit in `scope["state"]`."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; what is not HTTP (the lifespan) belongs to the inner application."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        headers = _headers(scope)
        where = _origin_of(scope, headers)
        answer = _Answer(send, {"X-Request-Id": where.request_id, "Cache-Control": "no-store"})
        with origin(where):
            try:
                visit, body = await self._admit(scope, headers, receive, where)
            except _Gone:
                return
            except _Refused as refused:
                await answer.refuse(refused)
                return
            except Exception:  # nothing of it may reach the client
                logger.exception("The MCP door failed")
                await answer.refuse(_Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "Something failed here; the request id is in the headers."))
                return
        answer.headers |= visit.headers
        scope = {**scope, "state": {**scope.get("state", {}), STATE: visit}}
        await self.inner(scope, _replayed(body, receive), answer.pass_on)

    async def _admit(self, scope: Scope, headers: Mapping[str, str], receive: Receive, where: Origin) -> tuple[Visit, bytes]:
        """Return who is asking and the whole body; raises _Refused, or _Gone when the client went away."""
        _require_post(scope)
        _require_known_host(headers)
        if not headers.get("authorization"):
            raise _Refused(HTTPStatus.UNAUTHORIZED, "Send an access token.", headers={"WWW-Authenticate": challenge(Resource.MCP)})
        body = await _whole_body(headers, receive)
        deadline = new_deadline()
        try:
            return await in_thread(where, deadline, partial(_let_in, headers, body, deadline)), body
        except DomainError as error:
            raise _Refused.of(problem_of(error)) from error


class _Gone(Exception):
    """The client went away before its request was complete."""


class _Refused(Exception):
    """A request that goes no further."""

    def __init__(
        self,
        status: HTTPStatus,
        message: str,
        *,
        code: int = REFUSED,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.data, self.headers = status, message, code, data, headers or {}

    @classmethod
    def of(cls, problem: Problem) -> _Refused:
        return cls(HTTPStatus(problem.status), problem.detail, data=problem.as_dict(), headers=problem.headers)


class _Answer:
    """The response, whoever makes it: it carries the id under which the audit log knows the request, and what is left of the quota."""

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self._send = send
        self.headers = dict(headers)

    async def pass_on(self, message: Message) -> None:
        """Send what the inner application answers."""
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *_encoded(self.headers)]}
        await self._send(message)

    async def refuse(self, refused: _Refused) -> None:
        """Send a refusal as a JSON-RPC error without an id, which clients show to whoever waits for the answer."""
        error: dict[str, object] = {"code": refused.code, "message": refused.message}
        body = canonical_bytes({"jsonrpc": "2.0", "id": None, "error": error | ({"data": refused.data} if refused.data else {})})
        headers = {**refused.headers, "Content-Type": "application/json", "Content-Length": str(len(body))}
        await self.pass_on({"type": "http.response.start", "status": refused.status.value, "headers": _encoded(headers)})
        await self.pass_on({"type": "http.response.body", "body": body})


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers by lower-case name; one that was sent twice is joined, so that neither reader of it takes only the first."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        text = value.decode("latin-1")
        key = name.decode("latin-1").lower()
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _origin_of(scope: Scope, headers: Mapping[str, str]) -> Origin:
    trace = parse_traceparent(headers.get("traceparent", ""))
    client = scope.get("client")
    return Origin(channel="mcp", request_id=str(new_id()), ip=client[0] if client else "", trace_id=trace.trace_id if trace else "")


def _require_post(scope: Scope) -> None:
    if scope["method"] != "POST":
        raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, "Only POST is answered here.", headers={"Allow": "POST"})


def _require_known_host(headers: Mapping[str, str]) -> None:
    """The request is for this installation and from no page of another one: a browser can be led here under a name of the attacker's."""
    hosts = settings.ALLOWED_HOSTS
    domain, _ = split_domain_port(headers.get("host", ""))
    if not domain or not validate_host(domain, hosts):
        raise _Refused(HTTPStatus.MISDIRECTED_REQUEST, "This installation is not known under that Host.")
    sent_from = headers.get("origin", "")
    if not sent_from:
        return
    try:
        page = urlsplit(sent_from).hostname or ""
    except ValueError:
        page = ""
    if not page or not validate_host(f"[{page}]" if ":" in page else page, hosts):
        raise _Refused(HTTPStatus.FORBIDDEN, "Pages of that Origin have no business here.")


async def _whole_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    too_large = _Refused.of(problem_of(BodyTooLarge(detail=f"A body has at most {limit} bytes.")))
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdecimal() and (len(declared) > 15 or int(declared) > limit):
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        body += message.get("body", b"")
        if len(body) > limit:
            raise too_large
        if not message.get("more_body", False):
            return bytes(body)


def _let_in(headers: Mapping[str, str], body: bytes, deadline: float) -> Visit:
    """Return who is asking, once the request is counted; raises the refusal to answer, which is recorded as at the DRF door."""
    authorization, at = headers["authorization"], now()
    try:
        principal = authenticate_agent(
            authorization=authorization,
            proof=headers.get("dpop"),
            method="POST",
            url=public_url(PATH),
            body=body,
            resource=Resource.MCP,
            now=at,
        )
    except DomainError as error:
        raise _recorded(error, authorization, at) from error
    message = _message(body)
    try:
        quota = admit_agent(agent=principal.public_id, tool=_tool_of(message), now=at)
    except RateLimited as error:
        subject = Subject(kind="agent", id=principal.public_id)
        record_or_count(kind=ReadEvent.REFUSED, actor=principal.actor(), subject=subject, error=error, source=principal.public_id, now=at)
        raise
    return Visit(_traced(current_origin(), message), deadline, principal, quota)


def _recorded(error: DomainError, authorization: str, at: datetime) -> DomainError:
    """Return the refusal to answer somebody who did not get in: this one, or that there were too many from there."""
    if not error.is_security_denial:
        return error
    # Whoever has a token but not the key it is bound to is not that token's agent.
    is_stolen = isinstance(error, ProofInvalid | TokenBindingMismatch)
    holder = None if is_stolen else holder_of(authorization, at)
    if holder is not None:
        actor, asked = holder
        subject = Subject(kind="agent", id=actor.id, tool=asked.get("tool", ""), company=asked.get("company", ""))
        record_or_count(kind=ReadEvent.REFUSED, actor=actor, subject=subject, error=error, source=actor.id, now=at)
        return error
    source = source_of(current_origin().ip)
    about = (error.agent if isinstance(error, TokenInvalid) else "") or UNKNOWN.id
    subject = Subject(kind="agent", id=about)
    record_or_count(kind=IdentityEvent.TOKEN_REFUSED, actor=UNKNOWN, subject=subject, error=error, source=source, now=at)
    return refused_at_the_door(source=source, now=at) or error


def _message(body: bytes) -> object:
    """Return the JSON of the body: UTF-8, no object that names a key twice, so that everybody who reads it reads the same."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        message = str(error) if isinstance(error, _Duplicate) else "The body is not JSON."
        raise _Refused(HTTPStatus.BAD_REQUEST, message, code=PARSE_ERROR) from error


def _traced(where: Origin, message: object) -> Origin:
    """Return the origin with the trace that the message names, where its transport named none: MCP clients may send it in `_meta`."""
    match message:
        case {"params": {"_meta": {"traceparent": str() as text}}} if not where.trace_id and (trace := parse_traceparent(text)):
            return replace(where, trace_id=trace.trace_id)
    return where


def _tool_of(message: object) -> str:
    """Return the tool that is called; empty for anything else, however malformed."""
    match message:
        case {"method": "tools/call", "params": {"name": str() as name}}:
            return name if name in TOOLS else ""
    return ""


class _Duplicate(ValueError):
    """An object names a key twice."""


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Duplicate("A key appears twice in one object.")
    return found


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body that was read already, and then what is still to come."""
    is_given = False

    async def replay() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
