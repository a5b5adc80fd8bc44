"""Signs that somebody approves without looking: pure, with their thresholds in the open. A sign is a question, not a finding."""

from __future__ import annotations

from dataclasses import dataclass

from approvals.oversight.statistics import FAST_SECONDS, Habits

# Below this number nothing is said: habits need numbers.
DECISIONS_MIN = 20
FAST_PERCENT = 25
APPROVED_PERCENT = 98
OPENED_PERCENT = 20
STREAK_MIN = 50


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign, as a code and as a sentence with what was observed and the threshold."""

    code: str
    text: str


def signs_of(found: Habits) -> list[Sign]:
    """Return what about these habits is worth a question; nothing for fewer than twenty decisions."""
    if found.decisions < DECISIONS_MIN:
        return []
    signs = []
    if found.alone and found.fast * 100 >= FAST_PERCENT * found.alone:
        text = f"{percent(found.fast, found.alone)} decided in less than {FAST_SECONDS} s (sign from {FAST_PERCENT} %)"
        signs.append(Sign("fast", text))
    if found.approvals * 100 >= APPROVED_PERCENT * found.decisions:
        text = f"{percent(found.approvals, found.decisions)} approved (sign from {APPROVED_PERCENT} %)"
        signs.append(Sign("always_approves", text))
    if found.with_evidence >= DECISIONS_MIN and found.evidence_opened * 100 <= OPENED_PERCENT * found.with_evidence:
        text = f"data opened for {percent(found.evidence_opened, found.with_evidence)} (sign up to {OPENED_PERCENT} %)"
        signs.append(Sign("evidence_unopened", text))
    if found.streak >= STREAK_MIN:
        signs.append(Sign("streak", f"{found.streak} approvals in a row (sign from {STREAK_MIN})"))
    return signs


def percent(part: int, whole: int) -> str:
    """Return a share as whole percent, rounded half up; a dash of nothing."""
    return f"{(part * 200 + whole) // (2 * whole)} %" if whole else "–"
