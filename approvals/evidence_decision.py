"""What decisions add to an evidence bundle: pages as shown, passkey signatures, comments and attachments."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from approvals.bulk.sets import bulk_members
from approvals.models import Attachment, Comment, Decision, Presentation
from approvals.renderers import UnknownRenderer, render
from approvals.services.signing import as_kept
from approvals.uploads import EXTENSIONS
from kernel.canonical import canonical_bytes
from kernel.clock import wire_time

SIGNATURES_SCHEMA = "countersign.gate.signatures/1"
ATTACHMENTS_SCHEMA = "countersign.proposal.attachments/1"
COMMENTS_SCHEMA = "countersign.proposal.comments/1"


def decision_members(key: uuid.UUID) -> Mapping[str, bytes]:
    """Return these members of the bundle of one proposal; empty where there is nothing."""
    return {**_pages(key), **_signatures(key), **bulk_members(key), **_attachments(key), **_comments(key)}


def _pages(key: uuid.UUID) -> dict[str, bytes]:
    """Return the page as shown: the one last decided on under its plain name, others that were decided on by their digest."""
    pages = list(Presentation.objects.filter(proposal_id=key, decisions__isnull=False).order_by("decisions__decided_at"))
    pages = pages or list(Presentation.objects.filter(proposal_id=key).order_by("first_shown_at"))[-1:]
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


def _signatures(key: uuid.UUID) -> dict[str, bytes]:
    signed = Decision.objects.select_related("signature").filter(proposal_id=key, signature__isnull=False).order_by("decided_at", "pk")
    listed = [
        {
            "decision": row.public_id,
            "user": str(row.user_id),
            **as_kept(row.signature),
        }
        for row in signed
        if row.signature is not None
    ]
    return {"gate/signatures.json": canonical_bytes({"schema": SIGNATURES_SCHEMA, "signatures": listed})} if listed else {}


def _attachments(key: uuid.UUID) -> dict[str, bytes]:
    rows = list(Attachment.objects.filter(proposal_id=key).order_by("created_at", "pk"))
    if not rows:
        return {}
    found = {_path(row): bytes(row.content) for row in rows}
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


def _comments(key: uuid.UUID) -> dict[str, bytes]:
    rows = Comment.objects.filter(proposal_id=key).order_by("created_at", "pk")
    listed = [{"author": str(row.author_id), "said_at": wire_time(row.created_at), "text": row.text} for row in rows]
    return {"proposal/comments.json": canonical_bytes({"schema": COMMENTS_SCHEMA, "comments": listed})} if listed else {}
