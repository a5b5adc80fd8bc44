"""What the pages around a version of the matrix show, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.http import QueryDict
from django.urls import reverse

from approvals.matrix.backtest import Backtest, Change, Differing, backtest
from approvals.matrix.checker import Kind, Report, check
from approvals.matrix.difference import Diff, compare
from approvals.matrix.inflight import in_flight, kept_routes
from approvals.matrix.models import CompanyCurrency, ExchangeRate
from approvals.matrix.tester import Answer
from approvals.models import Policy
from approvals.pages.policies import Tab, group_titles, tabs_of
from approvals.pages.words import POLICY_TAGS, PROPOSAL_TAGS
from approvals.policies import EXCLUSION_LABELS
from approvals.queries.rail import name_of
from approvals.routing import band_text
from approvals.states import PolicyState
from gateway.catalogue import TOOLS
from gateway.catalogue.base import ToolKind
from identity.permissions import Permission, companies_with
from kernel.display import Moment, Tag, Tone, ago, at, counted, due
from kernel.listing import Page, address_with, page_of

KIND_TAGS: Mapping[Kind, Tag] = {
    Kind.GAP: Tag("Gap", Tone.BAD, "warn"),
    Kind.UNREACHABLE: Tag("Never decides", Tone.WARN, "stop"),
    Kind.OVERLAP: Tag("Overlap", Tone.INFO, "info"),
}
CHANGE_TAGS: Mapping[Change, Tag] = {
    Change.AUTOMATIC: Tag("No person any more", Tone.BAD, "warn"),
    Change.LOSES_SECOND: Tag("Loses its second approver", Tone.BAD, "warn"),
    Change.REFUSED: Tag("Refused as unroutable", Tone.WARN, "stop"),
    Change.GAINS_SECOND: Tag("Gains a second approver", Tone.INFO, "info"),
    Change.OTHER_PEOPLE: Tag("Asks other people", Tone.INFO, "info"),
}
DIFF_TAGS: Mapping[str, Tag] = {
    "added": Tag("Added", Tone.GOOD, "check"),
    "removed": Tag("Removed", Tone.BAD, "cross"),
    "moved": Tag("Moved", Tone.INFO, "arrow"),
    "changed": Tag("Changed", Tone.WARN, "return"),
}


@dataclass(frozen=True, slots=True)
class Heading:
    """What every page of one version begins with."""

    id: str
    version: int
    title: str
    state: Tag
    tabs: Sequence[Tab]


def heading(policy: Policy, current: str) -> Heading:
    """Return the heading of a version's page."""
    return Heading(
        policy.public_id, policy.version, f"Policy v{policy.version}: {policy.title}", POLICY_TAGS[policy.state], tabs_of(policy, current)
    )


@dataclass(frozen=True, slots=True)
class CheckPage:
    """Gaps and overlaps of a version."""

    summary: str
    findings: Sequence[tuple[Tag, str]]


def check_page(policy: Policy) -> CheckPage:
    """Return what the checker found."""
    tools = [name for name, tool in sorted(TOOLS.items()) if tool.kind is ToolKind.WRITE and tool.is_grantable]
    report = check(policy.rows.all(), dict(CompanyCurrency.objects.values_list("company", "currency")), tools)
    return CheckPage(_check_summary(report), [(KIND_TAGS[item.kind], item.text) for item in report.findings])


def _check_summary(report: Report) -> str:
    tried = f"{counted(report.cases, 'kind', 'kinds')} of write tried"
    if not report.is_complete:
        tried += "; the matrix tells more apart than that, so this is not everything"
    counts = {kind: sum(item.kind is kind for item in report.findings) for kind in Kind}
    return (
        f"{counted(counts[Kind.GAP], 'gap', 'gaps')}, {counts[Kind.UNREACHABLE]} never deciding,"
        f" {counted(counts[Kind.OVERLAP], 'overlap', 'overlaps')}: {tried}."
    )


@dataclass(frozen=True, slots=True)
class TriedStep:
    """One step of a trial: whom it asks, and who could decide today."""

    title: str
    need: str
    people: str


@dataclass(frozen=True, slots=True)
class TrialPage:
    """What the gate would do with the write."""

    verdict: Tag
    reason: str
    refusal: str
    steps: Sequence[TriedStep]
    looked_at: Sequence[tuple[int, str, str]]
    excluded: Sequence[str]


def trial_page(answer: Answer) -> TrialPage:
    """Return the answer of the tester in words."""
    people = {user_id for step in answer.steps for user_id in step.need.people} | {item.user_id for item in answer.excluded}
    names = {user.pk: name_of(user) for user in User.objects.filter(pk__in=people)}
    verdict = Tag("Routed", Tone.GOOD, "check")
    if answer.refusal:
        verdict = Tag("Refused", Tone.BAD, "cross")
    elif answer.match is not None and answer.match.row.is_automatic:
        verdict = Tag("Approved without a person", Tone.WARN, "warn", "Within the agent's grant only, and never under a log-only grant")
    return TrialPage(
        verdict=verdict,
        reason=answer.reason,
        refusal=answer.refusal,
        steps=[
            TriedStep(
                title=step.title,
                need=f"{step.need.min_approvals} of {counted(len(step.need.people), 'person', 'people')}",
                people=", ".join(sorted(names[user_id] for user_id in step.need.people)) or "nobody",
            )
            for step in answer.steps
        ],
        looked_at=[
            (item.row.priority, item.row.title, f"Passed over: {item.why}." if item.why else f"Decides: {band_text(item.row)}.")
            for item in answer.looked_at
        ],
        excluded=[
            f"{names[item.user_id]}: {EXCLUSION_LABELS.get(item.reason, item.reason)}" for item in answer.excluded if item.user_id in names
        ],
    )


@dataclass(frozen=True, slots=True)
class DifferenceLine:
    """One row that differs."""

    tag: Tag
    number: int
    title: str
    summary: str
    fields: Sequence[object]


@dataclass(frozen=True, slots=True)
class DifferencePage:
    """What changed from another version to this one."""

    against: str
    summary: str
    choices: Sequence[tuple[str, str, bool]]
    lines: Sequence[DifferenceLine]


def difference_page(policy: Policy, others: Sequence[Policy], chosen: str) -> DifferencePage:
    """Return the difference from the chosen version, else from the active one, else from the one before."""
    usual = next((item for item in others if item.state == PolicyState.ACTIVE), None)
    usual = usual or next((item for item in others if item.version < policy.version), None)
    base = next((item for item in others if item.public_id == chosen), usual)
    if base is None:
        return DifferencePage("", "There is no other version to compare with.", (), ())
    diff: Diff = compare(base.rows.all(), policy.rows.all(), group_titles())
    count = counted(len(diff.changes), "row differs", "rows differ")
    return DifferencePage(
        against=f"v{base.version}",
        summary=f"Compared with v{base.version} {base.title}: {count}, {diff.same} the same.",
        choices=[(item.public_id, str(item), item.pk == base.pk) for item in others],
        lines=[DifferenceLine(DIFF_TAGS[item.kind], item.priority, item.title, item.summary, item.fields) for item in diff.changes],
    )


@dataclass(frozen=True, slots=True)
class BacktestLine:
    """One proposal that would route differently."""

    tag: Tag
    url: str
    headline: str
    amount: str
    created: Moment
    was: str
    would: str


@dataclass(frozen=True, slots=True)
class BacktestPage:
    """A version tried on the last 90 days."""

    summary: str
    note: str
    tabs: Sequence[tuple[str, str, int, bool]]
    list: Page[BacktestLine]


def backtest_page(policy: Policy, user: User, query: QueryDict, now: datetime) -> BacktestPage:
    """Return what the version would change, as far as this person may see the proposals."""
    found = backtest(policy, companies_with(user, Permission.PROPOSAL_READ), now)
    asked = query.get("change", "")
    chosen = asked if asked in {change.value for change in Change} else ""
    shown = [item for item in found.differing if not chosen or item.change.value == chosen]
    page = page_of(shown, query)
    tabs = [("All", address_with(query, change=""), len(found.differing), not chosen)]
    tabs += [
        (CHANGE_TAGS[change].word, address_with(query, change=change.value), found.count(change), change.value == chosen)
        for change in Change
        if found.count(change)
    ]
    return BacktestPage(
        _backtest_summary(found), _backtest_note(found), tabs, page.with_rows([_backtest_line(item, now) for item in page.rows])
    )


def _backtest_summary(found: Backtest) -> str:
    if not found.tried:
        return "Nothing was proposed in the last 90 days in your companies, so there is nothing to try this version on."
    parts = [f"{len(found.differing)} of {counted(found.tried, 'proposal', 'proposals')} would route differently"]
    if lost := found.count(Change.LOSES_SECOND, Change.AUTOMATIC):
        parts.append(f"{lost} lose their second approver or any approver")
    if refused := found.count(Change.REFUSED):
        parts.append(f"{refused} would be refused")
    return f"{', '.join(parts)}."


def _backtest_note(found: Backtest) -> str:
    scope = "" if found.is_complete else f" Only the newest {found.tried:,} were tried."
    return (
        f"Since {found.since:%Y-%m-%d}. It compares whom the rows ask, not who sits in the groups today; rolling sums count what is"
        f" pending or approved now.{scope}"
    )


def _backtest_line(item: Differing, now: datetime) -> BacktestLine:
    row = f"row {item.row}: " if item.row is not None else ""
    return BacktestLine(
        tag=CHANGE_TAGS[item.change],
        url=reverse("approvals:proposal", args=[item.proposal_id]),
        headline=item.headline,
        amount=str(item.amount),
        created=ago(item.created_at, now),
        was=f"row {item.was_row}: {item.was}",
        would=f"{row}{item.would}",
    )


@dataclass(frozen=True, slots=True)
class InFlightLine:
    """One pending proposal that keeps an older route."""

    url: str
    headline: str
    amount: str
    agent: str
    version: str
    row: str
    status: Tag
    due: Moment


def in_flight_text(user: User, now: datetime) -> str:
    """Return how many pending proposals keep the route of an older version, as a sentence, or an empty text."""
    found = in_flight(companies_with(user, Permission.PROPOSAL_READ), now)
    if not found:
        return ""
    total = sum(item.count for item in found)
    listed = ", ".join(f"{item.count} of v{item.policy.version}" for item in found)
    return f"{counted(total, 'pending proposal keeps', 'pending proposals keep')} the route of an older version: {listed}."


def in_flight_page(user: User, query: QueryDict, now: datetime) -> Page[InFlightLine]:
    """Return the pending proposals that keep an older version's route, what is due first at the top."""
    page = page_of(kept_routes(companies_with(user, Permission.PROPOSAL_READ), now), query)
    return page.with_rows(
        [
            InFlightLine(
                url=reverse("approvals:proposal", args=[route.proposal.public_id]),
                headline=route.proposal.headline,
                amount=str(route.proposal.amount),
                agent=route.proposal.agent.name,
                version=f"v{route.policy.version}",
                row=f"row {route.row.priority}, {route.row.title}",
                status=PROPOSAL_TAGS[route.proposal.state],
                due=due(route.proposal.expires_at, now),
            )
            for route in page.rows
        ]
    )


@dataclass(frozen=True, slots=True)
class CurrencyLine:
    """One company with its currency."""

    company: str
    currency: str
    recorded: Moment | str


def currency_lines(companies: Sequence[str]) -> list[CurrencyLine]:
    """Return the companies with the currency recorded for each."""
    known = CompanyCurrency.objects.in_bulk(list(companies))
    return [
        CurrencyLine(company, known[company].currency, at(known[company].recorded_at))
        if company in known
        else CurrencyLine(company, "", "not recorded: the write's own currency counts")
        for company in sorted(companies)
    ]


def rate_page(query: QueryDict) -> Page[ExchangeRate]:
    """Return the recorded rates, the newest day first."""
    return page_of(ExchangeRate.objects.select_related("recorded_by").order_by("-rate_on", "-recorded_at"), query)
