"""The embedded ERP: a small double-entry system of record in a database of its own."""
