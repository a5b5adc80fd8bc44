"""The agents' DRF door: one view per operation, each reads the request, calls one service, shows the result."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, cast
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.catalogue import TOOLS, get_tool
from identity.limits.services import admit_agent
from identity.principals import AgentPrincipal
from identity.queries import active_grant, grants_in_force
from kernel.canonical import canonical_bytes
from kernel.clock import now
from kernel.errors import DomainError, FieldError, NotVisible, ValidationFailed
from kernel.ids import Prefix
from kernel.waiting import held_since
from proposals import documents, queries, services
from proposals.answers import PAGE_SIZE, own_page, own_proposal, view_of, views_of
from proposals.body import BATCH_ITEMS_MAX, ProposeBody, ReadBody, parse_key, parse_proposal, parse_read
from proposals.events import ProposalEvent, ReadEvent
from proposals.openapi import IDEMPOTENCY_KEY, REPLAYED, identifier, problems, whole_number
from proposals.problems import refuse_and_record
from proposals.representation import Json, read_view, tool_view
from proposals.services import Submission
from proposals.states import ProposalState

WAIT_SECONDS_MAX = 60
REPLAYED_HEADER = "Idempotency-Replayed"
SETTLED_HEADER = "Countersign-Settled"


class AgentView(APIView):
    """A view for agents; refusals of views with a `refusal_kind` are each recorded once."""

    refusal_kind: ClassVar[str | None] = None

    # What is left of the agent's quotas, for the answer's fields.
    quota: Mapping[str, str] = MappingProxyType({})

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count the request, and refuse an address that no database could be asked about, once it is known who asks."""
        super().initial(request, *args, **kwargs)
        # A request that waits in front of Django was counted when it was first looked at.
        cost = 1 if held_since() is None else 0
        principal = self.principal(request)
        self.quota = admit_agent(agent=principal.public_id, tool=_tool_of(principal, kwargs), now=now(), cost=cost)
        sent = [*kwargs.items(), *((name, value) for name, values in request.query_params.lists() for value in values)]
        for name, value in sent:
            if "\0" in str(value):
                raise _unacceptable(name.replace("\0", ""), "it holds a NUL character", "text without it")

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Say on every answer, refusals included, what is left of the quotas."""
        for name, value in self.quota.items():
            response.headers.setdefault(name, value)
        return super().finalize_response(request, response, *args, **kwargs)

    @staticmethod
    def principal(request: Request) -> AgentPrincipal:
        """Return the agent behind the request; DRF has refused everybody else by now."""
        return cast("AgentPrincipal", request.user)

    @staticmethod
    def body(request: Request) -> Mapping[str, Any]:
        """Return the JSON object that was sent; the parser has refused everything else."""
        return cast("Mapping[str, Any]", request.data)


class ToolCollection(AgentView):
    """The tools that this agent was granted."""

    @extend_schema(operation_id="list_tools", responses={200: documents.ToolList, **problems()})
    def get(self, request: Request) -> Response:
        """List the tools that this agent was granted; there may be others, which it can't see."""
        grants = grants_in_force(self.principal(request).agent_id, now())
        return Response({"results": [tool_view(get_tool(grant.tool), grant) for grant in grants]})


class ToolDetail(AgentView):
    """One granted tool."""

    @extend_schema(operation_id="get_tool", responses={200: documents.ToolDocument, **problems(404)})
    def get(self, request: Request, name: str) -> Response:
        """Show one tool with the JSON Schemas of its input and output."""
        grant = active_grant(self.principal(request).agent_id, name, now())
        if grant is None:
            raise NotVisible(detail=f"You have no grant for a tool called {name[:64]}.")
        return Response(tool_view(get_tool(name), grant, has_schemas=True))


class ToolRead(AgentView):
    """One read of the ERP."""

    refusal_kind = ReadEvent.REFUSED

    @extend_schema(
        operation_id="read",
        request=ReadBody,
        responses={200: documents.ReadDocument, **problems(400, 404, 413, 415, 422, 503)},
    )
    def post(self, request: Request, name: str) -> Response:
        """Read the ERP through a tool; the answer is kept as a receipt to cite."""
        body = parse_read(self.body(request))
        done = services.read(principal=self.principal(request), tool=name, company=body.company, arguments=body.arguments, now=now())
        return Response(read_view(done.receipt, done.result))


class ReadDetail(AgentView):
    """One read receipt."""

    @extend_schema(
        operation_id="get_read",
        parameters=[identifier("read_id", Prefix.READ)],
        responses={200: documents.ReadDocument, **problems(400, 404)},
    )
    def get(self, request: Request, read_id: str) -> Response:
        """Show a read of the agent's own again, as it was answered then."""
        return Response(read_view(queries.get_read_for(self.principal(request), read_id)))


class ProposalCollection(AgentView):
    """Submitting a proposal, and the list of the agent's own."""

    @property
    def refusal_kind(self) -> str | None:  # type: ignore[override]
        """Return what a refused submission is recorded as; a refused look at the list is not an attempt at anything."""
        return ProposalEvent.REFUSED if self.request.method == "POST" else None

    @extend_schema(
        operation_id="propose",
        request=ProposeBody,
        parameters=[IDEMPOTENCY_KEY, REPLAYED],
        responses={
            202: OpenApiResponse(documents.ProposalDocument, description="Taken; people decide now."),
            200: OpenApiResponse(documents.ProposalDocument, description="It stood under this key already."),
            **problems(400, 404, 409, 413, 415, 422, 503),
        },
    )
    def post(self, request: Request) -> Response:
        """Propose one write; nothing happens in the ERP before people approve exactly this."""
        key = parse_key(request.headers.get("Idempotency-Key"))
        body = parse_proposal(self.body(request))
        return _submitted(services.propose(principal=self.principal(request), idempotency_key=key, body=body, now=now()))

    @extend_schema(
        operation_id="list_proposals",
        parameters=[
            OpenApiParameter("state", str, enum=ProposalState.values, many=True, description="Of the gate; may be repeated"),
            OpenApiParameter("tool", str),
            OpenApiParameter("company", str),
            whole_number("limit", 1, queries.PAGE_SIZE_MAX, f"{PAGE_SIZE} when left out"),
            OpenApiParameter("cursor", str, description="`next` of the page before"),
        ],
        responses={200: documents.ProposalPage, **problems(400, 422)},
    )
    def get(self, request: Request) -> Response:
        """List the agent's own proposals, newest first."""
        query = request.query_params
        limit = _integer(query.get("limit"), "limit", low=1, high=queries.PAGE_SIZE_MAX, default=PAGE_SIZE)
        states = query.getlist("state")
        if unknown := sorted(set(states) - set(ProposalState.values)):
            raise _unacceptable("state", f"{unknown[0][:40]} is not a state", ", ".join(ProposalState.values))
        return Response(
            own_page(
                self.principal(request),
                states=states,
                tool=query.get("tool", ""),
                company=query.get("company", ""),
                limit=limit,
                cursor=query.get("cursor", ""),
            )
        )


class ProposalDetail(AgentView):
    """One proposal, now or as soon as it changes."""

    @extend_schema(
        operation_id="get_proposal",
        parameters=[
            identifier("proposal_id", Prefix.PROPOSAL),
            whole_number("wait", 0, WAIT_SECONDS_MAX, "Answer when it has changed or is final, after so many seconds at the latest"),
        ],
        responses={200: documents.ProposalDocument, **problems(400, 404, 422)},
    )
    def get(self, request: Request, proposal_id: str) -> Response:
        """Show a proposal of the agent's own.

        Waiting happens in front of Django (config/longpoll.py), which asks here again and again: a person may take days, so no
        thread is kept for one who waits.
        """
        _integer(request.query_params.get("wait"), "wait", low=0, high=WAIT_SECONDS_MAX, default=0)
        view = own_proposal(self.principal(request), proposal_id)
        headers = {"ETag": f'"{hashlib.sha256(canonical_bytes(view)).hexdigest()[:32]}"', "Cache-Control": "no-store"}
        return Response(view, headers=headers | ({SETTLED_HEADER: "true"} if view["is_final"] else {}))


class ProposalWithdraw(AgentView):
    """Taking a proposal back."""

    refusal_kind = ProposalEvent.REFUSED

    @extend_schema(
        operation_id="withdraw_proposal",
        request=None,
        parameters=[identifier("proposal_id", Prefix.PROPOSAL)],
        responses={200: documents.ProposalDocument, **problems(400, 404, 409, 413, 415)},
    )
    def post(self, request: Request, proposal_id: str) -> Response:
        """Withdraw an open proposal; needs a token for its tool and company."""
        principal = self.principal(request)
        services.withdraw(principal=principal, proposal_id=proposal_id, now=now())
        return Response(own_proposal(principal, proposal_id))


class ProposalBatch(AgentView):
    """Many proposals in one request."""

    refusal_kind = ProposalEvent.REFUSED

    @extend_schema(
        operation_id="propose_batch",
        request=documents.BatchBody,
        responses={200: documents.BatchDocument, **problems(400, 413, 415, 422)},
    )
    def post(self, request: Request) -> Response:
        """Propose up to 500 writes of the token's tool and company; each is taken or refused by itself."""
        sent = self.body(request)
        items = sent.get("items")
        if not isinstance(items, list) or not 1 <= len(items) <= BATCH_ITEMS_MAX:
            raise _unacceptable("/items", "not a list of acceptable length", f"a list of 1 to {BATCH_ITEMS_MAX} proposals")
        if extra := sorted(set(sent) - {"items"}):
            raise _unacceptable(f"/{extra[0][:64]}", "there is no such field", "only items")
        principal, instant = self.principal(request), now()
        parsed = [_parsed(item) for item in items]
        requests = [item.request for item in parsed if isinstance(item.request, services.Request)]
        answers = iter(services.propose_many(principal=principal, requests=requests, now=instant))
        outcomes = [next(answers) if isinstance(item.request, services.Request) else item.request for item in parsed]
        replayed = [outcome.proposal for outcome in outcomes if isinstance(outcome, Submission) and outcome.is_replay]
        views = dict(zip((proposal.pk for proposal in replayed), views_of(replayed), strict=True))
        return Response({"results": [self._result(principal, *pair, views) for pair in zip(parsed, outcomes, strict=True)]})

    def _result(self, principal: AgentPrincipal, item: _Item, outcome: Submission | DomainError, replayed: Mapping[UUID, Json]) -> Json:
        """Return the result of one item; a refusal is recorded."""
        if isinstance(outcome, DomainError):
            problem = refuse_and_record(
                outcome, actor=principal.actor(), kind=ProposalEvent.REFUSED, now=now(), idempotency_key=item.key, **item.named
            )
            return _result(item.key, problem.status, problem=problem.as_dict())
        view = replayed.get(outcome.proposal.pk) if outcome.is_replay else view_of(outcome)
        return _result(item.key, 200 if outcome.is_replay else 202, is_replay=outcome.is_replay, proposal=view)


@dataclass(frozen=True, slots=True)
class _Item:
    """One item of a batch: the key as far as it could be read, what it names, and the request or why it is none."""

    key: str
    named: Mapping[str, str]
    request: services.Request | DomainError


def _parsed(item: object) -> _Item:
    fields = dict(item) if isinstance(item, Mapping) else {}
    raw = fields.pop("idempotency_key", "")
    key = raw if isinstance(raw, str) else ""
    named = {name: value for name in ("tool", "company") if isinstance(value := fields.get(name), str)}
    try:
        key = parse_key(key, path="/idempotency_key")
        return _Item(key, named, services.Request(key, parse_proposal(fields)))
    except DomainError as refusal:
        return _Item(key, named, refusal)


def _result(
    key: str, status: int, *, is_replay: bool = False, proposal: Json | None = None, problem: Mapping[str, Any] | None = None
) -> Json:
    return {"idempotency_key": key, "status": status, "is_replay": is_replay, "proposal": proposal, "problem": problem}


def _submitted(submission: Submission) -> Response:
    headers = {"Location": f"/api/v1/proposals/{submission.proposal.public_id}"}
    if submission.is_replay:
        headers[REPLAYED_HEADER] = "true"
    return Response(view_of(submission), status=200 if submission.is_replay else 202, headers=headers)


def _integer(text: str | None, name: str, *, low: int, high: int, default: int) -> int:
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 6 or not low <= int(text) <= high:
        raise _unacceptable(name, f"{text[:40]!r} is not acceptable", f"an integer from {low} to {high}")
    return int(text)


def _tool_of(principal: AgentPrincipal, named: Mapping[str, object]) -> str:
    """Return the tool that the request counts for: the one in the address, or the one the token is for."""
    name = named.get("name")
    if isinstance(name, str) and name in TOOLS:
        return name
    tools = {detail.tool for detail in principal.details}
    return tools.pop() if len(tools) == 1 else ""


def _unacceptable(path: str, message: str, acceptable: str) -> ValidationFailed:
    return ValidationFailed(detail=f"{path}: {message}; acceptable: {acceptable}.", errors=(FieldError(path, message, acceptable),))
