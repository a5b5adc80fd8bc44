"""What a mail says: plain text, a link that only shows, no amount and no business partner unless the installation wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.urls import reverse

from approvals.pages.words import tool_title
from kernel.display import counted
from proposals.models import Proposal

REASONS = {
    "due_soon": "It is due soon.",
    "high": "It is a write of high risk.",
    "forwarded": "It was forwarded to you.",
    "escalated": "It is overdue, and your group is asked as the fallback.",
}
SUBJECTS = {
    "due_soon": "Due soon",
    "high": "High risk",
    "forwarded": "Forwarded to you",
    "escalated": "Overdue",
}
FOOTER = """\
Opening a link decides nothing, and neither does answering this mail: you decide on the page, signed in.
You are mailed because it is your turn. What you are mailed you choose at {preferences}
"""


@dataclass(frozen=True, slots=True)
class Text:
    """A mail's subject and body."""

    subject: str
    body: str


def at_once(proposal: Proposal, *, reason: str, due_at: datetime | None) -> Text:
    """Return the mail about one proposal."""
    lines = [
        "A proposal waits for your decision in Countersign.",
        "",
        *_about(proposal, due_at),
        f"Why now: {REASONS.get(reason, 'It is your turn.')}",
        "",
        f"Look at it: {_address('approvals:proposal', proposal.public_id)}",
        "",
    ]
    subject = f"{SUBJECTS.get(reason, 'Your turn')}: {tool_title(proposal.tool)}, {proposal.company}"
    return Text(subject, "\n".join(lines) + "\n" + _footer())


def digest(waiting: Sequence[tuple[Proposal, datetime | None]], *, total: int) -> Text:
    """Return the mail about everything that waits, what is due first at the top."""
    lines = [f"{counted(total, 'proposal waits', 'proposals wait')} for your decision in Countersign.", ""]
    for proposal, due_at in waiting:
        lines += [*_about(proposal, due_at), _address("approvals:proposal", proposal.public_id), ""]
    if total > len(waiting):
        lines += [f"And {total - len(waiting):,} more.", ""]
    lines += [f"All of them: {_address('approvals:inbox')}", ""]
    return Text(f"{counted(total, 'proposal waits', 'proposals wait')} for you", "\n".join(lines) + "\n" + _footer())


def _about(proposal: Proposal, due_at: datetime | None) -> list[str]:
    due = due_at or proposal.expires_at
    lines = [f"{tool_title(proposal.tool)}, company {proposal.company}, proposed by {proposal.agent.name}"]
    if settings.MAIL_AMOUNTS:
        lines.append(proposal.headline)
    return [*lines, f"Due {due:%Y-%m-%d %H:%M} UTC"]


def _footer() -> str:
    return FOOTER.format(preferences=_address("approvals:notifications"))


def _address(name: str, *arguments: str) -> str:
    return f"{settings.PUBLIC_URL}{reverse(name, args=arguments)}"
