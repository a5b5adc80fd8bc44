"""What landed is read back and held against what was approved, field by field."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from commits.records import Claimed, Settlement
from commits.services.backoff import backoff
from commits.states import AttemptOutcome, CommitState
from gateway.catalogue import WriteTool, get_tool
from gateway.port import Connector, Json, SendStatus, WriteOutcome

logger = logging.getLogger(__name__)

ABSENT: Mapping[str, object] = {}


def landed(connector: Connector, pairs: Sequence[tuple[Claimed, WriteOutcome]], *, now: datetime) -> list[Settlement]:
    """Return a settlement for each commit that the ERP says has landed.

    One that cannot be read back is unknown, not succeeded: it is read back later, and never sent again because its key is found. An
    answer is not believed either: where the document it names is not there, or names another proposal, the key tells which one is.
    """
    by_company: dict[str, list[tuple[Claimed, WriteOutcome]]] = defaultdict(list)
    for claim, outcome in pairs:
        by_company[claim.company].append((claim, outcome))
    settlements = []
    for company, group in by_company.items():
        try:
            documents = connector.read_back_many(company, [outcome.document for _, outcome in group if outcome.document])
            found = _found_by_key(connector, company, group, documents)
        except Exception as error:
            logger.exception("%s could not be read back", connector.name)
            detail = f"Landed, but could not be read back: {type(error).__name__}: {error}"
            settlements += [lost(claim, code="read_back_failed", detail=detail, now=now) for claim, _ in group]
            continue
        for claim, outcome in group:
            document = documents.get(outcome.document)
            if is_of(claim.reference, document):
                settlements.append(_succeeded(claim, outcome, document, now=now))
            else:
                settlements.append(_landed_elsewhere(claim, outcome, found.get(claim.commit_id), now=now))
    return settlements


def is_of(reference: str, document: Json | None) -> bool:
    """Return whether a document may be the one of this proposal: an ERP that repeats our reference must repeat this one."""
    if document is None:
        return False
    named = document.get("proposal")
    return named is None or named == reference


Found = tuple[WriteOutcome, Json | None]


def _found_by_key(
    connector: Connector, company: str, group: Sequence[tuple[Claimed, WriteOutcome]], documents: Mapping[str, Json]
) -> dict[UUID, Found]:
    """Return what the ERP has under the keys whose answer named no document of ours, with the document itself."""
    doubtful = [claim.commit_id for claim, outcome in group if not is_of(claim.reference, documents.get(outcome.document))]
    if not doubtful:
        return {}
    outcomes = connector.find_many(doubtful)
    read = connector.read_back_many(company, [outcome.document for outcome in outcomes.values()])
    return {key: (outcome, read.get(outcome.document)) for key, outcome in outcomes.items()}


def _landed_elsewhere(claim: Claimed, answered: WriteOutcome, found: Found | None, *, now: datetime) -> Settlement:
    """Return the settlement of a commit whose answer named a document that is not there or not ours."""
    if found is None:
        detail = f"The ERP said {answered.document or 'that it landed'}, but has nothing under the key."
        return lost(claim, code="landing_not_confirmed", detail=detail, now=now)
    outcome, document = found
    if document is not None and not is_of(claim.reference, document):
        detail = f"The ERP says that {outcome.document} is under the key, but that document names another proposal."
        return lost(claim, code="document_of_another", detail=detail, now=now)
    settlement = _succeeded(claim, replace(outcome, status=answered.status, answer=answered.answer), document, now=now)
    if settlement.to is not CommitState.SUCCEEDED or outcome.document == answered.document:
        return settlement
    renumbered = {"field": "/document", "approved": answered.document or "absent", "landed": outcome.document}
    return replace(settlement, differences=(renumbered, *settlement.differences))


def lost(claim: Claimed, *, code: str, detail: str, now: datetime) -> Settlement:
    """Return the settlement of a commit whose answer is not known; it is looked up by its key soon."""
    return Settlement(
        claim=claim,
        to=CommitState.UNKNOWN,
        attempt=AttemptOutcome.LOST,
        code=code,
        detail=detail,
        not_before=now + backoff(claim.attempt_number) if claim.is_repeated else now,
        has_answered=False,
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
        return replace(lost(claim, code="comparison_failed", detail=detail, now=now), has_answered=True)
    return Settlement(
        claim=claim,
        to=CommitState.SUCCEEDED,
        attempt=AttemptOutcome.POSTED if outcome.status is SendStatus.POSTED else AttemptOutcome.REPLAYED,
        document=outcome.document,
        answer=outcome.answer,
        landed=document if document is not None else ABSENT,
        differences=differences,
        has_answered=True,
    )
