"""How reconciliation names itself and its subjects in the audit log."""

from __future__ import annotations

from audit.records import Subject
from kernel.actors import Actor
from kernel.ids import Prefix, encode
from reconciliation.models import Break, Run

ACTOR = Actor.system("reconciliation")


def subject_of_run(run: Run) -> Subject:
    """Return the subject of an event about a run."""
    return Subject(kind="run", id=run.public_id, company=run.company)


def subject_of_break(found: Break) -> Subject:
    """Return the subject of an event about a break; where a proposal is known it is part of that proposal's evidence."""
    proposal = encode(Prefix.PROPOSAL, found.proposal_id) if found.proposal_id else ""
    return Subject(kind="break", id=found.public_id, proposal=proposal, company=found.company)
