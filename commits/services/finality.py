"""Commits that wait for a seal: what they lean on is recorded, and final only with a sealed receipt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.sealer_process import request_seal
from commits.models import Commit
from commits.services import statements
from commits.services.verification import NOT_FINAL_CODE, Verdict
from commits.states import CommitState

# One tick of the sealer at most. When none comes, the sealer is down: it is looked for less often then, and monitoring says so.
TICK = timedelta(seconds=0.25)
PATIENCE = timedelta(seconds=10)
PAUSE = timedelta(seconds=15)


def hold_until_final(rows: Sequence[tuple[Commit, Verdict]], *, now: datetime) -> None:
    """Each queued commit waits for the sealer's next tick, which is asked for. Joins the transaction.

    It leaves no event: nothing was done, and `commit:started` names the receipts that were waited for.
    """
    waiting: dict[tuple[str, str, timedelta], list[UUID]] = defaultdict(list)
    for row, verdict in rows:
        pause = TICK if now - (row.proposal.decided_at or now) < PATIENCE else PAUSE
        waiting[verdict.code, verdict.reason, pause].append(row.pk)
    for (code, detail, pause), keys in waiting.items():
        statements.freeze(keys, code=code, detail=detail, not_before=now + pause)
    if rows:
        transaction.on_commit(request_seal)


def is_any_almost_final(now: datetime) -> bool:
    """Tell whether a commit waits for a tick of the sealer that comes any moment."""
    return Commit.objects.filter(state=CommitState.QUEUED, code=NOT_FINAL_CODE, not_before__lte=now + TICK).exists()
