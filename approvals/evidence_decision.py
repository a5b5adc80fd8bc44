"""What decisions add to an evidence bundle: pages as shown, passkey signatures, comments and attachments."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from approvals.bulk.sets import ApprovedSets
from approvals.models import Attachment, Comment, Decision, Presentation
from approvals.renderers import UnknownRenderer, render
from approvals.services.signing import as_kept
from approvals.uploads import EXTENSIONS
from audit.bundle_parts import grouped
from kernel.canonical import canonical_bytes
from kernel.clock import wire_time

SIGNATURES_SCHEMA = "countersign.gate.signatures/1"
ATTACHMENTS_SCHEMA = "countersign.proposal.attachments/1"
COMMENTS_SCHEMA = "countersign.proposal.comments/1"


class DecisionMembers:
    """These members of the bundles of some proposals: what they are made of is read for all at once, but not what files hold."""

    def __init__(self, keys: Sequence[uuid.UUID]) -> None:
        """Read about these proposals."""
        attached = Attachment.objects.filter(proposal_id__in=keys).defer("content").order_by("created_at", "pk")
        self._attachments = grouped(attached, lambda row: row.proposal_id)
        comments = Comment.objects.filter(proposal_id__in=keys).order_by("created_at", "pk")
        self._comments = grouped(comments, lambda row: row.proposal_id)
        self._sets = ApprovedSets(keys)

    def of(self, key: uuid.UUID, decisions: Sequence[Decision], pages: Sequence[Presentation]) -> Mapping[str, bytes]:
        """Return the members of one proposal, given its decisions and the pages it was shown on, the oldest first."""
        return {
            **_pages(decisions, pages),
            **_signatures(decisions),
            **self._sets.members(key),
            **_attached(self._attachments.get(key, ())),
            **_said(self._comments.get(key, ())),
        }


def _pages(decisions: Sequence[Decision], shown: Sequence[Presentation]) -> dict[str, bytes]:
    """Return the page as shown: the one last decided on under its plain name, others that were decided on by their digest."""
    by_key = {page.pk: page for page in shown}
    pages = [by_key[row.presentation_id] for row in decisions if row.presentation_id in by_key] or list(shown[-1:])
    found: dict[str, bytes] = {}
    for page in pages:
        try:
            content = render(bytes(page.stored_bytes))
        except UnknownRenderer:
            # The facts are in the bundle in any case; a release that has the renderer makes the page of them.
            continue
        last = page.pk == pages[-1].pk
        found["proposal/as_shown.html" if last else f"proposal/as_shown-{page.digest.removeprefix('sha256:')}.html"] = content
    return found


def _signatures(decisions: Sequence[Decision]) -> dict[str, bytes]:
    listed = [
        {
            "decision": row.public_id,
            "user": str(row.user_id),
            **as_kept(row.signature),
        }
        for row in decisions
        if row.signature is not None
    ]
    return {"gate/signatures.json": canonical_bytes({"schema": SIGNATURES_SCHEMA, "signatures": listed})} if listed else {}


def _attached(rows: Sequence[Attachment]) -> dict[str, bytes]:
    """Return the files of one proposal: read when it is their turn, because twenty of them may hold 100 MiB."""
    if not rows:
        return {}
    contents = dict(Attachment.objects.filter(pk__in=[row.pk for row in rows]).values_list("pk", "content"))
    found = {_path(row): bytes(contents[row.pk]) for row in rows}
    listed = [
        {
            "name": row.name,
            "member": _path(row),
            "media_type": row.media_type,
            "size": row.size,
            "digest": row.digest,
            "author": str(row.author_id),
            "attached_at": wire_time(row.created_at),
        }
        for row in rows
    ]
    return {**found, "proposal/attachments.json": canonical_bytes({"schema": ATTACHMENTS_SCHEMA, "attachments": listed})}


def _path(row: Attachment) -> str:
    return f"proposal/attachments/{row.digest.removeprefix('sha256:')}{EXTENSIONS[row.media_type]}"


def _said(rows: Sequence[Comment]) -> dict[str, bytes]:
    listed = [{"author": str(row.author_id), "said_at": wire_time(row.created_at), "text": row.text} for row in rows]
    return {"proposal/comments.json": canonical_bytes({"schema": COMMENTS_SCHEMA, "comments": listed})} if listed else {}
