"""Segregation of duties, quorum and what was decided hold in the database too."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("approvals", "0001_tables"), ("identity", "0001_tables"), ("proposals", "0001_tables")]
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("approvals", "0001_initial"),
        ("approvals", "0002_guards"),
        ("approvals", "0003_decision_evidence"),
        ("approvals", "0004_matrix"),
        ("approvals", "0005_matrix_guards"),
        ("approvals", "0006_delegation_and_due_dates"),
        ("approvals", "0007_work_mail_bulk_oversight"),
        ("approvals", "0008_work_guards"),
        ("approvals", "0009_flags"),
        ("approvals", "0010_flag_guards"),
        ("approvals", "0011_decision_strength"),
        ("approvals", "0012_rate_imports"),
        ("approvals", "0013_rate_import_guards"),
        ("approvals", "0014_fallback_stands_in"),
        ("approvals", "0015_vendor_class"),
        ("approvals", "0016_attachments_opened"),
    ]

    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
