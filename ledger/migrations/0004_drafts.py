"""Drafts: documents that were created and refused at posting, as some ERPs leave them behind."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

import kernel.ids


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_landed_view")]

    operations = [
        migrations.CreateModel(
            name="Draft",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("number", models.CharField(db_collation="C", max_length=24)),
                ("tool", models.CharField(max_length=64)),
                ("content", models.JSONField()),
                ("reference", models.CharField(blank=True, db_collation="C", default="", max_length=64)),
                ("written_by", models.CharField(max_length=64)),
                ("recorded_at", models.DateTimeField()),
                (
                    "company",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="drafts", to="ledger.company"),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("company", "number"), name="ledger_draft_number_once")],
            },
        ),
    ]
