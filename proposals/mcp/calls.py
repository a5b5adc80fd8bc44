"""One tool call: what is asked for is done by the services behind the DRF door too, and refused and recorded as there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult

from gateway.catalogue import TOOLS, Tool, ToolKind
from gateway.catalogue.validation import validated
from gateway.errors import UnknownTool
from identity.principals import Action, AgentPrincipal
from kernel.canonical import require_canonical
from kernel.errors import DomainError, FieldError, ValidationFailed
from proposals import services
from proposals.answers import view_of
from proposals.body import parse_key, parse_proposal, parse_read
from proposals.events import ProposalEvent, ReadEvent
from proposals.mcp import results
from proposals.mcp.tasks import new_task
from proposals.mcp.tools import OWN_TOOLS, OwnTool, companies_by_tool
from proposals.parsers import refuse_nul
from proposals.problems import Problem, problem_of, refuse_and_record
from proposals.representation import Json, read_view

KEY = "idempotency_key"
ARGUMENTS = "/arguments"


@dataclass(slots=True)
class _Attempt:
    """What is known of a call so far; only what was checked, so that it can be recorded."""

    principal: AgentPrincipal
    name: str
    now: datetime
    fields: dict[str, Any] = field(default_factory=dict)
    key: str = ""

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Take the arguments over; raises NotCanonical for a float, ValidationFailed for a NUL, each with its place."""
        require_canonical(arguments)
        refuse_nul(dict(arguments))
        self.fields = dict(arguments)

    def take_company(self, action: Action) -> None:
        """Fill in the company when the token leaves no other; raises TokenScopeMismatch or GrantRefused when it is not for the tool."""
        self.principal.detail_for(action=action, tool=self.name)
        companies = set(companies_by_tool(self.principal).get(self.name, ()))
        if "company" not in self.fields and len(companies) == 1:
            self.fields["company"] = companies.pop()

    def refuse(self, error: DomainError, kind: str | None) -> Problem:
        """Return the problem, recorded when it has a kind or is a security denial."""
        if kind is None and not error.is_security_denial:
            return problem_of(error)
        company = self.fields.get("company")
        return refuse_and_record(
            error,
            actor=self.principal.actor(),
            kind=kind or ReadEvent.REFUSED,
            now=self.now,
            tool="" if self.name in OWN_TOOLS else self.name,
            company=company if isinstance(company, str) else "",
            idempotency_key=self.key,
        )


def call_tool(
    *, principal: AgentPrincipal, name: str, arguments: Mapping[str, Any], takes_tasks: bool, now: datetime
) -> CallToolResult | Json:
    """Return the result of one call, or the handle of a task where the client takes one.

    A refusal is a result too, so that the model reads it. Raises MCPError for a name that is no tool at all.
    """
    attempt = _Attempt(principal, name, now)
    if (own := OWN_TOOLS.get(name)) is not None:
        return _call_own(attempt, own, arguments)
    if (tool := TOOLS.get(name)) is None:
        raise _unknown(attempt)
    if tool.kind is ToolKind.READ:
        return _read(attempt, tool, arguments)
    return _propose(attempt, tool, arguments, takes_tasks=takes_tasks)


def _call_own(attempt: _Attempt, tool: OwnTool, arguments: Mapping[str, Any]) -> CallToolResult:
    try:
        attempt.check(arguments)
        named = validated(tool.arguments, attempt.fields, prefix="")
        return results.of_value(tool.run(attempt.principal, named, attempt.now))
    except DomainError as error:
        return results.of_problem(attempt.refuse(error, ProposalEvent.REFUSED if tool.is_write else None))


def _read(attempt: _Attempt, tool: Tool, arguments: Mapping[str, Any]) -> CallToolResult:
    try:
        attempt.check(arguments)
        attempt.take_company("read")
        own = dict(attempt.fields)
        where = {"company": own.pop("company")} if "company" in own else {}
        body = parse_read({**where, "arguments": own})
        done = services.read(principal=attempt.principal, tool=tool.name, company=body.company, arguments=body.arguments, now=attempt.now)
        return results.of_value(read_view(done.receipt, dict(done.result)))
    except DomainError as error:
        return results.of_problem(results.without_prefix(attempt.refuse(error, ReadEvent.REFUSED), ARGUMENTS))


def _propose(attempt: _Attempt, tool: Tool, arguments: Mapping[str, Any], *, takes_tasks: bool) -> CallToolResult | Json:
    try:
        attempt.check(arguments)
        attempt.take_company("propose")
        sent = {name: value for name, value in attempt.fields.items() if name != KEY}
        if "tool" in sent:
            raise _no_such_field("tool")
        raw = attempt.fields.get(KEY)
        attempt.key = parse_key(raw if isinstance(raw, str) else "", path=f"/{KEY}")
        body = parse_proposal({**sent, "tool": tool.name})
        submission = services.propose(principal=attempt.principal, idempotency_key=attempt.key, body=body, now=attempt.now)
    except DomainError as error:
        return results.of_problem(attempt.refuse(error, ProposalEvent.REFUSED))
    view = view_of(submission)
    if takes_tasks and not view["is_final"]:
        return new_task(submission.proposal, view)
    return results.of_proposal(view)


def _unknown(attempt: _Attempt) -> MCPError:
    """Return the protocol's error for a tool that does not exist, after recording the attempt."""
    shown = attempt.name.encode("ascii", "replace").decode()[:64].replace("\0", "")
    attempt.name = shown
    error = UnknownTool(detail=f"There is no tool {shown!r}; tools/list shows those this token is for.", data={"tool": shown})
    problem = attempt.refuse(error, ReadEvent.REFUSED)
    return MCPError(code=INVALID_PARAMS, message=problem.detail, data=problem.as_dict())


def _no_such_field(name: str) -> ValidationFailed:
    message = "there is no such field: the tool is the one that is called"
    return ValidationFailed(detail=f"/{name}: {message}.", errors=(FieldError(f"/{name}", message),))
