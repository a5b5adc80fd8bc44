"""Evidence is only added; payloads are destroyed by lists of two people; events lie in monthly partitions."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_tables")]
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("audit", "0001_initial"),
        ("audit", "0002_insert_only"),
        ("audit", "0003_exports"),
        ("audit", "0004_payload_keys"),
        ("audit", "0005_encrypted_payloads"),
        ("audit", "0006_retention"),
        ("audit", "0007_retention_guards"),
        ("audit", "0008_links_and_partitions"),
    ]

    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
