"""What the runtime roles may do in the ledger database; everything else they may not."""

from __future__ import annotations

import re

# Documents are written by inserting, and only these tables: masters and periods are the ERP staff's.
INSERTED_TABLES = (
    "ledger_closedkey",
    "ledger_customerchange",
    "ledger_documentsequence",
    "ledger_draft",
    "ledger_idempotencyrecord",
    "ledger_inventorymovement",
    "ledger_journalentry",
    "ledger_posting",
    "ledger_purchaseorder",
    "ledger_purchaseorderline",
)
# Column by column: what an effect changes. An update right on any column also allows the row lock.
UPDATED_COLUMNS = {
    "ledger_budget": ("consumed_minor",),
    "ledger_customer": ("credit_limit_minor", "payment_terms_days", "status", "version"),
    "ledger_documentsequence": ("last_number",),
    "ledger_purchaseorder": ("state",),
    "ledger_stock": ("quantity", "version"),
}
# Given up, and wanted after all.
DELETED_TABLES = ("ledger_closedkey",)
ROLE_PATTERN = re.compile(r"^[a-z_][a-z0-9_]{0,62}$")


def grant_statements(reader: str, writer: str) -> list[str]:
    """Return the statements that give both roles exactly their rights, run by the owner after each migration.

    Repeatable: rights are revoked first, so that a table that left the lists is closed. The reader only selects; the writer
    also inserts documents, updates a few columns and opens closed keys; nobody deletes, truncates or touches masters and periods.
    """
    for role in (reader, writer):
        if not ROLE_PATTERN.match(role):
            raise ValueError(f"{role!r} is not a plain role name")
    both = f"{reader}, {writer}"
    return [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {both}",
        # A table-wide revoke leaves rights on single columns alone.
        *(f"REVOKE UPDATE ({', '.join(columns)}) ON {table} FROM {both}" for table, columns in sorted(UPDATED_COLUMNS.items())),
        f"GRANT USAGE ON SCHEMA public TO {both}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {both}",
        *(f"GRANT INSERT ON {table} TO {writer}" for table in INSERTED_TABLES),
        *(f"GRANT DELETE ON {table} TO {writer}" for table in DELETED_TABLES),
        *(f"GRANT UPDATE ({', '.join(columns)}) ON {table} TO {writer}" for table, columns in sorted(UPDATED_COLUMNS.items())),
    ]
