"""Every mutation of the ledger: writes through the gate, and what the ERP's own people do."""

from __future__ import annotations

from ledger.contracts import GATE, WriteRequest, WriteResult, WriteStatus
from ledger.services.batch import execute_batch
from ledger.services.drafts import leave_draft
from ledger.services.keys import close_keys, open_keys
from ledger.services.quirks import Quirk
from ledger.services.staff import (
    close_period,
    place_staff_order,
    post_staff_entry,
    set_vendor_bank_fingerprint,
    set_vendor_status,
)

__all__ = [
    "GATE",
    "Quirk",
    "WriteRequest",
    "WriteResult",
    "WriteStatus",
    "close_keys",
    "close_period",
    "execute_batch",
    "leave_draft",
    "open_keys",
    "place_staff_order",
    "post_staff_entry",
    "set_vendor_bank_fingerprint",
    "set_vendor_status",
]
