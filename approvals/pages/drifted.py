"""What drifted since an approval: all that its approvers are asked about again, with what they said before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from approvals.models import Decision
from approvals.pages.checks import readable
from approvals.pages.words import DECIDED, reason_text
from approvals.queries.rail import name_of
from kernel.display import Moment, Tag, Tone, at, counted
from proposals.models import Proposal

TAGS = {
    "tolerated": Tag("Within tolerance", Tone.INFO, "info"),
    "material": Tag("Drifted", Tone.WARN, "warn"),
    "hard": Tag("Broken", Tone.BAD, "cross"),
}


@dataclass(frozen=True, slots=True)
class DriftLine:
    """One fact that is no longer what it was."""

    label: str
    tag: Tag
    was: str
    now: str
    needed: str


@dataclass(frozen=True, slots=True)
class EarlierDecision:
    """What one person had said about the version before, which has fallen."""

    at: Moment
    text: str


@dataclass(frozen=True, slots=True)
class Drifted:
    """The part of the page that this version is about."""

    sentence: str
    lines: Sequence[DriftLine]
    decisions: Sequence[EarlierDecision]
    url: str


def drifted(proposal: Proposal) -> Drifted | None:
    """Return what drifted, or None for a proposal that asks for the first time; one query for the decisions that fell."""
    found = proposal.facts.get("drift")
    if not found or proposal.supersedes_id is None:
        return None
    decisions = Decision.objects.select_related("user").filter(proposal_id=proposal.supersedes_id).order_by("decided_at")
    earlier = [EarlierDecision(at(item.decided_at), _said(item)) for item in decisions]
    broken = sum(1 for item in found if item.get("drift") != "tolerated")
    return Drifted(
        sentence=(
            f"This was approved. Before it was written, {counted(broken, 'fact', 'facts')} it leaned on no longer held, so nothing was "
            f"written and the same approvers are asked again. What would be written is the same."
        ),
        lines=drift_lines(found),
        decisions=earlier,
        url=reverse("approvals:proposal", args=[str(proposal.facts["asked_again"])]),
    )


def drift_lines(found: Sequence[Mapping[str, Any]]) -> list[DriftLine]:
    """Return facts that moved, the broken ones first, as texts."""
    lines = [
        DriftLine(
            label=str(item["label"]),
            tag=TAGS.get(str(item.get("drift", "")), TAGS["material"]),
            was=readable(str(item["observed"])),
            now=readable(str(item["now"])),
            needed=str(item.get("needed", item["expected"])),
        )
        for item in found
    ]
    return sorted(lines, key=lambda line: line.tag is TAGS["tolerated"])


def _said(decision: Decision) -> str:
    reason = f": {reason_text(decision.reason_code).lower()}" if decision.reason_code else ""
    comment = f" “{decision.comment}”" if decision.comment else ""
    return f"{name_of(decision.user)} {DECIDED[decision.kind]}{reason}{comment}"
