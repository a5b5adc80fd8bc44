"""`manage.py ledger_…`."""
