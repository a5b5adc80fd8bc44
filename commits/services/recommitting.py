"""Sending once more what the ERP lost: the same commit, the same key, the same bytes, after everything was verified again."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

import audit.services
from commits.errors import NotRecommittable
from commits.events import CommitEvent
from commits.models import Commit
from commits.queries import get_commit_for, landing_of, lock_commit
from commits.services.events import subject_of
from commits.states import TRANSITIONS, CommitState
from gateway.connections import connector_for
from identity.permissions import Permission, require_permission
from kernel.actors import Actor
from kernel.queue import wake
from kernel.transitions import advance
from proposals.services import NewOutcome, record_outcomes
from proposals.states import OutcomeStatus, ProposalState


def recommit(*, commit_id: str, user: User, actor: Actor, now: datetime) -> Commit:
    """A commit whose document the ERP lost is queued once more, under its key; the next receipt stands beside the first.

    That happens when an ERP is restored from a backup, or somebody deletes a document in one that allows it. Two things are asked of
    the ERP first: it has nothing under the key, and no document of that number that may be ours. An ERP that still remembers the key
    would answer with the lost document and land nothing, so there a new proposal is the only way.

    Raises PermissionRefused, NotVisible, ErpUnavailable, and NotRecommittable when one of these does not hold, when the commit did not
    succeed, or when its proposal is no longer approved.
    """
    require_permission(user, Permission.COMMIT_OPERATE)
    commit = get_commit_for(user, commit_id, Permission.COMMIT_OPERATE)
    _require_lost(commit)
    with transaction.atomic():
        locked = lock_commit(commit.pk)
        if locked.attempt_number != commit.attempt_number:
            raise NotRecommittable(detail=f"{commit_id} was sent again meanwhile.", data={"state": str(locked.state)})
        _require_valid(locked)
        number = locked.landing_number + 1
        advance(locked, CommitState.QUEUED, transitions=TRANSITIONS, landing_number=number, not_before=now, settled_at=None)
        record_outcomes([NewOutcome(proposal_id=locked.proposal_id, status=OutcomeStatus.QUEUED)], now=now)
        audit.services.record(
            kind=CommitEvent.RECOMMITTED,
            actor=actor,
            subject=subject_of(locked.proposal, locked),
            now=now,
            outcome={"status": "queued", "landing": number, "attempts": locked.attempt_number},
            action_digest=locked.proposal.payload_digest,
        )
        wake("approved", locked.proposal.public_id)
    return locked


def _require_valid(commit: Commit) -> None:
    if commit.state != CommitState.SUCCEEDED or commit.proposal.state != ProposalState.APPROVED:
        raise NotRecommittable(
            detail=f"{commit.public_id} is {commit.state}; its proposal is {commit.proposal.state}. "
            "Only a commit that succeeded under an approval that still stands can be sent once more.",
            data={"state": str(commit.state), "proposal": str(commit.proposal.state)},
        )


def _require_lost(commit: Commit) -> None:
    _require_valid(commit)
    connector, landing = connector_for(commit.company), landing_of(commit)
    number = landing.document if landing else ""
    found = connector.find_many([commit.pk]).get(commit.pk)
    if found is not None:
        raise NotRecommittable(
            detail=f"{connector.title} has {found.document} under this key and would only say so again. Propose it anew.",
            data={"document": found.document, "reason": "key_known"},
        )
    document = connector.read_back_many(commit.company, [number]).get(number) if number else None
    if document is not None and document.get("proposal") in (None, commit.proposal.public_id):
        raise NotRecommittable(
            detail=f"{connector.title} still has {number}.",
            data={"document": number, "reason": "document_there"},
        )
