"""What people say about a proposal and put beside it without deciding: comments and attachments, only ever added."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from approvals.errors import DiscussionClosed
from approvals.events import DiscussionEvent
from approvals.models import Attachment, Comment
from approvals.models_decision import ATTACHMENT_SIZE_MAX
from approvals.oversight.models import EvidenceOpening
from approvals.services.forms import COMMENT_LENGTH_MAX, plain_words
from approvals.uploads import media_type_of, plain_name
from audit.records import Subject
from audit.services import record, record_denial
from identity.permissions import Permission, companies_with
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.errors import DomainError, FieldError, NotVisible, PermissionRefused, ValidationFailed
from kernel.ids import Prefix, decode, encode
from proposals.models import Proposal
from proposals.queries import get_proposal_for_person, lock_proposal
from proposals.states import ProposalState
from proposals.subjects import subject_of

# The database's triggers hold the same numbers (migration 0003).
COMMENTS_MAX = 200
ATTACHMENTS_MAX = 20
TYPES_IN_WORDS = "PDF, PNG, JPEG and plain text (UTF-8)"


def comment(*, user: User, proposal_id: str, text: str, actor: Actor, now: datetime) -> Comment:
    """Add what a person says; their words stand beside the event, not in what is hashed.

    Raises NotVisible, PermissionRefused, ValidationFailed and DiscussionClosed; a refusal leaves one record.
    """
    said = plain_words(text)
    try:
        proposal = _open_to(user, proposal_id)
        if not said or len(said) > COMMENT_LENGTH_MAX:
            found = f"{len(said)} characters" if said else "empty"
            acceptable = f"1 to {COMMENT_LENGTH_MAX} characters"
            raise ValidationFailed(detail=f"The comment is {found}.", errors=(FieldError("/text", found, acceptable),))
        with transaction.atomic():
            locked = _lock_open(proposal)
            if locked.comments.count() >= COMMENTS_MAX:
                raise DiscussionClosed(detail=f"A proposal has at most {COMMENTS_MAX} comments.")
            added = Comment.objects.create(proposal=locked, author=user, text=said, created_at=now)
            record(kind=DiscussionEvent.COMMENTED, actor=actor, subject=subject_of(locked), now=now, payload={"comment": said})
            return added
    except DomainError as error:
        _record_refusal(error, proposal_id, actor, now)
        raise


def attach(*, user: User, proposal_id: str, name: str, content: bytes, actor: Actor, now: datetime) -> Attachment:
    """Put a file beside a proposal; whoever has its page open decides on another page from now on.

    The same content twice is one attachment. Raises NotVisible, PermissionRefused, ValidationFailed and DiscussionClosed; a refusal
    leaves one record.
    """
    try:
        proposal = _open_to(user, proposal_id)
        media_type = _require_content(content)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        with transaction.atomic():
            locked = _lock_open(proposal)
            present = Attachment.objects.defer("content").filter(proposal=locked, digest=digest).first()
            if present is not None:
                return present
            if locked.attachments.count() >= ATTACHMENTS_MAX:
                raise DiscussionClosed(detail=f"A proposal has at most {ATTACHMENTS_MAX} attachments.")
            added = Attachment.objects.create(
                proposal=locked,
                author=user,
                name=plain_name(name),
                media_type=media_type,
                size=len(content),
                digest=digest,
                content=content,
                created_at=now,
            )
            record(
                kind=DiscussionEvent.ATTACHED,
                actor=actor,
                subject=subject_of(locked),
                now=now,
                evidence=[{"role": "attachment", "source": public_id(added), "as_of": wire_time(now), "digest": digest}],
                payload={"name": added.name, "media_type": media_type, "size": added.size},
            )
            return added
    except DomainError as error:
        _record_refusal(error, proposal_id, actor, now)
        raise


def fetch(*, user: User, proposal_id: str, attachment_id: str, actor: Actor, now: datetime) -> Attachment:
    """Return an attachment with its content and put on record who looked at it, as evidence opened; raises NotVisible."""
    proposal = get_proposal_for_person(user, proposal_id)
    found = Attachment.objects.filter(pk=decode(Prefix.ATTACHMENT, attachment_id), proposal=proposal).first()
    if found is None:
        raise NotVisible(detail=f"Proposal {proposal_id} has no attachment {attachment_id}.")
    with transaction.atomic():
        EvidenceOpening.objects.get_or_create(proposal=proposal, attachment=found, user=user, defaults={"opened_at": now})
        record(
            kind=DiscussionEvent.FETCHED,
            actor=actor,
            subject=subject_of(proposal),
            now=now,
            evidence=[{"role": "attachment", "source": attachment_id, "as_of": wire_time(found.created_at), "digest": found.digest}],
        )
    return found


def public_id(attachment: Attachment) -> str:
    """Return the TypeID, which begins with attach_."""
    return encode(Prefix.ATTACHMENT, attachment.pk)


def _open_to(user: User, proposal_id: str) -> Proposal:
    proposal = get_proposal_for_person(user, proposal_id)
    if proposal.company not in companies_with(user, Permission.PROPOSAL_COMMENT):
        raise PermissionRefused(detail=f"None of your roles lets you add to proposals of {proposal.company}.")
    _require_pending(proposal)
    return proposal


def _lock_open(proposal: Proposal) -> Proposal:
    locked = lock_proposal(proposal.pk)
    _require_pending(locked)
    return locked


def _require_pending(proposal: Proposal) -> None:
    if proposal.state != ProposalState.PENDING:
        state = ProposalState(proposal.state).label.lower()
        raise DiscussionClosed(detail=f"The proposal is {state}; comments and attachments belong to an open one.")


def _require_content(content: bytes) -> str:
    """Return what the content is; raises ValidationFailed for what is not taken."""
    if not content or len(content) > ATTACHMENT_SIZE_MAX:
        found = f"{len(content):,} bytes" if content else "empty"
        acceptable = f"1 byte to {ATTACHMENT_SIZE_MAX // 1024 // 1024} MiB"
        raise ValidationFailed(detail=f"The file is {found}.", errors=(FieldError("/file", found, acceptable),))
    media_type = media_type_of(content)
    if not media_type:
        raise ValidationFailed(
            detail="The file's content is of a kind that is not taken, whatever its name says.",
            errors=(FieldError("/file", "another kind of file", TYPES_IN_WORDS),),
        )
    return media_type


def _record_refusal(error: DomainError, proposal_id: str, actor: Actor, now: datetime) -> None:
    subject = Subject(kind="proposal", id=proposal_id[:80].replace("\0", ""))
    record_denial(kind=DiscussionEvent.REFUSED, actor=actor, subject=subject, now=now, error=error)
