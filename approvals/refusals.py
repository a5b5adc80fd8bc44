"""Recording what was refused: once, after the refused transaction has rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from approvals.errors import StepUpRequired
from audit.records import Subject
from audit.services import record_denial
from kernel.actors import Actor
from kernel.errors import DomainError, InvalidIdentifier
from kernel.ids import Prefix, decode
from proposals.models import Proposal
from proposals.subjects import subject_of


@contextmanager
def refusals_recorded(kind: str, *, actor: Actor, subject: Subject, now: datetime) -> Iterator[None]:
    """A refusal inside the block leaves one event about the subject, and is raised on.

    Asking for a second factor is no refusal: the door remembers it (`approvals.stepup.ask`), and nothing was decided yet.
    """
    try:
        yield
    except StepUpRequired:
        raise
    except DomainError as error:
        record_denial(kind=kind, actor=actor, subject=subject, now=now, error=error)
        raise


def subject_of_sent(proposal_id: str) -> Subject:
    """Return the proposal as subject, or only the text that was sent when there is no such proposal."""
    try:
        proposal = Proposal.objects.filter(pk=decode(Prefix.PROPOSAL, proposal_id)).first()
    except InvalidIdentifier:
        proposal = None
    # An address can carry a NUL, which no database keeps.
    return Subject(kind="proposal", id=proposal_id[:80].replace("\0", "")) if proposal is None else subject_of(proposal)
