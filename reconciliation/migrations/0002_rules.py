"""Runs and breaks stay; a second person is never an excluded one."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reconciliation", "0001_tables"), ("approvals", "0001_tables")]
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("reconciliation", "0001_initial"),
        ("reconciliation", "0002_guards"),
        ("reconciliation", "0003_work_queue"),
        ("reconciliation", "0004_second_person_guard"),
        ("reconciliation", "0005_assurance"),
        ("reconciliation", "0006_assurance_guards"),
    ]

    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
