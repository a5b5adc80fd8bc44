"""Drafts: what an ERP leaves behind that creates a document first and refuses it when it should be posted."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from ledger.contracts import GATE, WriteRequest
from ledger.models import Company, Draft
from ledger.sql import LEDGER


def leave_draft(request: WriteRequest, *, now: datetime) -> Draft:
    """A draft of the request stands in the ERP, unposted; asking again for the same key returns the same one."""
    company = Company.objects.using(LEDGER).get(code=request.company)
    with transaction.atomic(using=LEDGER):
        draft, _ = Draft.objects.using(LEDGER).get_or_create(
            company=company,
            number=f"DRAFT-{request.key.hex[-8:].upper()}",
            defaults={
                "tool": request.tool,
                "content": dict(request.action),
                "reference": request.reference,
                "written_by": GATE,
                "recorded_at": now,
            },
        )
    return draft
