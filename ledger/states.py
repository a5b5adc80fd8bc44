"""The closed sets of the ledger: kinds, roles, states and the transitions between states."""

from __future__ import annotations

from django.db import models

from kernel.transitions import Transitions


class AccountKind(models.TextChoices):
    """The five kinds of account of double entry, and `statistical` for commitments, which never reach a balance sheet."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    REVENUE = "revenue"
    EXPENSE = "expense"
    STATISTICAL = "statistical"


class AccountRole(models.TextChoices):
    """What the ledger itself uses an account for; each role has one active account per company."""

    NONE = "", "no role"
    CASH = "cash"
    RECEIVABLES = "receivables"
    INVENTORY = "inventory"
    PAYABLES = "payables"
    OPENING_EQUITY = "opening_equity"
    COGS = "cogs", "cost of goods sold"
    COMMITMENTS = "commitments"
    COMMITMENTS_OFFSET = "commitments_offset"


class PeriodState(models.TextChoices):
    """Whether entries may be dated into a period."""

    OPEN = "open"
    CLOSED = "closed"


class VendorStatus(models.TextChoices):
    """Whether orders may be placed with a vendor."""

    ACTIVE = "active"
    BLOCKED = "blocked"


class CustomerStatus(models.TextChoices):
    """Whether a customer is served."""

    ACTIVE = "active"
    ON_HOLD = "on_hold"
    BLOCKED = "blocked"


class OrderState(models.TextChoices):
    """A purchase order is open until its commitment is reversed; a trigger refuses every other change of it."""

    OPEN = "open"
    CANCELLED = "cancelled"


class EntryKind(models.TextChoices):
    """Why a journal entry exists: by itself, or as the accounting effect of another document."""

    GENERAL = "general"
    COMMITMENT = "commitment"
    RELEASE = "release"


class MovementKind(models.TextChoices):
    """Which way stock went: `release` lowers it, `return` is a reversed release and raises it."""

    RELEASE = "release"
    RETURN = "return"


class Series(models.TextChoices):
    """The gapless number series; a document number reads SERIES-YEAR-NUMBER, e.g. PO-2026-000017."""

    PURCHASE_ORDER = "PO"
    JOURNAL_ENTRY = "JE"
    INVENTORY_MOVEMENT = "IM"
    CUSTOMER_CHANGE = "CU"


PERIOD_TRANSITIONS: Transitions = {
    PeriodState.OPEN: frozenset({PeriodState.CLOSED}),
    PeriodState.CLOSED: frozenset(),
}
