"""Reading the ERP for an agent, with a receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

import audit.services
from audit.records import Subject
from gateway.catalogue import ToolKind, get_tool
from gateway.connections import connector_for
from identity.errors import GrantRefused
from identity.principals import AgentPrincipal, TokenDetail
from kernel.canonical import canonical_bytes, digest_of_bytes
from kernel.clock import wire_time
from kernel.errors import NotVisible
from kernel.ids import new_id
from kernel.verdicts import Denied
from proposals.events import ReadEvent
from proposals.models import ReadReceipt

READ_PURPOSE = "countersign.read/1"


@dataclass(frozen=True, slots=True)
class Read:
    """A read that was done: its receipt, and the result as the ERP gave it."""

    receipt: ReadReceipt
    result: Mapping[str, object]


def read(*, principal: AgentPrincipal, tool: str, company: str, arguments: Mapping[str, object], now: datetime) -> Read:
    """Store and record what the agent was told: tool, arguments, as-of time and the digest of the result's bytes.

    Raises TokenScopeMismatch, UnknownTool, NotVisible, ValidationFailed, GrantRefused, UnknownCompany or ErpUnavailable; nothing is
    stored then. The ERP is asked before the transaction begins.
    """
    detail = principal.detail_for(action="read", tool=tool, company=company)
    found = get_tool(tool)
    if found.kind is not ToolKind.READ:
        raise NotVisible(detail=f"{tool} is a write: propose it.")
    stored = found.canonical(found.validate(arguments))
    _require_resource(detail, stored)
    result = connector_for(company).read(found.name, company, stored)
    result_bytes = canonical_bytes(result)
    receipt = ReadReceipt(
        id=new_id(),
        agent_id=principal.agent_id,
        tool=found.name,
        tool_version=found.version,
        company=company,
        arguments=stored,
        as_of=now,
        result_bytes=result_bytes,
        result_digest=digest_of_bytes(READ_PURPOSE, result_bytes),
    )
    with transaction.atomic():
        receipt.save(force_insert=True)
        audit.services.record(
            kind=ReadEvent.TAKEN,
            actor=principal.actor(),
            subject=Subject(kind="read", id=receipt.public_id, company=company, tool=found.name),
            now=now,
            evidence=[{"role": "read", "source": receipt.public_id, "as_of": wire_time(now), "digest": receipt.result_digest}],
            ai={"agent": principal.public_id, "token": principal.token_id},
            payload={"arguments": stored},
        )
    return Read(receipt, result)


def _require_resource(detail: TokenDetail, arguments: Mapping[str, object]) -> None:
    """The read asks for the one thing that a narrowed token is for; raises GrantRefused for anything wider, or else."""
    kind, _, name = detail.resource.partition(":")
    asked = arguments.get(kind)
    if not detail.resource or asked == name:
        return
    observed = f"{kind}:{asked}" if asked else f"no single {kind}"
    reason = f"The token is for {detail.resource} only; this asks for {observed}."
    raise GrantRefused.because(Denied("token_resource", reason, detail.resource, observed))
