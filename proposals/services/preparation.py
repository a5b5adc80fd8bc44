"""What a submission needs to know before its transaction: the payload checked, the ERP asked, the page's facts computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Q

from gateway.catalogue import Effect, Presented, WriteTool, get_write_tool
from gateway.connections import connector_for
from gateway.port import Connector
from gateway.together import ask_together
from identity.models import Agent, RoleAssignment
from identity.principals import AgentPrincipal, TokenDetail
from kernel.actors import Actor
from kernel.errors import DomainError, FieldError, ValidationFailed
from proposals.body import ProposeBody
from proposals.errors import OnBehalfOfRefused

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Request:
    """One wish to propose: the agent's key and body; `compensates` is for callers inside the product."""

    key: str
    body: ProposeBody
    compensates: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that the token covers, under its digest."""

    request: Request
    digest: str
    detail: TokenDetail


@dataclass(frozen=True, slots=True)
class Intent:
    """Everything about a submission that is known before the transaction: checked, presented, nothing stored."""

    principal: AgentPrincipal
    detail: TokenDetail
    key: str
    request_digest: str
    body: ProposeBody
    tool: WriteTool[Any]
    params: dict[str, Any]
    effect: Effect
    presented: Presented
    on_behalf_of: int | None
    compensates: str
    now: datetime
    observed: Mapping[str, object] = field(default_factory=dict)

    @property
    def expires_at(self) -> datetime:
        """Return when the proposal lapses unless it is decided."""
        seconds = self.body.expires_in_seconds or settings.PROPOSAL_LIFETIME_HOURS * 3600
        return self.now + timedelta(seconds=seconds)

    @property
    def actor(self) -> Actor:
        """Return the agent, with whom it acts for."""
        asked = "" if self.on_behalf_of is None else str(self.on_behalf_of)
        return replace(self.principal.actor(), on_behalf_of=asked)


def prepare(*, principal: AgentPrincipal, wanted: Mapping[int, Wanted], now: datetime) -> tuple[dict[int, Intent], dict[int, DomainError]]:
    """Return the intents that may be submitted and the refusals of the others; the ERP is asked once for all of a company."""
    refused: dict[int, DomainError] = {}
    checked: dict[int, tuple[WriteTool[Any], Any]] = {}
    for index, item in wanted.items():
        try:
            tool = get_write_tool(item.request.body.tool)
            checked[index] = tool, tool.validate(item.request.body.payload)
        except DomainError as refusal:
            refused[index] = refusal
    computed = _compute(wanted, checked, refused)
    people = _People(principal)
    intents: dict[int, Intent] = {}
    for index, (effect, presented) in computed.items():
        item, (tool, payload) = wanted[index], checked[index]
        try:
            on_behalf_of = people.asked_by(item.request)
        except DomainError as refusal:
            refused[index] = refusal
            continue
        intents[index] = Intent(
            principal=principal,
            detail=item.detail,
            key=item.request.key,
            request_digest=item.digest,
            body=item.request.body,
            tool=tool,
            params=tool.canonical(payload),
            effect=effect,
            presented=presented,
            on_behalf_of=on_behalf_of,
            compensates=item.request.compensates,
            now=now,
        )
    return {index: intents[index] for index in wanted if index in intents}, refused


def _compute(
    wanted: Mapping[int, Wanted], checked: Mapping[int, tuple[WriteTool[Any], Any]], refused: dict[int, DomainError]
) -> dict[int, tuple[Effect, Presented]]:
    """Return effect and page of each payload; what the ERP could only refuse goes into `refused`."""
    by_company: dict[str, list[int]] = {}
    for index in checked:
        by_company.setdefault(wanted[index].request.body.company, []).append(index)
    computed: dict[int, tuple[Effect, Presented]] = {}
    for company, indexes in by_company.items():
        callers = [_caller(*checked[index], company) for index in indexes]
        try:
            results = _answers(connector_for(company), callers)
        except DomainError as refusal:
            results = [refusal] * len(indexes)
        for index, result in zip(indexes, results, strict=True):
            if isinstance(result, DomainError):
                refused[index] = result
            else:
                computed[index] = result
    return computed


def _caller(tool: WriteTool[Any], payload: Any, company: str) -> Callable[[Connector], tuple[Effect, Presented]]:
    return lambda connector: (tool.effect(payload, company, connector), tool.present(payload, company, connector))


def _answers(connector: Connector, callers: Sequence[Callable[[Connector], Result]]) -> Sequence[Result | DomainError]:
    """Ask for one directly, for many together: asking together runs each caller twice."""
    return [callers[0](connector)] if len(callers) == 1 else ask_together(connector, callers)


class _People:
    """The people that requests of one agent name, each looked up once."""

    def __init__(self, principal: AgentPrincipal) -> None:
        self._principal = principal
        self._found: dict[tuple[str, str, bool], int | DomainError] = {}

    def asked_by(self, request: Request) -> int | None:
        """Return the key of the person who asked: active, with a role in the company, one the agent is registered to act for.

        Somebody unknown and somebody the agent does not act for get the same answer. Raises OnBehalfOfRefused or ValidationFailed.
        """
        named = request.body.on_behalf_of
        if not named:
            return None
        place = (named, request.body.company, bool(request.compensates))
        if place not in self._found:
            try:
                self._found[place] = self._person(*place)
            except DomainError as refusal:
                self._found[place] = refusal
        found = self._found[place]
        if isinstance(found, DomainError):
            raise found
        return found

    def _person(self, named: str, company: str, is_internal: bool) -> int:
        people = get_user_model().objects.filter(_called(named)).order_by("pk")
        if not is_internal:
            acts_for = Agent.objects.values_list("acts_for", flat=True).get(pk=self._principal.agent_id)
            people = people.filter(pk__in=acts_for)
            if not people.exists():
                raise not_registered(self._principal, named, acts_for=acts_for)
        held = RoleAssignment.objects.in_force().filter(companies__contains=[company])
        found = people.filter(is_active=True, pk__in=held.values("user_id")).values_list("pk", flat=True).first()
        if found is None:
            message = f"nobody in {company} is called {named}"
            raise ValidationFailed(
                detail=f"/on_behalf_of: {message}.",
                errors=(FieldError("/on_behalf_of", message, f"username or id of a person of {company}"),),
            )
        return int(found)


def not_registered(principal: AgentPrincipal, named: str, *, acts_for: Sequence[int]) -> OnBehalfOfRefused:
    """Return the refusal of a person whom the agent does not act for."""
    message = f"{principal.agent_name} is not registered to act for {named}"
    acceptable = "a person in the agent's registration" if acts_for else "leave it out: the agent acts for nobody"
    return OnBehalfOfRefused(detail=f"/on_behalf_of: {message}.", errors=(FieldError("/on_behalf_of", message, acceptable),))


def _called(named: str) -> Q:
    """Return the condition on people with this username or primary key."""
    is_key = named.isascii() and named.isdecimal() and len(named) < 10
    return Q(username=named) | Q(pk=int(named)) if is_key else Q(username=named)
