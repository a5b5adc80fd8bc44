"""Refusals on the wire: RFC 9457 problem documents, and the one record that each refused attempt leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

import audit.services
from audit.records import Subject
from identity.errors import ProofInvalid, TokenBindingMismatch, TokenInvalid
from identity.events import IdentityEvent
from identity.limits.errors import RateLimited
from identity.limits.services import record_or_count, refused_at_the_door, source_of
from identity.principals import AgentPrincipal
from identity.tokens.access import read_token
from kernel.actors import Actor, ActorKind
from kernel.canonical import canonical_bytes
from kernel.clock import now
from kernel.context import current_origin
from kernel.errors import DomainError, NotCanonical
from proposals.events import ProposalEvent, ReadEvent

PROBLEM_TYPE = "application/problem+json"
# Where the documentation page explains a code; a relative reference, since the installation knows no fixed address of its own.
TYPE_BASE = "/api/v1/docs#"
# Long enough to name what was asked for, short enough that a refusal can't be used to fill the log.
NAME_LENGTH_MAX = 64
# Whoever sent a token that is not ours.
UNKNOWN = Actor(ActorKind.AGENT, "unknown")


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem document and the headers that go with it."""

    status: int
    code: str
    title: str
    detail: str
    is_retryable: bool = False
    errors: tuple[Mapping[str, str], ...] = ()
    data: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return the wire form."""
        document: dict[str, object] = {
            "type": f"{TYPE_BASE}{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": current_origin().request_id,
            "retryable": self.is_retryable,
            "errors": list(self.errors),
        }
        return document | ({"data": dict(self.data)} if self.data else {})


def problem_of(error: DomainError) -> Problem:
    """Return the problem document of a refusal."""
    return Problem(
        status=error.status.value,
        code=error.code,
        title=error.title,
        detail=error.detail or error.title,
        is_retryable=error.retryable,
        errors=tuple(item.as_dict() for item in error.errors),
        data=_canonical(error.data),
        headers=getattr(error, "headers", {}),
    )


def problem_response(exception: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the answer to a refused request and record the refusal once; None for a defect, which Django reports.

    Every refused attempt of a view with a `refusal_kind` is recorded, elsewhere only security denials are.
    """
    view, request = context.get("view"), context.get("request")
    if isinstance(exception, DomainError):
        problem = problem_of(exception)
        error: DomainError | None = exception
    else:
        found = _problem_of_framework(exception)
        if found is None:
            return None
        problem, error = found, None
    if locked_out := _record_refusal(view, request, problem, error):
        problem = problem_of(locked_out)
    response = Response(problem.as_dict(), status=problem.status, content_type=PROBLEM_TYPE)
    for name, value in problem.headers.items():
        response[name] = value
    return response


def refuse_and_record(
    error: DomainError,
    *,
    actor: Actor,
    kind: str,
    now: datetime,
    tool: str = "",
    company: str = "",
    idempotency_key: str = "",
    about: str = "",
) -> Problem:
    """Record one refused attempt, in a transaction of its own, and return its problem document.

    Call it after the refused transaction has rolled back. `about` names the agent whose chain it belongs to, where that is not the actor.
    """
    subject = Subject(
        kind="agent",
        id=about or actor.id,
        tool=_name(tool),
        company=_name(company),
        idempotency_key=idempotency_key,
    )
    audit.services.record_denial(kind=kind, actor=actor, subject=subject, now=now, error=error)
    return problem_of(error)


def _name(text: str) -> str:
    """Return what was asked for as the record can keep it: an address can carry a NUL, which no database takes."""
    return text[:NAME_LENGTH_MAX].replace("\0", "")


def _record_refusal(view: APIView | None, request: Request | None, problem: Problem, error: DomainError | None) -> DomainError | None:
    """Record or count the refusal; return another one to answer instead when too many came from whoever this is."""
    refusal = error or _FrameworkRefusal.of(problem)
    # Whoever has a token but not the key it is bound to is not that token's agent.
    is_stolen = isinstance(error, ProofInvalid | TokenBindingMismatch)
    knocker = None if is_stolen else _knocker(request)
    source = source_of(current_origin().ip)
    if knocker is None and error is None:
        # Nobody knocked with a token: there is no attempt of anybody to record, only to count.
        return refused_at_the_door(source=source, now=now()) if problem.status == HTTPStatus.UNAUTHORIZED else None
    kind: str | None = getattr(view, "refusal_kind", None)
    if kind is None or knocker is None:
        if not refusal.is_security_denial:
            return None
        kind = ReadEvent.REFUSED if knocker else IdentityEvent.TOKEN_REFUSED
    actor, asked = knocker or (UNKNOWN, {})
    key = request.headers.get("Idempotency-Key", "") if request is not None and kind == ProposalEvent.REFUSED else ""
    asked |= _asked(request, known=asked)
    about = error.agent if isinstance(error, TokenInvalid) else ""
    if isinstance(error, RateLimited):
        record_or_count(kind=kind, actor=actor, subject=Subject("agent", actor.id), error=error, source=actor.id, now=now())
        return None
    if not _is_in(request):
        # Whoever did not get in may try as often as the wire allows: such refusals are counted, by the agent if it is known.
        subject = Subject("agent", about or actor.id, tool=_name(asked.get("tool", "")), company=_name(asked.get("company", "")))
        origin_of_it = actor.id if knocker else source
        record_or_count(kind=kind, actor=actor, subject=subject, error=refusal, source=origin_of_it, now=now())
        return None if knocker else refused_at_the_door(source=source, now=now())
    refuse_and_record(refusal, actor=actor, kind=kind, now=now(), idempotency_key=key, about=about, **asked)
    return None


class _FrameworkRefusal(DomainError):
    """A refusal by the framework (no such method, wrong media type…), in the form the record takes."""

    @classmethod
    def of(cls, problem: Problem) -> _FrameworkRefusal:
        error = cls(detail=problem.detail)
        object.__setattr__(error, "code", problem.code)
        return error


def _is_in(request: Request | None) -> bool:
    return request is not None and isinstance(vars(request).get("_user"), AgentPrincipal)


def _knocker(request: Request | None) -> tuple[Actor, dict[str, str]] | None:
    """Return who sent the request and what their token is for; None when no token of ours came with it."""
    if request is None:
        return None
    # Not `request.user`: after a failed authentication that would authenticate again, and raise again.
    found = vars(request).get("_user")
    if isinstance(found, AgentPrincipal):
        return found.actor(), {}
    # A suspended agent, or one whose grant has ended, did not get in; its token still says who it is.
    return holder_of(request.headers.get("Authorization", ""), now())


def holder_of(authorization: str, at: datetime) -> tuple[Actor, dict[str, str]] | None:
    """Return whose token the Authorization header holds and what it is for; None when it is no token of ours."""
    try:
        token = read_token(authorization.partition(" ")[2].strip(), at)
    except DomainError:
        return None
    actor = Actor(ActorKind.AGENT, token.public_agent_id, credential=token.credential_thumbprint)
    named = token.details[0] if len(token.details) == 1 else None
    return actor, {"tool": named.tool, "company": named.company} if named else {}


def _asked(request: Request | None, *, known: Mapping[str, str]) -> dict[str, str]:
    """Return which tool and company the refused request named, as far as it could be read and is not known already."""
    if request is None:
        return {}
    match = getattr(request, "resolver_match", None)
    body = vars(request).get("_data")
    named = {"tool": match.kwargs.get("name") if match else None, "company": None}
    if isinstance(body, dict):
        named = {name: value or body.get(name) for name, value in named.items()}
    return {name: value for name, value in named.items() if isinstance(value, str) and name not in known}


def _problem_of_framework(exception: Exception) -> Problem | None:
    if isinstance(exception, Http404):
        exception = exceptions.NotFound()
    elif isinstance(exception, PermissionDenied):
        exception = exceptions.PermissionDenied()
    elif isinstance(exception, RequestDataTooBig):
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return Problem(status.value, "body_too_large", "The body is too large", str(exception))
    if not isinstance(exception, exceptions.APIException):
        return None
    headers = {}
    if challenge := getattr(exception, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(exception, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    status = HTTPStatus(exception.status_code)
    code = str(exception.default_code)
    detail = str(exception.detail)
    is_retryable = status == HTTPStatus.TOO_MANY_REQUESTS
    return Problem(status.value, code, status.phrase, detail, is_retryable=is_retryable, headers=headers)


def _canonical(data: Mapping[str, object]) -> Mapping[str, object]:
    try:
        canonical_bytes(data)
    except NotCanonical:
        return {}
    return data
