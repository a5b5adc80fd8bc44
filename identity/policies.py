"""Pure decisions about agents and grants: no database, no clock, no settings.

Every denial says what was observed and what is allowed, because the caller is a program that has to do better next time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from identity.states import AgentState, GrantState
from kernel.clock import wire_time
from kernel.money import Money
from kernel.verdicts import Allowed, Denied, Verdict

if TYPE_CHECKING:
    from gateway.catalogue import Effect
    from identity.models import Agent, Grant
    from identity.principals import TokenDetail

# Kinds of thing a token may be narrowed to, and where the effect names it.
RESOURCE_KINDS = ("vendor", "customer", "item", "account", "cost_centre")


@dataclass(frozen=True, slots=True)
class Usage:
    """What an agent has proposed with one tool already: minor units in the last 24 hours and 30 days, proposals in the last hour."""

    day_minor: int
    thirty_days_minor: int
    hour_count: int


class Bounds(Protocol):
    """The part of a token that a grant must contain."""

    @property
    def company(self) -> str:
        """Return the company."""

    @property
    def ceiling_minor(self) -> int | None:
        """Return the token's own ceiling, in the grant's currency."""

    @property
    def currency(self) -> str:
        """Return the currency of the ceiling, or an empty text."""


def agent_standing(agent: Agent, now: datetime) -> Verdict:
    """Return whether the agent may act at all: active, and not past its review date."""
    if agent.state == AgentState.SUSPENDED:
        return Denied("agent_suspended", f"{agent.name} is suspended.", "a person resumes the agent", observed=agent.state)
    if agent.state == AgentState.DECOMMISSIONED:
        return Denied("agent_decommissioned", f"{agent.name} is decommissioned for good.", observed=agent.state)
    if agent.state != AgentState.ACTIVE:
        return Denied("agent_not_active", f"{agent.name} is {agent.state}, not active.", "a person activates it", agent.state)
    if agent.expires_on < now.date():
        return Denied(
            "agent_review_overdue",
            f"{agent.name} was to be reviewed by {agent.expires_on.isoformat()}; today is {now.date().isoformat()}.",
            "its owner renews the agent",
            observed=agent.expires_on.isoformat(),
        )
    return Allowed()


def grant_standing(grant: Grant | None, now: datetime) -> Verdict:
    """Return whether the grant is open and inside its dates."""
    if grant is None:
        return Denied("grant_missing", "The agent has no open grant for this tool.", "a grant issued by the agent's owner", "none")
    if grant.state not in {GrantState.ACTIVE, GrantState.LOG_ONLY}:
        return Denied(
            "grant_not_active",
            f"The grant for {grant.tool} is {grant.state}; only an open grant allows anything.",
            "a new grant issued by the agent's owner",
            observed=grant.state,
        )
    if now < grant.valid_from:
        return Denied(
            "grant_not_yet_valid",
            f"The grant for {grant.tool} begins at {wire_time(grant.valid_from)}; it is {wire_time(now)}.",
            f"at or after {wire_time(grant.valid_from)}",
            observed=wire_time(now),
        )
    if now >= grant.valid_until:
        return Denied(
            "grant_expired",
            f"The grant for {grant.tool} ended at {wire_time(grant.valid_until)}; it is {wire_time(now)}.",
            "a new grant issued by the agent's owner",
            observed=wire_time(now),
        )
    return Allowed()


def check_bounds(grant: Grant | None, bounds: Bounds, now: datetime) -> Verdict:
    """Return whether a token with these bounds lies inside the grant; used when it is issued and whenever it is used."""
    standing = grant_standing(grant, now)
    if isinstance(standing, Denied) or grant is None:
        return standing
    if bounds.company not in grant.companies:
        return _outside("grant_company", "company", bounds.company, grant.companies)
    if bounds.ceiling_minor is None:
        return Allowed()
    if bounds.currency != grant.currency:
        return _outside("grant_currency", "currency", bounds.currency, [grant.currency])
    if grant.ceiling_minor is not None and bounds.ceiling_minor > grant.ceiling_minor:
        return _above("ceiling_per_write", "The token's ceiling", bounds.ceiling_minor, grant.ceiling_minor, grant.currency)
    return Allowed()


def check_grant(
    *, grant: Grant | None, detail: TokenDetail, effect: Effect | None = None, usage: Usage | None = None, now: datetime
) -> Verdict:
    """Return whether the grant and the token's detail allow this effect now, given what was proposed before.

    A read has no effect and no usage: then only the grant's state, dates and companies count.
    """
    verdict = check_bounds(grant, detail, now)
    if isinstance(verdict, Denied) or grant is None or effect is None:
        return verdict
    for check in (_check_constraints(grant, effect), _check_token(detail, effect), _check_ceilings(grant, effect, usage)):
        if isinstance(check, Denied):
            return check
    return Allowed()


def _check_constraints(grant: Grant, effect: Effect) -> Verdict:
    if grant.vendors and effect.counterparty not in grant.vendors:
        return _outside("grant_vendor", "counterparty", effect.counterparty, grant.vendors)
    foreign = sorted(set(effect.accounts) - set(grant.accounts))
    if grant.accounts and foreign:
        return _outside("grant_account", "account", ", ".join(foreign), grant.accounts)
    if grant.cost_centres and effect.cost_centre not in grant.cost_centres:
        return _outside("grant_cost_centre", "cost centre", effect.cost_centre, grant.cost_centres)
    if grant.currency and effect.amount.currency != grant.currency:
        return _outside("grant_currency", "currency", effect.amount.currency, [grant.currency])
    return Allowed()


def _check_token(detail: TokenDetail, effect: Effect) -> Verdict:
    amount = abs(effect.amount.minor)
    if detail.ceiling_minor is not None and amount > detail.ceiling_minor:
        return _above("ceiling_token", "The amount", amount, detail.ceiling_minor, detail.currency)
    if not detail.resource:
        return Allowed()
    kind, _, name = detail.resource.partition(":")
    concerned = {effect.counterparty_kind: effect.counterparty, "account": ", ".join(effect.accounts), "cost_centre": effect.cost_centre}
    named = concerned.get(kind, "")
    if named != name:
        return Denied(
            "token_resource",
            f"The token is for {detail.resource} only; this concerns {kind}:{named or 'none'}.",
            detail.resource,
            observed=f"{kind}:{named}",
        )
    return Allowed()


def _check_ceilings(grant: Grant, effect: Effect, usage: Usage | None) -> Verdict:
    # The sign is the tool's affair: a negative amount must not make room under a rolling ceiling.
    amount, currency = abs(effect.amount.minor), effect.amount.currency
    if grant.ceiling_minor is not None and amount > grant.ceiling_minor:
        return _above("ceiling_per_write", "The amount", amount, grant.ceiling_minor, currency)
    if usage is None:
        return Allowed()
    rolling = (
        ("ceiling_day", "24 hours", usage.day_minor, grant.ceiling_day_minor),
        ("ceiling_30_days", "30 days", usage.thirty_days_minor, grant.ceiling_30_days_minor),
    )
    for code, period, used, ceiling in rolling:
        if ceiling is not None and used + amount > ceiling:
            left = Money(max(ceiling - used, 0), currency)
            return Denied(
                code,
                f"With {Money(used, currency)} proposed in the last {period}, {Money(amount, currency)} more comes to "
                f"{Money(used + amount, currency)}; allowed are {Money(ceiling, currency)}.",
                f"at most {left} now",
                observed=str(Money(used + amount, currency)),
            )
    if grant.count_per_hour is not None and usage.hour_count + 1 > grant.count_per_hour:
        return Denied(
            "count_per_hour",
            f"{usage.hour_count} proposals in the last hour and this one make {usage.hour_count + 1}; allowed are {grant.count_per_hour}.",
            f"at most {grant.count_per_hour} per hour: wait",
            observed=str(usage.hour_count + 1),
        )
    return Allowed()


def _outside(code: str, what: str, observed: str, allowed: list[str]) -> Denied:
    listed = ", ".join(sorted(allowed)[:20]) + (", …" if len(allowed) > 20 else "")
    return Denied(code, f"The grant does not cover {what} {observed or 'none'}; allowed: {listed}.", f"one of {listed}", observed=observed)


def _above(code: str, what: str, observed: int, allowed: int, currency: str) -> Denied:
    seen, ceiling = Money(observed, currency), Money(allowed, currency)
    return Denied(code, f"{what} {seen} is above the {ceiling} allowed.", f"at most {ceiling}", observed=str(seen))
