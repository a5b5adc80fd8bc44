"""A commit keeps its key, its request and its success."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("commits", "0001_tables")]
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("commits", "0001_initial"),
        ("commits", "0002_guards"),
        ("commits", "0003_presence_and_breaker"),
        ("commits", "0004_relandings"),
        ("commits", "0005_relanding_guards"),
    ]

    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))]
