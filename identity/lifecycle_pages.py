"""What the pages of an agent's life show: what a step would touch, how its proposals fared, how far its start has come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from gateway.catalogue import TOOLS
from gateway.catalogue.base import Tool, ToolKind
from identity.activity import Rates, rates_of, stakes_of
from identity.federation.queries import live_federated
from identity.models import Agent, Grant, TokenBinding
from identity.pages import RISK_TAGS
from identity.queries import grants_in_force, live_credentials
from identity.samples import Sample, sample_of
from identity.services.token_terms import downgrades
from identity.states import AgentState, GrantState, Suspension
from kernel.display import Tag, Tone, counted

BAR_WIDTH = 1000
STAYS = "kept as it is"


@dataclass(frozen=True, slots=True)
class Consequence:
    """One thing that a step would touch, and what becomes of it."""

    what: str
    becomes: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of the bar, in thousandths of its width; `name` is its class."""

    name: str
    label: str
    number: str
    share: str
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class RatesChart:
    """How the proposals of thirty days fared, as a bar with a legend and the same in words."""

    proposed: str
    bars: Sequence[Bar]
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of starting an agent; `kind` is done, now or next."""

    kind: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """One tool that could be granted, or why not."""

    name: str
    title: str
    kind: str
    risk: Tag
    url: str
    why_not: str


@dataclass(frozen=True, slots=True)
class SampleLink:
    """The sample for one grant."""

    title: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class StartPage:
    """How far the start of an agent has come, and at its end the code."""

    id: str
    name: str
    steps: Sequence[Step]
    wants: str
    sample: Sample | None
    sample_query: str
    samples: Sequence[SampleLink]
    file_name: str


def consequences(agent: Agent, step: AgentState, now: datetime) -> list[Consequence]:
    """Return what a step to this state would touch, before it is taken; an empty list when there is nothing."""
    found = []
    keys, grants = live_credentials(agent.pk, now).count(), agent.grants.exclude(state=GrantState.REVOKED).count()
    if step == AgentState.DECOMMISSIONED:
        federated = live_federated(agent.pk, now).count()
        own = (
            (keys, "live key", "live keys"),
            (federated, "federated credential", "federated credentials"),
            (grants, "open grant", "open grants"),
        )
        found += [Consequence(counted(number, one, many), "revoked for good") for number, one, many in own if number]
    for stake in stakes_of(agent.pk):
        becomes = stake.when_decommissioned if step == AgentState.DECOMMISSIONED else stake.when_suspended
        found.append(Consequence(counted(stake.number, stake.one, stake.many), becomes or STAYS))
    if step == AgentState.SUSPENDED and keys + grants:
        words = f"{counted(keys, 'live key', 'live keys')} and {counted(grants, 'open grant', 'open grants')}"
        found.append(Consequence(words, "kept, and worth nothing until the agent is resumed"))
    return found


def releases(agent: Agent) -> list[Consequence]:
    """Return what resuming the agent would set free."""
    frozen = [stake for stake in stakes_of(agent.pk) if stake.when_suspended]
    return [Consequence(counted(stake.number, stake.one, stake.many), "goes on, if it is still valid") for stake in frozen]


def suspension_text(agent: Agent) -> str:
    """Return why the agent is suspended and what lets it work again, or an empty text."""
    if agent.state != AgentState.SUSPENDED:
        return ""
    return {
        Suspension.REVIEW: f"Its review date, {agent.expires_on.isoformat()}, has passed. Renewing it lets it work again.",
        Suspension.UNACCOUNTABLE: "Its owner or sponsor can no longer answer for it. An administrator gives the role back, or retires it.",
    }.get(Suspension(agent.suspended_because), "A person suspended it. Resuming lets it sign in and propose again, within its grants.")


def rates_chart(agent: Agent, now: datetime) -> RatesChart | None:
    """Return how the proposals of the last thirty days fared, or None when there were none."""
    rates = rates_of(agent.pk, now)
    if not rates.proposed:
        return None
    bars = list(_bars(rates))
    listed = ", ".join(f"{bar.label.lower()} {bar.number} ({bar.share})" for bar in bars)
    return RatesChart(
        proposed=counted(rates.proposed, "proposal", "proposals"),
        bars=bars,
        text=f"Of {counted(rates.proposed, 'proposal', 'proposals')} in 30 days: {listed}.",
    )


def _bars(rates: Rates) -> Iterable[Bar]:
    parts = (
        ("approved", "Approved", rates.approved),
        ("changes", "Changes requested", rates.changes_requested),
        ("rejected", "Rejected", rates.rejected),
        ("expired", "Expired", rates.expired),
        ("drifted", "Voided by drift", rates.drifted),
        ("pending", "Still pending", rates.pending),
        ("other", "Ended otherwise", rates.other),
    )
    before = 0
    for name, label, number in parts:
        if name in {"pending", "other"} and not number:
            continue
        begin, end = (total * BAR_WIDTH // rates.proposed for total in (before, before + number))
        before += number
        # Rounded half up in whole numbers: 7 of 9 is 78 %.
        share = (200 * number + rates.proposed) // (2 * rates.proposed)
        yield Bar(name, label, f"{number:,}", f"{share} %", begin, end - begin)


def token_tags(agent: Agent) -> list[Tag]:
    """Return how the agent's tokens are made; whatever is weaker than the usual is a warning."""
    words = {"bearer": "Bearer tokens", "set": "Several actions in one token"}
    tags = [Tag(words[code], Tone.WARN, "warn", text) for code, text in downgrades(agent)]
    if agent.token_binding == TokenBinding.DPOP:
        tags.append(Tag("Tokens bound to its key", Tone.GOOD, "check", "DPoP, RFC 9449"))
    if agent.is_strict:
        tags.append(Tag("Strict: each proof covers the body", Tone.GOOD, "check"))
    return tags


def tool_choices(agent: Agent, *, is_start: bool) -> list[tuple[str, str, list[ToolChoice]]]:
    """Return the catalogue as choices for a grant, in the order in which an agent grows: reads, then writes, then never."""
    open_tools = set(agent.grants.exclude(state=GrantState.REVOKED).values_list("tool", flat=True))
    address = reverse("identity:new_grant", args=[agent.public_id])
    end = "&next=start" if is_start else ""

    def choice(tool: Tool) -> ToolChoice:
        why_not = "It has an open grant for it." if tool.name in open_tools else ""
        if not tool.is_grantable:
            why_not = "Privileged: nobody can grant it, an administrator neither."
        url = "" if why_not else f"{address}?tool={tool.name}{end}"
        kind = "Read" if tool.kind is ToolKind.READ else "Write"
        return ToolChoice(tool.name, tool.title, kind, RISK_TAGS[tool.risk], url, why_not)

    tools = [choice(tool) for tool in TOOLS.values()]
    never = {tool.name for tool in TOOLS.values() if not tool.is_grantable}
    reads = [item for item in tools if item.kind == "Read" and item.name not in never]
    writes = [item for item in tools if item.kind == "Write" and item.name not in never]
    growth = "A write begins log-only: it is proposed and decided on, and nothing is written. Activate it when you trust what you saw."
    return [
        ("Reads", "Answered at once and kept as read receipts. Begin here.", reads),
        ("Writes", growth, writes),
        ("Never", "Listed so that nobody looks for them.", [item for item in tools if item.name in never]),
    ]


def start_page(agent: Agent, now: datetime, *, tool: str = "") -> StartPage:
    """Return how far the agent's start has come: registered, key, first tool, activated, code."""
    grants = list(grants_in_force(agent.pk, now))
    has_key = live_credentials(agent.pk, now).exists() or live_federated(agent.pk, now).exists()
    is_active = agent.state == AgentState.ACTIVE
    chosen = next((grant for grant in grants if grant.tool == tool), None) or _first(grants)
    sample = sample_of(agent, chosen, now) if chosen is not None and is_active else None
    address = reverse("identity:start", args=[agent.public_id])
    done = (True, has_key, bool(grants), is_active)
    texts = (
        ("Registered", "It has an owner, a sponsor and a review date."),
        ("A public key", "The private half stays on the agent's machine."),
        ("A first tool", "Reads first; each tool is granted by itself."),
        ("Activated", "A draft can do nothing."),
    )
    current = done.index(False) if False in done else len(done)
    kinds = ["done" if is_done else "now" if position == current else "next" for position, is_done in enumerate(done)]
    steps = [Step(kind, title, text) for kind, (title, text) in zip(kinds, texts, strict=True)]
    steps.append(Step("now" if current == len(done) else "next", "Its first request", "A working sample, made for this agent."))
    return StartPage(
        id=agent.public_id,
        name=agent.name,
        steps=steps,
        wants=("registration", "key", "tool", "activation", "nothing")[current],
        sample=sample,
        sample_query=f"?tool={sample.tool}" if sample else "",
        samples=[SampleLink(grant.tool, f"{address}?tool={grant.tool}#code", grant == chosen) for grant in grants] if sample else [],
        file_name="agent",
    )


def _first(grants: Sequence[Grant]) -> Grant | None:
    """Return the grant whose sample is shown first: a write where there is one, because a write is what the gate is for."""
    return next((grant for grant in grants if grant.tool_kind == "write"), grants[0] if grants else None)
