"""A chart of accounts that works for a small trading company; every role of the ledger has its account."""

from __future__ import annotations

from ledger.masters import AccountMaster
from ledger.states import AccountKind, AccountRole

STANDARD_CHART = (
    AccountMaster("1000", "Bank", AccountKind.ASSET, AccountRole.CASH),
    AccountMaster("1010", "Petty cash", AccountKind.ASSET),
    AccountMaster("1200", "Trade receivables", AccountKind.ASSET, AccountRole.RECEIVABLES),
    AccountMaster("1400", "Inventory", AccountKind.ASSET, AccountRole.INVENTORY),
    AccountMaster("1500", "Prepaid expenses", AccountKind.ASSET),
    AccountMaster("1570", "Input tax", AccountKind.ASSET),
    AccountMaster("1700", "Machinery", AccountKind.ASSET),
    AccountMaster("1790", "Accumulated depreciation", AccountKind.ASSET),
    AccountMaster("2000", "Trade payables", AccountKind.LIABILITY, AccountRole.PAYABLES),
    AccountMaster("2100", "Goods received, not invoiced", AccountKind.LIABILITY),
    AccountMaster("2200", "Accrued expenses", AccountKind.LIABILITY),
    AccountMaster("2300", "Output tax", AccountKind.LIABILITY),
    AccountMaster("2500", "Bank loan", AccountKind.LIABILITY),
    AccountMaster("3000", "Share capital", AccountKind.EQUITY),
    AccountMaster("3100", "Opening balances", AccountKind.EQUITY, AccountRole.OPENING_EQUITY),
    AccountMaster("4000", "Revenue from goods", AccountKind.REVENUE),
    AccountMaster("4100", "Revenue from services", AccountKind.REVENUE),
    AccountMaster("5000", "Cost of goods sold", AccountKind.EXPENSE, AccountRole.COGS),
    AccountMaster("6000", "Wages and salaries", AccountKind.EXPENSE),
    AccountMaster("6100", "Rent", AccountKind.EXPENSE),
    AccountMaster("6200", "Travel", AccountKind.EXPENSE),
    AccountMaster("6300", "Software and licences", AccountKind.EXPENSE),
    AccountMaster("6400", "Freight", AccountKind.EXPENSE),
    AccountMaster("6500", "Repairs and maintenance", AccountKind.EXPENSE),
    AccountMaster("6800", "Depreciation", AccountKind.EXPENSE),
    AccountMaster("6900", "Suspense, no longer used", AccountKind.EXPENSE, is_active=False),
    AccountMaster("9100", "Purchase commitments", AccountKind.STATISTICAL, AccountRole.COMMITMENTS),
    AccountMaster("9190", "Purchase commitments, offset", AccountKind.STATISTICAL, AccountRole.COMMITMENTS_OFFSET),
)
