"""Quota counters and counts of refusals."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0006_token_guards"),
    ]

    operations = [
        migrations.CreateModel(
            name="RateCounter",
            fields=[
                ("key", models.CharField(max_length=160, primary_key=True, serialize=False)),
                ("full_at", models.DateTimeField(help_text="When nothing of the quota will be used any more")),
                ("is_allowed", models.BooleanField(help_text="What the last one who asked was told")),
            ],
        ),
        migrations.CreateModel(
            name="RefusalCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(help_text="An address, an agent, or * for many sources at once", max_length=120)),
                ("kind", models.CharField(max_length=80)),
                ("code", models.CharField(max_length=80)),
                ("window_start", models.DateTimeField()),
                ("window_end", models.DateTimeField(db_index=True)),
                ("count", models.PositiveIntegerField()),
                ("recorded", models.PositiveIntegerField(help_text="How many of them have an event of their own")),
                ("actor_kind", models.CharField(max_length=10)),
                ("actor_id", models.CharField(max_length=80)),
                ("subject_kind", models.CharField(max_length=40)),
                ("subject_id", models.CharField(max_length=80)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("source", "kind", "code", "window_start"), name="identity_refusals_one_count_per_window"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("window_end__gt", models.F("window_start"))), name="identity_refusals_window_has_length"
                    ),
                ],
            },
        ),
        # A counter is written at every request: no write-ahead log, and room on the page for the new version of its row.
        migrations.RunSQL(
            "ALTER TABLE identity_ratecounter SET UNLOGGED; ALTER TABLE identity_ratecounter SET (fillfactor = 50)",
            migrations.RunSQL.noop,
        ),
    ]
