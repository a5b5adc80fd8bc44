"""A proposal is fixed once it stands; only its state moves."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("proposals", "0001_tables"), ("identity", "0001_tables")]
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("proposals", "0001_initial"),
        ("proposals", "0002_triggers"),
        ("proposals", "0003_acts_for"),
        ("proposals", "0004_webhooks"),
        ("proposals", "0005_history_index"),
        ("proposals", "0006_day_indexes"),
        ("proposals", "0007_rolling_totals"),
    ]

    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
