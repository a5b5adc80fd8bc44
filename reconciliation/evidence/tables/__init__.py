"""The tables of bundles: one CSV each, with its columns explained and its control totals stated."""

from __future__ import annotations

from audit.bundle_parts import Table
from reconciliation.evidence.tables import gate, ledgers, operation
from reconciliation.evidence.tables.gate import sod_section

__all__ = ["TABLES", "sod_section"]

TABLES: tuple[Table, ...] = (*gate.TABLES, *operation.TABLES, *ledgers.TABLES)
