"""How the engine names itself and its subjects in the audit log."""

from __future__ import annotations

from audit.records import Subject
from commits.models import Commit
from kernel.actors import Actor
from proposals.models import Proposal

ACTOR = Actor.system("commits")


def subject_of(proposal: Proposal, commit: Commit | None = None) -> Subject:
    """Return the subject of an event about a commit, or about a proposal that never gets one."""
    return Subject(
        kind="commit" if commit else "proposal",
        id=commit.public_id if commit else proposal.public_id,
        proposal=proposal.public_id,
        company=proposal.company,
        tool=proposal.tool,
        connection=commit.connection if commit else "",
        revision=proposal.revision,
        trace_id=proposal.trace_id,
    )
