"""Every read of the ledger: one function per read tool, the facts of preconditions, and what landed.

Answers are plain objects of strings, integers, booleans and lists: amounts and quantities are decimal text, never floats.
"""

from __future__ import annotations

from ledger.contracts import FactQuery, LandedDocument
from ledger.queries.accounts import check_budget, get_account_balance, get_period_status, get_trial_balance
from ledger.queries.facts import SUBJECT_PARTS, observe
from ledger.queries.landed import extract, find_many, read_back_many, stream
from ledger.queries.orders import find_similar_entries, get_purchase_order, list_purchase_orders
from ledger.queries.partners import get_customer, get_stock, get_vendor, search_vendors, vendor_classes
from ledger.queries.usage import account_usage

__all__ = [
    "SUBJECT_PARTS",
    "FactQuery",
    "LandedDocument",
    "account_usage",
    "check_budget",
    "extract",
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
    "read_back_many",
    "search_vendors",
    "stream",
    "vendor_classes",
]
