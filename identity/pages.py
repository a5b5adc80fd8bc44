"""What the pages about agents and tools show: rows of the database as finished texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.urls import reverse

from gateway.catalogue import TOOLS
from gateway.catalogue.base import Risk, Tool, ToolKind, WriteTool
from identity.models import PRIVILEGED_TOOLS, Agent, Credential, Grant
from identity.queries import excluded_people, visible_agents
from identity.states import AgentState, GrantState, Suspension
from kernel.display import Moment, Tag, Tone, ago, at, span
from kernel.money import Money

# How long before its review date an agent's page asks for the review.
REVIEW_NOTICE = timedelta(days=14)
AGENT_TAGS: Mapping[str, Tag] = {
    AgentState.DRAFT: Tag("Draft", Tone.INFO, "info"),
    AgentState.ACTIVE: Tag("Active", Tone.GOOD, "check"),
    AgentState.SUSPENDED: Tag("Suspended", Tone.WARN, "pause"),
    AgentState.DECOMMISSIONED: Tag("Decommissioned", Tone.PLAIN, "stop"),
}
GRANT_TAGS: Mapping[str, Tag] = {
    GrantState.LOG_ONLY: Tag("Log only", Tone.INFO, "info", "Proposes, but nothing of it commits"),
    GrantState.ACTIVE: Tag("Active", Tone.GOOD, "check"),
    GrantState.REVOKED: Tag("Revoked", Tone.PLAIN, "stop"),
}
RISK_TAGS: Mapping[str, Tag] = {
    Risk.LOW: Tag("Low risk", Tone.PLAIN, "low"),
    Risk.MEDIUM: Tag("Medium risk", Tone.WARN, "medium"),
    Risk.HIGH: Tag("High risk", Tone.BAD, "high"),
    Risk.PRIVILEGED: Tag("Privileged", Tone.BAD, "stop"),
}
EXCLUSION_WORDS: Mapping[str, str] = {
    "owner": "owns the agent",
    "sponsor": "sponsors the agent",
    "asked": "the agent acts on their behalf",
    "issued_credential": "issued its key, or trusted its issuer",
    "issued_grant": "issued or activated its grant",
    "last_editor": "registered or last changed it",
}


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent in the list."""

    name: str
    url: str
    state: Tag
    purpose: str
    owner: str
    companies: str
    grants: str
    expires_on: str
    is_review_due: bool


@dataclass(frozen=True, slots=True)
class GrantRow:
    """One grant of an agent, its ceilings in words."""

    id: str
    tool: str
    tool_url: str
    kind: str
    risk: Tag
    state: Tag
    companies: str
    ceilings: tuple[str, ...]
    validity: str
    issued_by: str
    is_open: bool
    is_log_only_write: bool


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One registered public key of an agent."""

    id: str
    thumbprint: str
    algorithm: str
    state: Tag
    age: Moment
    ends: Moment
    last_used: Moment | str
    issued_by: str
    is_live: bool


@dataclass(frozen=True, slots=True)
class AgentPage:
    """Everything the page of one agent shows."""

    id: str
    name: str
    purpose: str
    state: Tag
    facts: tuple[tuple[str, object], ...]
    grants: tuple[GrantRow, ...]
    keys: tuple[KeyRow, ...]
    excluded: tuple[tuple[str, str], ...]
    never_grantable: tuple[str, ...]
    live_keys: int
    may_suspend: bool
    may_resume: bool
    may_activate: bool
    is_alive: bool
    is_review_due: bool


def name_of(user: User) -> str:
    """Return a person's full name, or the login name where there is none."""
    return user.get_full_name() or user.get_username()


def agent_row(agent: Agent, grants: Iterable[Grant], now: datetime) -> AgentRow:
    """Return the agent as a line of the list."""
    is_open = [grant for grant in grants if grant.state != GrantState.REVOKED]
    writes = sum(grant.tool_kind == "write" for grant in is_open)
    return AgentRow(
        name=agent.name,
        url=reverse("identity:agent", args=[agent.public_id]),
        state=AGENT_TAGS[agent.state],
        purpose=agent.purpose,
        owner=name_of(agent.owner),
        companies=", ".join(agent.companies),
        grants=f"{len(is_open) - writes} read, {writes} write",
        expires_on=agent.expires_on.isoformat(),
        is_review_due=agent.state != AgentState.DECOMMISSIONED and agent.expires_on <= now.date(),
    )


def agent_page(agent: Agent, now: datetime) -> AgentPage:
    """Return the page of one agent: who answers for it, what it may do, with which keys, and who may never decide for it."""
    grants = list(agent.grants.select_related("issued_by").order_by("-tool_kind", "tool", "-created_at"))
    keys = list(agent.credentials.select_related("issued_by").order_by("-created_at"))
    return AgentPage(
        id=agent.public_id,
        name=agent.name,
        purpose=agent.purpose,
        state=AGENT_TAGS[agent.state],
        facts=(
            ("Owner", name_of(agent.owner)),
            ("Sponsor", name_of(agent.sponsor)),
            ("Companies", ", ".join(agent.companies)),
            ("Model, as declared", f"{agent.model} {agent.model_version}".strip()),
            ("Runs in", agent.runtime),
            ("Review by", agent.expires_on.isoformat()),
            ("Registered", at(agent.created_at)),
            ("Last changed by", name_of(agent.last_edited_by)),
            ("May act for", _acts_for(agent)),
        ),
        grants=tuple(grant_row(grant) for grant in grants),
        keys=tuple(key_row(key, now) for key in keys),
        excluded=_excluded(agent, grants, keys),
        never_grantable=PRIVILEGED_TOOLS,
        live_keys=sum(key.revoked_at is None and key.not_after > now for key in keys),
        may_suspend=agent.state == AgentState.ACTIVE,
        may_resume=agent.state == AgentState.SUSPENDED and agent.suspended_because != Suspension.REVIEW,
        may_activate=agent.state == AgentState.DRAFT,
        is_alive=agent.state != AgentState.DECOMMISSIONED,
        is_review_due=agent.state != AgentState.DECOMMISSIONED and agent.expires_on <= (now + REVIEW_NOTICE).date(),
    )


def _acts_for(agent: Agent) -> str:
    if not agent.acts_for:
        return "Nobody"
    return ", ".join(sorted(name_of(person) for person in User.objects.filter(pk__in=agent.acts_for)))


def grant_row(grant: Grant) -> GrantRow:
    """Return one grant with its ceilings in words."""
    is_known = grant.tool in TOOLS
    return GrantRow(
        id=grant.public_id,
        tool=grant.tool,
        tool_url=reverse("identity:tool", args=[grant.tool]) if is_known else "",
        kind=grant.get_tool_kind_display(),
        risk=RISK_TAGS.get(grant.risk, Tag(grant.risk)),
        state=GRANT_TAGS[grant.state],
        companies=", ".join(grant.companies),
        ceilings=tuple(_ceilings(grant)),
        validity=f"{grant.valid_from:%Y-%m-%d} to {grant.valid_until:%Y-%m-%d}",
        issued_by=name_of(grant.issued_by),
        is_open=grant.state != GrantState.REVOKED,
        is_log_only_write=grant.state == GrantState.LOG_ONLY and grant.tool_kind == "write",
    )


def _ceilings(grant: Grant) -> Iterable[str]:
    for minor, words in (
        (grant.ceiling_minor, "each"),
        (grant.ceiling_day_minor, "in 24 hours"),
        (grant.ceiling_30_days_minor, "in 30 days"),
    ):
        if minor is not None and grant.currency:
            yield f"{Money(minor, grant.currency)} {words}"
    if grant.count_per_hour is not None:
        yield f"{grant.count_per_hour:,} an hour"
    for words, values in (("vendors", grant.vendors), ("accounts", grant.accounts), ("cost centres", grant.cost_centres)):
        if values:
            yield f"only {words} {', '.join(values)}"


def key_row(key: Credential, now: datetime) -> KeyRow:
    """Return one key with its state in words."""
    if key.revoked_at is not None:
        state = Tag("Revoked", Tone.PLAIN, "stop")
    elif key.not_after <= now:
        state = Tag("Ended", Tone.WARN, "clock")
    else:
        state = Tag("Live", Tone.GOOD, "check")
    return KeyRow(
        id=key.public_id,
        thumbprint=key.thumbprint,
        algorithm=key.algorithm,
        state=state,
        age=Moment(key.created_at, span(now - key.created_at)),
        ends=at(key.not_after),
        last_used=ago(key.last_used_at, now) if key.last_used_at else "Never",
        issued_by=name_of(key.issued_by),
        is_live=key.revoked_at is None and key.not_after > now,
    )


def _excluded(agent: Agent, grants: Iterable[Grant], keys: Iterable[Credential]) -> tuple[tuple[str, str], ...]:
    """Return who may not decide on anything this agent could propose today, with every reason."""
    found: dict[int, list[str]] = {}
    federated = agent.federated_credentials.filter(revoked_at__isnull=True)
    live = [key.thumbprint for key in keys if key.revoked_at is None] + [row.public_id for row in federated] or [""]
    usable: list[Grant | None] = [grant for grant in grants if grant.tool_kind == "write" and grant.state != GrantState.REVOKED]
    for grant in usable or [None]:
        for thumbprint in live:
            for user_id, reason in excluded_people(agent, None, grant, thumbprint):
                words = EXCLUSION_WORDS.get(str(reason), str(reason))
                if words not in found.setdefault(user_id, []):
                    found[user_id].append(words)
    people = {person.pk: name_of(person) for person in User.objects.filter(pk__in=found)}
    return tuple(sorted((people[user_id], ", ".join(reasons)) for user_id, reasons in found.items()))


@dataclass(frozen=True, slots=True)
class ToolRow:
    """One tool of the catalogue."""

    name: str
    url: str
    title: str
    version: int
    kind: str
    risk: Tag
    reversible: Tag
    description: str
    compensation: str
    is_grantable: bool


def tool_row(tool: Tool) -> ToolRow:
    """Return a tool in words."""
    if tool.kind is ToolKind.READ:
        reversible = Tag("Changes nothing", Tone.PLAIN, "check")
    elif tool.is_reversible:
        reversible = Tag("Can be compensated", Tone.GOOD, "return")
    else:
        reversible = Tag("Cannot be undone", Tone.WARN, "warn")
    return ToolRow(
        name=tool.name,
        url=reverse("identity:tool", args=[tool.name]),
        title=tool.title,
        version=tool.version,
        kind="Write" if isinstance(tool, WriteTool) or tool.kind is ToolKind.WRITE else "Read",
        risk=RISK_TAGS[tool.risk],
        reversible=reversible,
        description=tool.description,
        compensation=tool.compensation,
        is_grantable=tool.is_grantable,
    )


@dataclass(frozen=True, slots=True)
class HolderRow:
    """One agent that has an open grant for a tool."""

    name: str
    url: str
    state: Tag
    grant: Tag
    companies: str
    ceilings: tuple[str, ...]


def holders_of(tool: str, user: User) -> list[HolderRow]:
    """Return the agents that the person may know of with an open grant for the tool, by name."""
    grants = Grant.objects.select_related("agent").exclude(state=GrantState.REVOKED).filter(tool=tool, agent__in=visible_agents(user))
    return [
        HolderRow(
            name=grant.agent.name,
            url=reverse("identity:agent", args=[grant.agent.public_id]),
            state=AGENT_TAGS[grant.agent.state],
            grant=GRANT_TAGS[grant.state],
            companies=", ".join(grant.companies),
            ceilings=tuple(_ceilings(grant)),
        )
        for grant in grants.order_by("agent__name")
    ]


def tool_groups() -> list[tuple[str, str, list[ToolRow]]]:
    """Return the catalogue in three groups: heading, what it means, rows."""
    rows = [tool_row(tool) for tool in TOOLS.values()]
    return [
        ("Writes", "Proposed by agents, decided by people, written once.", [r for r in rows if r.kind == "Write" and r.is_grantable]),
        ("Reads", "Answered at once; each answer is kept as a read receipt.", [r for r in rows if r.kind == "Read" and r.is_grantable]),
        (
            "Privileged",
            "Listed so that nobody looks for them: no one can grant these to an agent.",
            [r for r in rows if not r.is_grantable],
        ),
    ]
