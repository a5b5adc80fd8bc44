"""The ledger keeps its promises whoever writes: insert-only, balanced, complete, in open periods, one landing per key."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_tables")]
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("ledger", "0001_initial"),
        ("ledger", "0002_triggers"),
        ("ledger", "0003_landed_view"),
        ("ledger", "0004_drafts"),
        ("ledger", "0005_duplicates"),
        ("ledger", "0006_closed_keys"),
        ("ledger", "0007_same_entries"),
    ]

    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
