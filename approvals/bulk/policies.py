"""What may be approved in bulk: pure, and stricter than approving one by one in every point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kernel.money import Money
from kernel.verdicts import Allowed, Denied, Verdict

DRIFTED = Denied("has_drifted", "It was approved before, and is asked again because something drifted since; look at what by itself.")


@dataclass(frozen=True, slots=True)
class Kind:
    """What all proposals of one bulk approval have in common: the tool, the group that is asked, at which step."""

    tool: str
    group: str
    step: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One proposal that somebody picked, with what decides whether it may be approved in bulk; None where no step is open."""

    key: str
    kind: Kind | None
    standing: Verdict
    routed: Money
    cap: Money | None
    step_up_from: Money | None
    is_asked_again: bool = False


def common_kind(candidates: Sequence[Candidate]) -> Kind | None:
    """Return the tool and step that most of what may be picked has, the first picked of equals; None when nothing was open."""
    counted = Counter(item.kind for item in candidates if item.kind is not None and item.standing.is_allowed and not item.is_asked_again)
    return counted.most_common(1)[0][0] if counted else None


def may_be_in(candidate: Candidate, kind: Kind | None) -> Verdict:
    """Return whether this proposal may be part of a bulk approval of this kind, before its page is looked at."""
    if isinstance(candidate.standing, Denied):
        return candidate.standing
    if candidate.is_asked_again:
        return DRIFTED
    if candidate.kind != kind:
        return Denied("another_kind", "It is another tool or another step than most of what you picked; decide on it by itself.")
    if candidate.cap is None:
        return Denied("never_in_bulk", "The policy's row lets it be decided on by itself only.")
    if candidate.cap.currency != candidate.routed.currency or candidate.cap < candidate.routed:
        return Denied(
            "over_bulk_cap",
            f"It counts as {candidate.routed}; the policy allows bulk approval up to {candidate.cap}.",
            acceptable=f"up to {candidate.cap}",
            observed=str(candidate.routed),
        )
    threshold = candidate.step_up_from
    if threshold is not None and (threshold.currency != candidate.routed.currency or threshold <= candidate.routed):
        return Denied("needs_own_factor", f"From {threshold} on the policy wants a second factor for this very proposal.")
    return Allowed()


def page_is_plain(facts: Mapping[str, Any], *, is_current: bool) -> Verdict:
    """Return whether nothing on the page wants a look of its own: no flag, no warning, no drift, no check that does not hold."""
    if not is_current:
        return Denied("erp_unavailable", "The ERP does not answer, so its checks can't be asked again now.")
    failing = [str(check["label"]) for check in facts["checks"] if not check["holds"]]
    if failing:
        return Denied("check_not_holding", f"A check does not hold: {failing[0]}.", observed=failing[0])
    if facts["warnings"]:
        return Denied("has_warning", f"It has a warning: {facts['warnings'][0]}")
    if facts.get("flags"):
        return Denied("has_flag", "A rule has flagged it; look at it by itself.")
    if facts.get("drift"):
        return DRIFTED
    if facts.get("attachments"):
        return Denied("has_attachment", "Something is attached to it; look at it by itself.")
    return Allowed()
