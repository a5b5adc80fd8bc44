"""The inbox as tabs, filters and rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.http import QueryDict
from django.urls import reverse

from approvals.pages.words import DECIDED, DECISION_ICONS, FROZEN_TAG, OUTCOME_TAGS, PROPOSAL_TAGS, SHORT_RISK_TAGS, risk_of
from approvals.queries import Counts, InboxFilters, InboxPage, InboxRow, View, counts, inbox
from approvals.queries.inbox import COUNTED_MAX, ORDERS, USUAL
from approvals.work.pages import hands_tags
from approvals.work.queries import hands_of
from gateway.catalogue import write_tools
from identity.queries import companies_of, visible_agents
from kernel.display import Moment, Tag, Tone, ago, counted, due
from kernel.ids import Prefix, decode
from kernel.listing import PAGE_SIZE, Page, address_with, page_number
from proposals.models import Outcome

TITLES = {
    View.MINE: "Mine now",
    View.GROUP: "My group",
    View.WAITING: "Waiting on others",
    View.DELEGATED: "Delegated to me",
    View.DONE: "Done",
}
CAPTIONS = {
    View.MINE: "Proposals you can decide on now, what is due first at the top",
    View.GROUP: "Proposals whose open step asks one of your groups, what is due first at the top",
    View.WAITING: "Proposals of your groups that wait for somebody else, what is due first at the top",
    View.DELEGATED: "Proposals you can decide on for somebody who delegated to you, what is due first at the top",
    View.DONE: "Proposals you decided on, the latest first",
}

FIELDS = ("company", "tool", "agent", "q", "due", "flagged", "from_amount", "order")
DUE = (("late", "Late"), ("today", "Today or late"), ("week", "Within a week"))
FLAGGED = (("flagged", "Wants a look"), ("clear", "Clear"))
# Views that everybody has, one click each.
PRESETS = (
    ("Late", {"due": "late", "order": "due"}),
    ("Due today", {"due": "today", "order": "due"}),
    ("Largest first", {"order": "-amount"}),
    ("Wants a look", {"flagged": "flagged"}),
)


@dataclass(frozen=True, slots=True)
class Tab:
    """One view of the inbox; `count` is None where no number is shown."""

    title: str
    url: str
    is_current: bool
    count: str | None


@dataclass(frozen=True, slots=True)
class Select:
    """One filter with its choices."""

    name: str
    label: str
    value: str
    options: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in use; its address is the list without it."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Head:
    """A column that the list can be ordered by: where it stands now, and what pressing it asks for."""

    order: str
    sort: str


@dataclass(frozen=True, slots=True)
class Row:
    """One proposal in the list, as finished texts."""

    id: str
    url: str
    risk: Tag
    headline: str
    sub: str
    amount: str
    agent: str
    step: str | Tag
    position: str
    due: Moment | Tag
    flags: Sequence[Tag]
    reads: str


@dataclass(frozen=True, slots=True)
class Empty:
    """Why the list is empty, and what next."""

    icon: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Inbox:
    """Everything the inbox shows."""

    view: str
    is_pickable: bool
    title: str
    summary: str
    caption: str
    tabs: Sequence[Tab]
    filters: InboxFilters
    selects: Sequence[Select]
    chips: Sequence[Chip]
    list: Page[Row]
    step_title: str
    due_title: str
    empty: Empty
    presets: Sequence[Chip]
    heads: Mapping[str, Head]
    poll_url: str


def inbox_page(user: User, query: QueryDict, now: datetime) -> Inbox:
    """Return the view that the address asks for; an unknown view is the first."""
    asked = query.get("view", "")
    view = next((item for item in View if item.value == asked), View.MINE)
    filters = InboxFilters(*(query.get(name, "").strip()[:80] for name in FIELDS))
    found = inbox(user, view, filters, page=page_number(query), size=PAGE_SIZE, now=now)
    waiting = counts(user, now)  # what the list has counted is not counted again
    selects = _selects(user, filters)
    return Inbox(
        view=view.value,
        is_pickable=view in {View.MINE, View.DELEGATED} and bool(found.rows),
        title=_title(waiting),
        summary=_summary(waiting, found, view),
        caption=CAPTIONS[view],
        tabs=_tabs(view, query, waiting),
        filters=filters,
        selects=selects,
        chips=_chips(query, filters, selects),
        list=_listed(found, _rows(found, view, user, now), query),
        step_title="You" if view is View.DONE else "Step",
        due_title="Decided" if view is View.DONE else "Due",
        empty=_empty(view, is_filtered=filters.is_narrowing),
        presets=[Chip(text, address_with(query, **changes)) for text, changes in PRESETS],
        heads=_heads(filters.order, view),
        poll_url=f"{address_with(query)}&page={found.page}",
    )


def _title(waiting: Counts) -> str:
    total = waiting.mine + waiting.delegated
    if total >= COUNTED_MAX:
        return f"{total:,} proposals or more wait for you"
    return f"{counted(total, 'proposal waits', 'proposals wait')} for you" if total else "Nothing waits for you"


def _summary(waiting: Counts, found: InboxPage, view: View) -> str:
    late = sum(row.is_late for row in found.rows)
    parts = [
        f"{late} late on this page" if late else "",
        f"{_number(waiting.delegated)} delegated to you" if waiting.delegated else "",
        f"{_number(waiting.group)} in your groups",
        f"{_number(waiting.waiting)} waiting on others",
    ]
    shown = "" if view is View.MINE and found.total == waiting.mine else f" {_number(found.total)} shown in {TITLES[view]}."
    return f"{', '.join(part for part in parts if part)}.{shown}"


def _tabs(view: View, query: QueryDict, waiting: Counts) -> list[Tab]:
    numbers: dict[View, int | None] = {
        View.MINE: waiting.mine,
        View.GROUP: waiting.group,
        View.WAITING: waiting.waiting,
        View.DELEGATED: waiting.delegated,
        View.DONE: None,
    }
    return [Tab(TITLES[item], address_with(query, view=item.value), item is view, _number(numbers[item])) for item in View]


def _number(number: int | None) -> str | None:
    """Return the number beside a tab; nobody counts further than a thousand."""
    if number is None:
        return None
    return f"{COUNTED_MAX:,}+" if number >= COUNTED_MAX else str(number)


def _selects(user: User, filters: InboxFilters) -> list[Select]:
    agents = [(name, name) for name in visible_agents(user).values_list("name", flat=True)]
    tools = [(tool.name, tool.title) for tool in write_tools()]
    companies = [(company, company) for company in sorted(companies_of(user))]
    return [
        Select("company", "Company", filters.company, companies),
        Select("tool", "Tool", filters.tool, tools),
        Select("agent", "Agent", filters.agent, agents),
        Select("due", "Due", filters.due, DUE),
        Select("flagged", "Flags", filters.flagged, FLAGGED),
    ]


def _chips(query: QueryDict, filters: InboxFilters, selects: Sequence[Select]) -> list[Chip]:
    chips = [
        Chip(f"{select.label}: {dict(select.options).get(select.value, select.value)}", address_with(query, **{select.name: ""}))
        for select in selects
        if select.value
    ]
    if filters.from_amount:
        chips.append(Chip(f"Amount from {filters.from_amount}", address_with(query, from_amount="")))
    if filters.q:
        chips.append(Chip(f"Search: {filters.q}", address_with(query, q="")))
    return chips


def _heads(order: str, view: View) -> dict[str, Head]:
    """Return the columns with an order: pressing one that rules already turns it round."""
    if view is View.DONE:
        return {}
    heads = {}
    for name in ("amount", "agent", "due"):
        sort = {name: "ascending", f"-{name}": "descending"}.get(order if order in ORDERS else USUAL, "none")
        heads[name] = Head(f"-{name}" if sort == "ascending" or (sort == "none" and name == "amount") else name, sort)
    return heads


def _listed(found: InboxPage, rows: Sequence[Row], query: QueryDict) -> Page[Row]:
    def address(number: int) -> str:
        return f"{address_with(query)}&page={number}"

    return Page(
        rows=rows,
        number=found.page,
        first=(found.page - 1) * PAGE_SIZE + 1,
        previous_url=address(found.page - 1) if found.page > 1 else "",
        next_url=address(found.page + 1) if found.page < found.pages else "",
    )


def _rows(found: InboxPage, view: View, user: User, now: datetime) -> list[Row]:
    """Return the lines of the list, with who has them in hands; what I decided tells what became of it instead."""
    keys = {row.id: decode(Prefix.PROPOSAL, row.id) for row in found.rows}
    if view is not View.DONE:
        hands = hands_of(keys.values(), user, now)
        return [_row(row, view, now, None, hands_tags(hands.get(keys[row.id]), now)) for row in found.rows]
    outcomes = dict(Outcome.objects.filter(proposal_id__in=keys.values()).values_list("proposal_id", "status"))
    return [
        _row(row, view, now, OUTCOME_TAGS[outcomes[keys[row.id]]] if keys[row.id] in outcomes else PROPOSAL_TAGS[row.state])
        for row in found.rows
    ]


def _row(row: InboxRow, view: View, now: datetime, status: Tag | None, hands: Sequence[Tag] = ()) -> Row:
    is_done = view is View.DONE
    step: str | Tag = row.step_group if row.step_text else ""
    moment: Moment | Tag = due(row.due_at, now)
    if is_done and row.my_decision is not None:
        step = Tag(f"You {DECIDED[row.my_decision]}", Tone.PLAIN, DECISION_ICONS[row.my_decision])
        moment = ago(row.my_decision_at, now) if row.my_decision_at else PROPOSAL_TAGS[row.state]
    return Row(
        id=row.id,
        url=reverse("approvals:proposal", args=[row.id]),
        risk=SHORT_RISK_TAGS[risk_of(row.tool)],
        headline=row.headline,
        sub=_sub(row, now),
        amount=str(row.amount),
        agent=row.agent_name,
        step=step,
        position=f"step {row.step_text}" if row.step_text and not is_done else "",
        due=moment,
        flags=[*hands, *_flags(row, status)],
        reads=str(row.evidence_count),
    )


def _sub(row: InboxRow, now: datetime) -> str:
    parts = [row.company, row.counterparty_name or row.counterparty, f"proposed {ago(row.created_at, now).text}"]
    return " · ".join(part for part in parts if part)


def _flags(row: InboxRow, status: Tag | None) -> list[Tag]:
    flags = [status] if status else []
    if row.is_frozen:
        flags.append(FROZEN_TAG)
    if row.revision > 1:
        flags.append(Tag(f"Version {row.revision}", Tone.INFO, "return"))
    if row.is_rolling:
        flags.append(Tag(f"Routed as {row.routed}", Tone.WARN, "warn"))
    if row.is_log_only:
        flags.append(Tag("Log only", Tone.INFO, "info"))
    if row.warnings:
        flags.append(Tag(counted(len(row.warnings), "warning", "warnings"), Tone.WARN, "warn", " ".join(row.warnings)))
    return flags


def _empty(view: View, *, is_filtered: bool) -> Empty:
    if is_filtered:
        return Empty("search", "Nothing matches these filters.", "Remove one of them, or look into another view.")
    return {
        View.MINE: Empty(
            "check", "Nothing waits for you.", "New proposals appear here when a route reaches a group of yours. You are up to date."
        ),
        View.GROUP: Empty("check", "Nothing waits for your groups.", "What others of your groups could decide appears here."),
        View.WAITING: Empty("check", "Nothing waits on others.", "What you passed on to the next step appears here until it is decided."),
        View.DELEGATED: Empty(
            "people", "Nothing is delegated to you.", "While somebody delegates to you, what you can decide for them appears here."
        ),
        View.DONE: Empty("inbox", "You have not decided on anything yet.", "Each decision of yours stays here, with what became of it."),
    }[view]
