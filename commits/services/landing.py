"""What landed is read back and held against what was approved, field by field."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from commits.records import Claimed, Settlement
from commits.services.backoff import backoff
from commits.states import AttemptOutcome, CommitState
from gateway.catalogue import WriteTool, get_tool
from gateway.port import Connector, Json, SendStatus, WriteOutcome

logger = logging.getLogger(__name__)

ABSENT: Mapping[str, object] = {}


def landed(connector: Connector, pairs: Sequence[tuple[Claimed, WriteOutcome]], *, now: datetime) -> list[Settlement]:
    """Return a settlement for each commit that the ERP says has landed.

    One that cannot be read back is unknown, not succeeded: it is read back later, and never sent again because its key is found.
    """
    by_company: dict[str, list[tuple[Claimed, WriteOutcome]]] = defaultdict(list)
    for claim, outcome in pairs:
        by_company[claim.company].append((claim, outcome))
    settlements = []
    for company, group in by_company.items():
        try:
            documents = connector.read_back_many(company, [outcome.document for _, outcome in group])
        except Exception as error:
            logger.exception("%s could not be read back", connector.name)
            detail = f"Landed, but could not be read back: {type(error).__name__}: {error}"
            settlements += [lost(claim, code="read_back_failed", detail=detail, now=now) for claim, _ in group]
            continue
        settlements += [_succeeded(claim, outcome, documents.get(outcome.document), now=now) for claim, outcome in group]
    return settlements


def lost(claim: Claimed, *, code: str, detail: str, now: datetime) -> Settlement:
    """Return the settlement of a commit whose answer is not known; it is looked up by its key soon."""
    return Settlement(
        claim=claim,
        to=CommitState.UNKNOWN,
        attempt=AttemptOutcome.LOST,
        code=code,
        detail=detail,
        not_before=now + backoff(claim.attempt_number) if claim.is_repeated else now,
    )


def compared(tool_name: str, params: Mapping[str, object], document: Json | None) -> tuple[Mapping[str, object], ...]:
    """Return the differences between what was approved and what was read back; a document that is not there is one."""
    if document is None:
        return ({"field": "/document", "approved": "present", "landed": "absent"},)
    tool = get_tool(tool_name)
    if not isinstance(tool, WriteTool):
        raise TypeError(f"{tool_name} does not write")
    return tuple(dict(item) for item in tool.compare(params, document))


def _succeeded(claim: Claimed, outcome: WriteOutcome, document: Json | None, *, now: datetime) -> Settlement:
    try:
        differences = compared(claim.tool, claim.params, document)
    except Exception as error:
        logger.exception("commit %s could not be compared with what landed", claim.commit_id)
        detail = f"Landed as {outcome.document}, but could not be compared: {type(error).__name__}: {error}"
        return lost(claim, code="comparison_failed", detail=detail, now=now)
    return Settlement(
        claim=claim,
        to=CommitState.SUCCEEDED,
        attempt=AttemptOutcome.POSTED if outcome.status is SendStatus.POSTED else AttemptOutcome.REPLAYED,
        document=outcome.document,
        answer=outcome.answer,
        landed=document if document is not None else ABSENT,
        differences=differences,
    )
