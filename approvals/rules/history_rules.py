"""Rules that hold a write against what came before it: in the gate's own history and in the ERP's accounts."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

from approvals.rules.facts import Case
from approvals.rules.results import CLEAN, NOT_APPLICABLE, Found, NotTested, Result
from approvals.rules.thresholds import Thresholds
from kernel.money import Money

NO_HISTORY = "the earlier writes were not looked up"
NO_USAGE = "the ERP connection does not tell how accounts are used"
# Makes the median absolute deviation comparable to a standard deviation (Iglewicz and Hoaglin, 1993); exact as a fraction.
CONSISTENCY = Decimal("0.6745")
# An entry that spreads over dozens of accounts says little about any two of them.
PAIRS_MAX = 50


def seldom_account(case: Case, thresholds: Thresholds) -> Result:
    """Return whether the entry posts to an account that is hardly used."""
    if not case.entry.lines:
        return NOT_APPLICABLE
    if case.usage is None:
        return NotTested(case.missing.get("usage", NO_USAGE))
    if case.usage.postings < thresholds.usage_postings_from:
        return NotTested(_too_few(case, thresholds))
    counts = {account: case.usage.accounts[account].postings for account in case.entry.accounts if account in case.usage.accounts}
    seldom = {account: count for account, count in counts.items() if count < thresholds.seldom_uses}
    if not seldom:
        return CLEAN
    listed = ", ".join(f"{account} ({_times(count)})" for account, count in seldom.items())
    return Found(
        text=f"It posts to an account that is seldom used: {listed} in {thresholds.usage_days} days.",
        inputs={"accounts": ", ".join(case.entry.accounts)},
        threshold={"seldom_uses": str(thresholds.seldom_uses), "usage_days": str(thresholds.usage_days)},
        observed={account: str(count) for account, count in seldom.items()},
    )


def unusual_pair(case: Case, thresholds: Thresholds) -> Result:
    """Return whether the entry debits and credits accounts that hardly ever meet."""
    pairs = case.entry.pairs
    if not pairs:
        return NOT_APPLICABLE
    if case.usage is None:
        return NotTested(case.missing.get("usage", NO_USAGE))
    if case.usage.postings < thresholds.usage_postings_from:
        return NotTested(_too_few(case, thresholds))
    if len(pairs) > PAIRS_MAX:
        return NotTested(f"the entry has {len(pairs)} pairs of accounts, more than {PAIRS_MAX}")
    unusual = {pair: count for pair in pairs if (count := case.usage.pairs.get(pair, 0)) < thresholds.pair_uses}
    if not unusual:
        return CLEAN
    listed = ", ".join(f"{debit} with {credit}" for debit, credit in unusual)
    return Found(
        text=f"It debits and credits accounts that hardly meet: {listed}.",
        inputs={"pairs": ", ".join(f"{debit}/{credit}" for debit, credit in pairs)},
        threshold={"pair_uses": str(thresholds.pair_uses), "usage_days": str(thresholds.usage_days)},
        observed={f"{debit}/{credit}": str(count) for (debit, credit), count in unusual.items()},
    )


def first_use(case: Case, thresholds: Thresholds) -> Result:
    """Return whether an agent with a record writes to this counterparty or account for the first time."""
    history = case.history
    if history is None:
        return NotTested(case.missing.get("history", NO_HISTORY))
    if not case.entry.counterparty:
        return NOT_APPLICABLE
    if history.agent_writes < thresholds.first_use_after or history.agent_writes_here:
        return CLEAN
    return Found(
        text=f"It is this agent's first write for {case.entry.counterparty}, after {history.agent_writes} or more for others.",
        inputs={"agent": case.entry.agent, "tool": case.entry.tool, "counterparty": case.entry.counterparty},
        threshold={"first_use_after": str(thresholds.first_use_after)},
        observed={"agent_writes": str(history.agent_writes), "agent_writes_here": str(history.agent_writes_here)},
    )


def below_limit_cluster(case: Case, thresholds: Thresholds) -> Result:
    """Return whether several writes of one agent for one counterparty stay just below the same limit of the matrix."""
    history = case.history
    if history is None:
        return NotTested(case.missing.get("history", NO_HISTORY))
    if not history.limit_minor or history.near_limit + 1 < thresholds.cluster_count:
        return CLEAN
    limit = Money(history.limit_minor, case.entry.amount.currency)
    count = history.near_limit + 1
    return Found(
        text=f"It is one of {count} in {thresholds.cluster_days} days that stay just below {limit}, a limit of the matrix.",
        inputs={"amount": case.entry.amount.decimal_text(), "counterparty": case.entry.counterparty},
        threshold={name: str(getattr(thresholds, name)) for name in ("cluster_count", "cluster_days", "cluster_percent")},
        observed={"limit": limit.decimal_text(), "count": str(count)},
    )


def duplicate(case: Case, thresholds: Thresholds) -> Result:
    """Return whether the same amount was written for the same counterparty before."""
    history = case.history
    if history is None:
        return NotTested(case.missing.get("history", NO_HISTORY))
    if not history.alike or not case.entry.amount.minor:
        return CLEAN
    newest, count, whom = history.alike[-1], len(history.alike), case.entry.counterparty
    return Found(
        text=f"The same amount was proposed{f' for {whom}' if whom else ''} {_times(count)} in {thresholds.duplicate_days} days,"
        f" last as {newest}.",
        inputs={"amount": case.entry.amount.decimal_text(), "counterparty": whom, "tool": case.entry.tool},
        threshold={"duplicate_days": str(thresholds.duplicate_days)},
        observed={"count": str(count), "newest": newest},
    )


def outlier(case: Case, thresholds: Thresholds) -> Result:
    """Return whether the amount lies far from what this counterparty usually sees, by the robust z-score."""
    history = case.history
    if history is None:
        return NotTested(case.missing.get("history", NO_HISTORY))
    if history.observations < thresholds.outlier_from:
        return NotTested(f"{history.observations} earlier amounts are fewer than {thresholds.outlier_from}")
    distance = abs(case.entry.amount.minor - history.median_minor)
    if not history.deviation_minor:
        return CLEAN if not distance else NotTested("more than half of the earlier amounts are the same")
    if CONSISTENCY * distance < thresholds.outlier_z * history.deviation_minor:
        return CLEAN
    score = (CONSISTENCY * distance / history.deviation_minor).quantize(Decimal("0.01"), rounding=ROUND_FLOOR)
    median = Money(history.median_minor, case.entry.amount.currency)
    return Found(
        text=f"The amount is far from the usual one: {history.observations} earlier ones have the median {median} (robust z {score}).",
        inputs={"amount": case.entry.amount.decimal_text(), "counterparty": case.entry.counterparty},
        threshold={"outlier_z": str(thresholds.outlier_z), "outlier_from": str(thresholds.outlier_from)},
        observed={
            "robust_z": str(score),
            "median": median.decimal_text(),
            "deviation": Money(history.deviation_minor, median.currency).decimal_text(),
            "observations": str(history.observations),
        },
    )


def _too_few(case: Case, thresholds: Thresholds) -> str:
    assert case.usage is not None
    return f"the ERP has {case.usage.postings} postings in {thresholds.usage_days} days, fewer than {thresholds.usage_postings_from}"


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")
