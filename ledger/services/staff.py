"""What the ERP's own people do, past the gate: reconciliation must tell it apart from what the gate wrote."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from kernel.errors import NotVisible, ValidationFailed
from kernel.ids import new_id
from kernel.transitions import advance
from ledger.contracts import Tool, WriteRequest, WriteResult
from ledger.models import Period, Vendor
from ledger.services.batch import write_batch
from ledger.sql import LEDGER
from ledger.states import PERIOD_TRANSITIONS, PeriodState, VendorStatus


def close_period(*, company: str, year: int, month: int) -> Period:
    """Close a month: entries under way are waited for, later ones are refused. Raises NotVisible, StateConflict."""
    with transaction.atomic(using=LEDGER):
        period = Period.objects.using(LEDGER).select_for_update(of=("self",)).filter(company__code=company, year=year, month=month).first()
        if period is None:
            raise NotVisible(detail=f"{company} has no period {year}-{month:02d}.")
        advance(period, PeriodState.CLOSED, transitions=PERIOD_TRANSITIONS)
        return period


def set_vendor_status(*, company: str, vendor: str, status: VendorStatus) -> None:
    """Make a vendor active or blocked. Raises NotVisible."""
    _update_vendor(company, vendor, status=VendorStatus(status))


def set_vendor_bank_fingerprint(*, company: str, vendor: str, bank_fingerprint: str) -> None:
    """Store the fingerprint of a vendor's new bank details. Raises NotVisible."""
    _update_vendor(company, vendor, bank_fingerprint=bank_fingerprint)


def post_staff_entry(*, company: str, action: Mapping[str, object], written_by: str, now: datetime, reference: str = "") -> WriteResult:
    """Post a journal entry without key and approval; `action` is a post_journal_entry payload.

    With the gate's identity as `written_by` this makes an orphan, which is what a bypass of the gate looks like. Raises
    ValidationFailed with the ledger's reason.
    """
    return _write(Tool.POST_JOURNAL_ENTRY, company, action, written_by=written_by, reference=reference, now=now)


def place_staff_order(*, company: str, action: Mapping[str, object], written_by: str, now: datetime, reference: str = "") -> WriteResult:
    """Place a purchase order without key and approval; otherwise as `post_staff_entry`."""
    return _write(Tool.CREATE_PURCHASE_ORDER, company, action, written_by=written_by, reference=reference, now=now)


def _write(tool: Tool, company: str, action: Mapping[str, object], *, written_by: str, reference: str, now: datetime) -> WriteResult:
    request = WriteRequest(new_id(), tool.value, company, reference, action)
    result = write_batch([request], now=now, written_by=written_by, is_keyed=False)[0]
    if not result.is_landed:
        raise ValidationFailed(detail=result.detail, data={"code": result.code, **result.result})
    return result


def _update_vendor(company: str, vendor: str, **values: str) -> None:
    with transaction.atomic(using=LEDGER):
        if not Vendor.objects.using(LEDGER).filter(company__code=company, number=vendor).update(**values):
            raise NotVisible(detail=f"{company} has no vendor {vendor!r}.")
