"""Which tools a token shows: those it is for, with their schemas from the catalogue, and the ones about the agent's own proposals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

from mcp_types import Tool as ToolListing
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from gateway.catalogue import Tool, ToolKind, get_tool
from identity.principals import AgentPrincipal
from identity.queries import grants_in_force
from proposals import queries, services
from proposals.answers import PAGE_SIZE, own_page, own_proposal
from proposals.body import KEY_LENGTH_MAX, Body, Identifier, ProposeBody
from proposals.documents import ProposalDocument, ProposalPage, ReadDocument
from proposals.mcp.results import SubmittedDocument
from proposals.representation import Json, grant_view, read_view
from proposals.states import ProposalState

KEY_DESCRIPTION = (
    "Names this one intent. Make it before the call and keep it, e.g. a random UUID, or the number of the requisition this is for. "
    "Repeating the call with the same key and the same arguments always gives the same proposal, so after a lost answer or a time-out "
    "repeat it unchanged; a new intent needs a new key."
)
PROPOSES = (
    "Calling this proposes the write: people decide on exactly this payload, nothing stands in the ERP before, and the answer is a "
    "proposal to come back for."
)


STATES = tuple(ProposalState.values)
State = Literal[STATES]  # type: ignore[valid-type]


class OfProposal(Body):
    """Which proposal."""

    proposal_id: Identifier = Field(description="As a proposing call returned it, e.g. prop_01kas8v3q2f0ynh5tq3n8rzd1c")


class OfRead(Body):
    """Which read receipt."""

    read_id: Identifier = Field(description="As a reading call returned it, e.g. read_01kas8v3q2f0ynh5tq3n8rzd1c")


class OfPage(Body):
    """Which of the agent's proposals."""

    states: list[State] = Field(
        default_factory=list, max_length=len(ProposalState.values), description="Only these states of the gate; all when empty"
    )
    tool: str = Field(default="", max_length=64, description="Only this tool")
    company: str = Field(default="", max_length=12, description="Only this company")
    limit: int = Field(default=PAGE_SIZE, ge=1, le=queries.PAGE_SIZE_MAX, description=f"An integer from 1 to {queries.PAGE_SIZE_MAX}")
    cursor: str = Field(default="", max_length=60, description="`next` of the page before")


@dataclass(frozen=True, slots=True)
class OwnTool:
    """A tool about what the agent itself proposed or read; every token of the agent may use it, as at the DRF door."""

    name: str
    title: str
    description: str
    arguments: type[Body]
    answer: type[BaseModel]
    run: Callable[[AgentPrincipal, Any, datetime], Json]
    is_write: bool = False


def _withdraw(principal: AgentPrincipal, named: OfProposal, now: datetime) -> Json:
    services.withdraw(principal=principal, proposal_id=named.proposal_id, now=now)
    return own_proposal(principal, named.proposal_id)


OWN_TOOLS: Mapping[str, OwnTool] = {
    tool.name: tool
    for tool in (
        OwnTool(
            "get_proposal",
            "Get a proposal",
            "Returns one proposal of yours: its status, what people said, and what became of it in the ERP. While is_final is false, "
            "ask again later; people may take days.",
            OfProposal,
            ProposalDocument,
            lambda principal, named, _: own_proposal(principal, named.proposal_id),
        ),
        OwnTool(
            "list_proposals",
            "List proposals",
            "Returns your own proposals, newest first, a page at a time.",
            OfPage,
            ProposalPage,
            lambda principal, page, _: own_page(principal, **page.model_dump()),
        ),
        OwnTool(
            "get_read",
            "Get a read receipt",
            "Returns a read of yours again, exactly as it was answered then.",
            OfRead,
            ReadDocument,
            lambda principal, named, _: read_view(queries.get_read_for(principal, named.read_id)),
        ),
        OwnTool(
            "withdraw_proposal",
            "Withdraw a proposal",
            "Takes back a proposal of yours that is not decided yet, for good. Needs a token for its tool and company.",
            OfProposal,
            ProposalDocument,
            _withdraw,
            is_write=True,
        ),
    )
}


def listed_tools(principal: AgentPrincipal, now: datetime) -> list[ToolListing]:
    """Return what this token may call, by name; one query for the bounds of its grants."""
    grants = {grant.tool: grant for grant in grants_in_force(principal.agent_id, now)}
    listings = [
        _listing(get_tool(name), companies, grant_view(grants[name]))
        for name, companies in sorted(companies_by_tool(principal).items())
        if name in grants
    ]
    may_propose = principal.allows(action="propose")
    return listings + [_own_listing(tool) for tool in OWN_TOOLS.values() if may_propose or not tool.is_write]


def companies_by_tool(principal: AgentPrincipal) -> dict[str, list[str]]:
    """Return, for each tool this token is for, the companies it is for."""
    found: dict[str, list[str]] = {}
    for detail in principal.details:
        if detail.refusal is None:
            found.setdefault(detail.tool, []).append(detail.company)
    return found


def _listing(tool: Tool, companies: list[str], grant: Json) -> ToolListing:
    is_read = tool.kind is ToolKind.READ
    schema = _read_schema(tool.name) if is_read else _write_schema(tool.name)
    company: Json = {
        "type": "string",
        "enum": sorted(set(companies)),
        "description": "May be left out when there is one",
    }
    required = schema["required"] + (["company"] if len(company["enum"]) > 1 else [])
    return ToolListing(
        name=tool.name,
        title=tool.title,
        description=tool.description if is_read else f"{tool.description} {PROPOSES}",
        input_schema={**schema, "properties": {**schema["properties"], "company": company}, "required": required},
        output_schema=_answer_schema(tool.name) if is_read else _schema_of(SubmittedDocument),
        annotations=ToolAnnotations(
            read_only_hint=is_read,
            destructive_hint=not is_read and not tool.is_reversible,
            idempotent_hint=True,
            open_world_hint=False,
        ),
        _meta={"version": tool.version, "risk": tool.risk.value, "grant": grant},
    )


def _own_listing(tool: OwnTool) -> ToolListing:
    return ToolListing(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=_schema_of(tool.arguments),
        output_schema=_schema_of(tool.answer),
        annotations=ToolAnnotations(
            read_only_hint=not tool.is_write, destructive_hint=False, idempotent_hint=not tool.is_write, open_world_hint=False
        ),
    )


@cache
def _read_schema(name: str) -> Json:
    """Return the arguments of a read, flat; the company is added with what the token says of it."""
    return {"required": [], **_bare(get_tool(name).input_schema())}


@cache
def _write_schema(name: str) -> Json:
    """Return the fields of a proposal of this tool, its payload apart: exactly that is what people decide on."""
    payload = _bare(get_tool(name).input_schema())
    definitions = payload.pop("$defs", {})
    body = _bare(ProposeBody.model_json_schema())
    key = {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH_MAX, "description": KEY_DESCRIPTION}
    optional = {field: value for field, value in body["properties"].items() if field not in {"tool", "company", "payload"}}
    return {
        **body,
        "properties": {"idempotency_key": key, "payload": payload, **optional},
        "required": ["idempotency_key", "payload"],
        **({"$defs": definitions} if definitions else {}),
    }


@cache
def _answer_schema(name: str) -> Json:
    """Return the receipt of a read with the tool's own result in it."""
    result = dict(get_tool(name).output_schema())
    definitions = result.pop("$defs", {})
    receipt = _schema_of(ReadDocument)
    return {
        **receipt,
        "properties": {**receipt["properties"], "result": result},
        "$defs": {**receipt.get("$defs", {}), **definitions},
    }


@cache
def _schema_of(model: type[BaseModel]) -> Json:
    return _bare(model.model_json_schema())


def _bare(schema: Json) -> Json:
    """Return the schema without the name and docstring of the class it was made from."""
    return {key: value for key, value in schema.items() if key not in {"title", "description"}}
