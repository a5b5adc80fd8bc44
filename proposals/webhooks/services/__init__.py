"""Every change to endpoints and messages: one function per mutation."""

from __future__ import annotations

from proposals.webhooks.services.announcing import Announcement, announce
from proposals.webhooks.services.managing import (
    Issued,
    request_test,
    rotate_secret,
    set_endpoint,
    switch_off,
    switch_on,
)
from proposals.webhooks.services.settling import Claimed, Result, claim_due, forget_finished, give_up_overdue, is_due, settle

__all__ = [
    "Announcement",
    "Claimed",
    "Issued",
    "Result",
    "announce",
    "claim_due",
    "forget_finished",
    "give_up_overdue",
    "is_due",
    "request_test",
    "rotate_secret",
    "set_endpoint",
    "settle",
    "switch_off",
    "switch_on",
]
