"""Why the ledger refuses a write: stable codes, and the exception that carries one out of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kernel.errors import DomainError


class RefusalCode(StrEnum):
    """Every reason for which a write is refused or found in conflict."""

    ACCOUNT_INACTIVE = "account_inactive"
    ACCOUNT_ROLE_MISSING = "account_role_missing"
    ACCOUNT_UNKNOWN = "account_unknown"
    ACCOUNTS_MIXED = "accounts_mixed"
    ALREADY_REVERSED = "already_reversed"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    BUDGET_EXCEEDED = "budget_exceeded"
    BUDGET_MISSING = "budget_missing"
    COMPANY_UNKNOWN = "company_unknown"
    CONSTRAINT_VIOLATED = "constraint_violated"
    COST_CENTRE_UNKNOWN = "cost_centre_unknown"
    CURRENCY_NOT_KEPT = "currency_not_kept"
    CUSTOMER_UNKNOWN = "customer_unknown"
    CUSTOMER_VERSION_STALE = "customer_version_stale"
    DOCUMENT_NOT_REVERSIBLE = "document_not_reversible"
    DOCUMENT_UNKNOWN = "document_unknown"
    ENTRY_UNBALANCED = "entry_unbalanced"
    INVALID_ACTION = "invalid_action"
    ITEM_UNKNOWN = "item_unknown"
    KEY_CLOSED = "key_closed"
    KEY_REUSED = "key_reused"
    PERIOD_CLOSED = "period_closed"
    PERIOD_MISSING = "period_missing"
    REVERSAL_DIFFERS = "reversal_differs"
    STOCK_INSUFFICIENT = "stock_insufficient"
    TOOL_UNKNOWN = "tool_unknown"
    VENDOR_BLOCKED = "vendor_blocked"
    VENDOR_UNKNOWN = "vendor_unknown"


# The same request may succeed later without being changed: somebody opens a period, raises a budget, receives goods.
RETRYABLE = frozenset(
    {
        RefusalCode.BUDGET_EXCEEDED,
        RefusalCode.PERIOD_CLOSED,
        RefusalCode.STOCK_INSUFFICIENT,
        RefusalCode.VENDOR_BLOCKED,
        RefusalCode.ACCOUNT_INACTIVE,
    }
)


@dataclass(eq=False)
class Refusal(Exception):
    """One write is refused; the others of its batch are not touched by it."""

    code: RefusalCode
    detail: str
    path: str = ""
    acceptable: str = ""
    data: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return `code: detail`."""
        return f"{self.code.value}: {self.detail}"

    def result(self) -> dict[str, object]:
        """Return the wire form for `WriteResult.result`."""
        return {
            "errors": [{"path": self.path, "message": self.detail, "acceptable": self.acceptable}],
            "data": dict(self.data),
            "retryable": self.code in RETRYABLE,
        }


def refusal_of(error: DomainError) -> Refusal:
    """Return the refusal of one item for what the kernel would not take (an amount, a decimal, a currency)."""
    first = error.errors[0] if error.errors else None
    return Refusal(
        RefusalCode.INVALID_ACTION,
        error.detail or error.title,
        path=first.path if first else "",
        acceptable=first.acceptable if first else "",
    )
