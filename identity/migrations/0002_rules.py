"""Agents, keys, grants and issuers move forward only, whoever writes."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("identity", "0001_tables")]
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("identity", "0001_initial"),
        ("identity", "0002_guards"),
        ("identity", "0003_lifecycle"),
        ("identity", "0004_two_live_keys"),
        ("identity", "0005_token_terms"),
        ("identity", "0006_token_guards"),
        ("identity", "0007_limits"),
        ("identity", "0008_federation"),
        ("identity", "0009_federation_guards"),
        ("identity", "0010_role_expiry"),
        ("identity", "0011_saved_views"),
    ]

    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
