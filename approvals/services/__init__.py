"""Every change to policies, pages and decisions: one function per mutation."""

from __future__ import annotations

from approvals.services.decisions import decide
from approvals.services.matrix import RowDraft, activate_policy, create_policy, return_policy, submit_policy
from approvals.services.pages import Shown, show

__all__ = [
    "RowDraft",
    "Shown",
    "activate_policy",
    "create_policy",
    "decide",
    "return_policy",
    "show",
    "submit_policy",
]
