"""Rules that look at the people around a write, at what undoes it, and at what became of it in the ERP."""

from __future__ import annotations

from approvals.rules.facts import Case, DecisionFacts
from approvals.rules.results import CLEAN, NOT_APPLICABLE, Found, NotTested, Result
from approvals.rules.thresholds import Thresholds

APPROVE = "approve"


def fast_approval(case: Case, thresholds: Thresholds) -> Result:
    """Return whether somebody approved within seconds of being shown the page, or many within a minute."""
    if case.decisions is None:
        return NotTested(case.missing.get("decisions", "the decisions were not looked up"))
    approvals = [item for item in case.decisions if item.kind == APPROVE]
    if not approvals:
        return NOT_APPLICABLE
    fast = [item for item in approvals if _seconds(item) < thresholds.fast_seconds]
    bulk = [item for item in approvals if item.in_window >= thresholds.bulk_count]
    if not fast and not bulk:
        return CLEAN
    parts = []
    if fast:
        parts.append(f"approved {_seconds(fast[0])} s after the page was shown")
    if bulk:
        parts.append(f"one of {bulk[0].in_window} approvals by one person within {thresholds.bulk_seconds} s")
    return Found(
        text=f"It was {', and '.join(parts)}.",
        inputs={"decisions": str(len(approvals))},
        threshold={name: str(getattr(thresholds, name)) for name in ("fast_seconds", "bulk_count", "bulk_seconds")},
        observed={
            **{f"seconds:{item.user}": str(_seconds(item)) for item in fast},
            **{f"in_window:{item.user}": str(item.in_window) for item in bulk},
        },
    )


def self_dealing(case: Case, _: Thresholds) -> Result:
    """Return whether one person stands on two sides: asked for it and controls the agent, or decided on their own."""
    people = case.people
    if people is None:
        return NotTested(case.missing.get("people", "the people around the write were not looked up"))
    observed: dict[str, str] = {}
    sentences = []
    if people.asked and (roles := people.involved.get(people.asked)):
        observed[people.asked] = ", ".join(("asked", *roles))
        sentences.append(f"The person it was asked for by also {_and(roles)} the agent that proposes it.")
    deciders = [item.user for item in case.decisions or ()]
    for user in dict.fromkeys(deciders):
        roles = (*people.involved.get(user, ()), *(("asked",) if user == people.asked else ()))
        if roles:
            observed[user] = ", ".join(("decided", *roles))
            sentences.append("Somebody excluded by segregation of duties decided on it.")
        if deciders.count(user) > 1:
            observed[f"{user} decided"] = str(deciders.count(user))
            sentences.append("One person decided on it more than once.")
    if not sentences:
        return CLEAN
    return Found(
        text=" ".join(dict.fromkeys(sentences)),
        inputs={"asked": people.asked, "decided": ", ".join(dict.fromkeys(deciders))},
        threshold={"people_on_two_sides": "0"},
        observed=observed,
    )


def odd_reversal(case: Case, thresholds: Thresholds) -> Result:
    """Return whether it reverses soon after the period ended, or reverses what somebody else reverses too."""
    reversal = case.reversal
    if not case.entry.reverses:
        return NOT_APPLICABLE
    if reversal is None:
        return NotTested(case.missing.get("reversal", "what it reverses was not looked up"))
    threshold = {"reversal_days": str(thresholds.reversal_days)}
    inputs = {"reverses": reversal.document, "effective_on": case.entry.effective_on.isoformat()}
    if reversal.others:
        return Found(
            text=f"{reversal.document} is reversed by another write as well: {', '.join(reversal.others[:3])}.",
            inputs=inputs,
            threshold=threshold,
            observed={"code": "reversed_twice", "others": ", ".join(reversal.others)},
        )
    if reversal.original_on is None:
        return NotTested(f"the ERP does not tell the date of {reversal.document}")
    original, day = reversal.original_on, case.entry.effective_on
    days = (day - original).days
    if (day.year, day.month) <= (original.year, original.month) or days > thresholds.reversal_days:
        return CLEAN
    return Found(
        text=f"It reverses {reversal.document} of {original:%Y-%m} in {day:%Y-%m}, {days} days later.",
        inputs=inputs,
        threshold=threshold,
        observed={"code": "next_period", "original_on": original.isoformat(), "days": str(days)},
    )


def normalised(case: Case, _: Thresholds) -> Result:
    """Return whether the ERP posted something else than was approved."""
    if case.landing is None:
        if "landing" in case.missing:
            return NotTested(case.missing["landing"])
        return NOT_APPLICABLE
    if not case.landing.differing:
        return CLEAN
    listed = ", ".join(case.landing.differing)
    return Found(
        text=f"{case.landing.document} landed otherwise than approved, in {listed}.",
        inputs={"document": case.landing.document},
        threshold={"differences": "0"},
        observed={"fields": listed, "differences": str(len(case.landing.differing))},
    )


def _seconds(decision: DecisionFacts) -> int:
    return int((decision.decided_at - decision.shown_at).total_seconds())


def _and(roles: tuple[str, ...]) -> str:
    words = [ROLE_WORDS.get(role, role) for role in roles]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


ROLE_WORDS = {
    "owner": "owns",
    "sponsor": "sponsors",
    "last_editor": "last changed",
    "issued_credential": "issued the credential of",
    "issued_grant": "issued the grant of",
    "policy_author": "wrote the policy for",
}
