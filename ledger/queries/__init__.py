"""Every read of the ledger: one function per read tool, the facts of preconditions, and what landed.

Answers are plain objects of strings, integers, booleans and lists: amounts and quantities are decimal text, never floats.
"""

from __future__ import annotations

from ledger.comparison import comparable_action, differences
from ledger.contracts import FactQuery, LandedDocument
from ledger.queries.accounts import check_budget, get_account_balance, get_period_status, get_trial_balance
from ledger.queries.facts import (
    FACT_KINDS,
    SUBJECT_PARTS,
    account_active,
    budget_remaining,
    customer_version,
    observe,
    period_status,
    stock_on_hand,
    vendor_state,
)
from ledger.queries.landed import extract, find, find_many, read_back, read_back_many, reversal_action
from ledger.queries.orders import find_similar_entries, get_purchase_order, list_purchase_orders
from ledger.queries.partners import get_customer, get_stock, get_vendor, search_vendors

trial_balance = get_trial_balance

__all__ = [
    "FACT_KINDS",
    "SUBJECT_PARTS",
    "FactQuery",
    "LandedDocument",
    "account_active",
    "budget_remaining",
    "check_budget",
    "comparable_action",
    "customer_version",
    "differences",
    "extract",
    "find",
    "find_many",
    "find_similar_entries",
    "get_account_balance",
    "get_customer",
    "get_period_status",
    "get_purchase_order",
    "get_stock",
    "get_trial_balance",
    "get_vendor",
    "list_purchase_orders",
    "observe",
    "period_status",
    "read_back",
    "read_back_many",
    "reversal_action",
    "search_vendors",
    "stock_on_hand",
    "trial_balance",
    "vendor_state",
]
