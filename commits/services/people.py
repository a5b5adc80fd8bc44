"""What only a person may do: try a failed commit again, and say what became of an unknown one."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

import audit.services
from commits.errors import CommentMissing, DocumentNotFound, LandedAfterAll, NotRetryable, NotUnknown
from commits.events import CommitEvent
from commits.models import Commit
from commits.queries import get_commit_for, lock_commit
from commits.records import Settlement
from commits.services.events import subject_of
from commits.services.landing import compared, is_of
from commits.services.recovery import claim_of
from commits.services.settling import settle
from commits.states import TRANSITIONS, AttemptOutcome, CommitState
from gateway.connections import connector_for
from gateway.port import Connector
from identity.permissions import Permission, require_permission
from kernel.actors import Actor
from kernel.queue import wake
from kernel.transitions import advance
from proposals.services import NewOutcome, record_outcomes
from proposals.states import OutcomeStatus, ProposalState


def retry(*, commit_id: str, user: User, actor: Actor, now: datetime) -> Commit:
    """A failed commit is queued again under the same key with the same bytes; everything is verified again at its claim.

    Raises PermissionRefused, NotVisible, and NotRetryable when it did not fail, when trying again makes no sense, or when the
    proposal is no longer approved.
    """
    require_permission(user, Permission.COMMIT_OPERATE)
    key = get_commit_for(user, commit_id, Permission.COMMIT_OPERATE).pk
    with transaction.atomic():
        commit = lock_commit(key)
        if commit.state != CommitState.FAILED or not commit.is_retryable or commit.proposal.state != ProposalState.APPROVED:
            raise NotRetryable(
                detail=f"{commit_id} is {commit.state}{f' ({commit.code})' if commit.code else ''}; its proposal is "
                f"{commit.proposal.state}. Only a failed commit whose failure may pass can be tried again.",
                data={"state": str(commit.state), "code": commit.code, "proposal": str(commit.proposal.state)},
            )
        advance(
            commit, CommitState.QUEUED, transitions=TRANSITIONS, not_before=now, settled_at=None, is_retryable=False, code="", detail=""
        )
        record_outcomes([NewOutcome(proposal_id=commit.proposal_id, status=OutcomeStatus.QUEUED)], now=now)
        _record(CommitEvent.RETRIED, commit, actor=actor, now=now, outcome={"status": "queued", "attempts": commit.attempt_number})
        wake("approved", commit.proposal.public_id)
    return commit


def resolve_by_person(*, commit_id: str, user: User, actor: Actor, now: datetime, document: str | None, comment: str) -> Commit:
    """An unknown commit is settled on a person's word: it landed as `document`, or with None it definitely did not.

    The word is checked as far as the ERP can tell: the document must exist and name the proposal, and a write that is found under the
    commit's key cannot be said not to have landed. A commit that did not land may be tried again by a person.

    Raises PermissionRefused, NotVisible, CommentMissing, NotUnknown, DocumentNotFound, LandedAfterAll, ErpUnavailable.
    """
    require_permission(user, Permission.COMMIT_OPERATE)
    commit = get_commit_for(user, commit_id, Permission.COMMIT_OPERATE)
    if not comment.strip():
        raise CommentMissing(detail="Say in a sentence how you know; it becomes part of the evidence.")
    if commit.state != CommitState.UNKNOWN:
        raise NotUnknown(detail=f"{commit_id} is {commit.state}.", data={"state": str(commit.state)})
    connector = connector_for(commit.company)
    settlement = _landed(connector, commit, document) if document else _not_landed(connector, commit)
    with transaction.atomic():
        locked = lock_commit(commit.pk)
        moved = settle([settlement], now=now, actor=actor)
        if moved.succeeded + moved.failed != 1:
            raise NotUnknown(detail=f"{commit_id} is {locked.state}.", data={"state": str(locked.state)})
        _record(
            CommitEvent.RESOLVED,
            locked,
            actor=actor,
            now=now,
            outcome={"status": str(settlement.to), "document": settlement.document},
            payload={"comment": comment},
        )
        locked.refresh_from_db()
    return locked


def _landed(connector: Connector, commit: Commit, document: str) -> Settlement:
    claim = claim_of(commit)
    found = connector.read_back_many(commit.company, [document]).get(document)
    if found is None or not is_of(commit.proposal.public_id, found):
        raise DocumentNotFound(
            detail=f"{connector.title} has no document {document} that names {commit.proposal.public_id}.",
            data={"document": document, "reference": commit.proposal.public_id},
        )
    return Settlement(
        claim=claim,
        to=CommitState.SUCCEEDED,
        attempt=AttemptOutcome.REPLAYED,
        document=document,
        answer={"resolved_by": "person"},
        landed=found,
        differences=compared(commit.tool, claim.params, found),
    )


def _not_landed(connector: Connector, commit: Commit) -> Settlement:
    found = connector.find_many([commit.pk])
    if commit.pk in found:
        raise LandedAfterAll(
            detail=f"{connector.title} has it as {found[commit.pk].document}; it will be settled by itself.",
            data={"document": found[commit.pk].document},
        )
    return Settlement(
        claim=claim_of(commit),
        to=CommitState.FAILED,
        attempt=AttemptOutcome.LOST,
        code="not_landed",
        detail="A person found that it never landed.",
        is_retryable=True,
    )


def _record(
    kind: CommitEvent,
    commit: Commit,
    *,
    actor: Actor,
    now: datetime,
    outcome: dict[str, object],
    payload: dict[str, object] | None = None,
) -> None:
    audit.services.record(
        kind=kind,
        actor=actor,
        subject=subject_of(commit.proposal, commit),
        now=now,
        outcome=outcome,
        action_digest=commit.proposal.payload_digest,
        payload=payload,
    )
