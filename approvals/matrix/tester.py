"""The routing tester: type a write, see the row, the people and why each row before it was passed over; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from approvals.matrix.asking import Asking, MissingGroup, PlannedStep, first_short
from approvals.matrix.rates import Conversion, NoRate, Rates
from approvals.models import Policy, PolicyRow
from approvals.plans import authors_of
from approvals.queries.authority import Excluded, exclusions_for
from approvals.routing import Match, Question, band_text, compared_amount, is_in_band, reason_text, why_passed_over
from gateway.catalogue import get_tool
from identity.models import Agent
from identity.queries import grants_in_force, live_credentials
from kernel.money import Money


@dataclass(frozen=True, slots=True)
class Trial:
    """A write as somebody types it; `earlier_minor` is what the agent proposed before, for rows that compare a rolling sum."""

    tool: str
    company: str
    amount: Money
    cost_centre: str = ""
    account: str = ""
    counterparty: str = ""
    vendor_class: str = ""
    flags: frozenset[str] = frozenset()
    earlier_minor: int = 0
    agent: Agent | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """One row that was looked at, and why it did not decide; the last one did when `why` is empty."""

    row: PolicyRow
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gate would do: the row and the steps, or why it would refuse."""

    looked_at: tuple[Passed, ...]
    match: Match | None
    reason: str
    steps: tuple[PlannedStep, ...]
    excluded: tuple[Excluded, ...]
    refusal: str


def try_out(policy: Policy, trial: Trial, now: datetime) -> Answer:
    """Return what the gate would make of this write under this version, whatever its state."""
    try:
        conversion = Rates().in_base(trial.company, trial.amount, now.date())
    except NoRate as error:
        return Answer((), None, "", (), (), error.detail)
    rows = [row for row in policy.rows.all() if row.tool == trial.tool]
    looked_at, match = _search(rows, _question(trial, conversion), trial.earlier_minor)
    if match is None:
        return Answer(looked_at, None, "", (), (), "No row covers it, so it would be refused as unroutable.")
    excluded = _excluded(policy, match.row, trial, now)
    reason = reason_text(match, conversion.base, conversion.text)
    steps = Asking(policy.rows.all()).steps(match.row, trial.company, match.compared, frozenset(item.user_id for item in excluded))
    if isinstance(steps, MissingGroup):
        return Answer(looked_at, match, reason, (), tuple(excluded), f"It asks the group {steps.code!r}, which does not exist.")
    short = first_short(steps)
    refusal = ""
    if short is not None:
        refusal = (
            f"Step {short.position} asks {short.min_approvals} of {short.group_title}, but {len(short.people)} can decide on"
            f" {match.compared} in {trial.company}: it would be refused, because too few people could ever decide."
        )
    return Answer(looked_at, match, reason, steps, tuple(excluded), refusal)


def _question(trial: Trial, conversion: Conversion) -> Question:
    return Question(
        tool=trial.tool,
        company=trial.company,
        cost_centre=trial.cost_centre,
        amount=conversion.base,
        may_be_automatic=get_tool(trial.tool).is_reversible,
        accounts=(trial.account,) if trial.account else (),
        counterparty=trial.counterparty,
        vendor_class=trial.vendor_class,
        flags=trial.flags,
    )


def _search(rows: Iterable[PolicyRow], question: Question, earlier_minor: int) -> tuple[tuple[Passed, ...], Match | None]:
    looked_at: list[Passed] = []
    for row in sorted(rows, key=lambda item: item.priority):
        why = why_passed_over(row, question)
        compared = compared_amount(row, question, lambda _days, _by: earlier_minor)
        if not why and is_in_band(row, compared):
            return (*looked_at, Passed(row, "")), Match(row, compared)
        looked_at.append(Passed(row, why or f"{compared} is not within {band_text(row)}"))
    return tuple(looked_at), None


def _excluded(policy: Policy, row: PolicyRow, trial: Trial, now: datetime) -> Sequence[Excluded]:
    authors = authors_of(policy, row)
    if trial.agent is None:
        return [Excluded(user_id, "policy_author") for user_id in sorted(authors)]
    grants = list(grants_in_force(trial.agent.pk, now).filter(tool=trial.tool))
    found: set[Excluded] = set()
    for thumbprint in [*live_credentials(trial.agent.pk, now).values_list("thumbprint", flat=True)] or [""]:
        found.update(
            exclusions_for(
                agent=trial.agent,
                on_behalf_of=None,
                grants=grants,
                credential_thumbprint=thumbprint,
                authors=authors,
                superseded_id=None,
            )
        )
    return sorted(found, key=lambda item: (item.user_id, item.reason))
