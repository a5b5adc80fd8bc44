"""The discussion beside a proposal: comments, attachments, and the pages that people decided on, as they were shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.urls import reverse

from approvals.models import Comment
from approvals.models_decision import ATTACHMENT_SIZE_MAX
from approvals.presentation import attachments_of
from approvals.queries.rail import name_of
from approvals.services import Shown
from approvals.services.discussion import TYPES_IN_WORDS, public_id
from identity.permissions import Permission, companies_with
from kernel.display import Moment, ago, short_digest
from proposals.states import ProposalState

KIB = 1024


@dataclass(frozen=True, slots=True)
class CommentLine:
    """What one person said."""

    name: str
    at: Moment
    text: str


@dataclass(frozen=True, slots=True)
class AttachmentLine:
    """One file, with the address to save it from."""

    name: str
    url: str
    about: str
    digest: str
    short_digest: str


@dataclass(frozen=True, slots=True)
class Discussion:
    """`can_add` tells whether this person may add something now; `pages` are label and address of each page that was decided on."""

    comments: Sequence[CommentLine]
    attachments: Sequence[AttachmentLine]
    pages: Sequence[tuple[str, str]]
    can_add: bool
    comment_url: str
    attach_url: str
    hint: str


def discussion_of(shown: Shown, user: User, now: datetime) -> Discussion:
    """Return the discussion as one person sees it; one statement, since the page has looked at decisions and attachments already."""
    proposal = shown.proposal
    identifier = proposal.public_id
    comments = Comment.objects.select_related("author").filter(proposal=proposal).order_by("created_at", "pk")
    is_open = proposal.state == ProposalState.PENDING
    return Discussion(
        comments=[CommentLine(name_of(item.author), ago(item.created_at, now), item.text) for item in comments],
        attachments=[
            AttachmentLine(
                name=item.name,
                url=reverse("approvals:attachment", args=[identifier, public_id(item)]),
                about=f"{item.media_type}, {_size(item.size)}, attached by {name_of(item.author)}",
                digest=item.digest,
                short_digest=short_digest(item.digest),
            )
            for item in attachments_of(proposal)
        ],
        pages=_pages(shown),
        can_add=is_open and proposal.company in companies_with(user, Permission.PROPOSAL_COMMENT),
        comment_url=reverse("approvals:comment", args=[identifier]),
        attach_url=reverse("approvals:attach", args=[identifier]),
        hint=f"{TYPES_IN_WORDS}, up to {ATTACHMENT_SIZE_MAX // KIB // KIB} MiB. It becomes part of the page: who has it open sees it anew.",
    )


def _pages(shown: Shown) -> list[tuple[str, str]]:
    identifier = shown.proposal.public_id
    labels: dict[str, list[str]] = {}
    for decision in shown.found.decisions:
        labels.setdefault(decision.presentation.digest, []).append(name_of(decision.user))
    found = [(f"The page that {' and '.join(names)} decided on", digest) for digest, names in labels.items()]
    if shown.is_current:
        found.append(("This page as it will be kept", shown.presentation_digest))
    return [(label, reverse("approvals:as_shown", args=[identifier, digest.removeprefix("sha256:")])) for label, digest in found]


def _size(size: int) -> str:
    return f"{size} bytes" if size < KIB else f"{size // KIB:,} KiB"
