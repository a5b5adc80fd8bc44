"""The tables of gateway: faults switched on for a demonstration."""

from __future__ import annotations

from django.db import migrations, models

from kernel.tables import CreateTables


class Migration(migrations.Migration):
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("gateway", "0001_faults"),
    ]

    initial = True

    dependencies = []

    operations = [
        CreateTables(
            [
                migrations.CreateModel(
                    name="Fault",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("connection", models.CharField(max_length=40)),
                        (
                            "mode",
                            models.CharField(
                                choices=[
                                    ("down", "Not reachable"),
                                    ("rate_limited", "Rate-limited"),
                                    ("locked", "503, could not obtain lock"),
                                    ("no_answer", "No answer"),
                                    ("commit_then_drop", "Commits, then drops the connection"),
                                    ("late_answer", "Writes after we gave up waiting"),
                                    ("slow", "Slow"),
                                    ("delivered_twice", "Gets the request twice"),
                                    ("error_in_ok", "200 with an error body"),
                                    ("duplicate_500", "500 on a duplicate"),
                                    ("wrong_answer", "Answers with somebody else's document"),
                                    ("renumbered", "Renumbers at posting"),
                                    ("stray_draft", "Refuses, and leaves a draft"),
                                    ("redated", "Re-dates into the next open period"),
                                    ("taxed", "Adds default tax"),
                                ],
                                max_length=20,
                            ),
                        ),
                        (
                            "remaining",
                            models.PositiveIntegerField(blank=True, help_text="Strikes left; empty: until it is switched off", null=True),
                        ),
                        ("probability_percent", models.PositiveSmallIntegerField(default=100)),
                        ("struck_count", models.PositiveBigIntegerField(default=0, help_text="Strikes ever; survives switching off")),
                        ("is_on", models.BooleanField(default=True)),
                        ("switched_by", models.CharField(blank=True, max_length=80)),
                        ("switched_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("connection", "mode"), name="gateway_fault_once"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "mode__in",
                                        [
                                            "down",
                                            "rate_limited",
                                            "locked",
                                            "no_answer",
                                            "commit_then_drop",
                                            "late_answer",
                                            "slow",
                                            "delivered_twice",
                                            "error_in_ok",
                                            "duplicate_500",
                                            "wrong_answer",
                                            "renumbered",
                                            "stray_draft",
                                            "redated",
                                            "taxed",
                                        ],
                                    )
                                ),
                                name="gateway_fault_mode_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("probability_percent__gte", 1), ("probability_percent__lte", 100)),
                                name="gateway_fault_probability_in_percent",
                            ),
                        ],
                    },
                ),
            ]
        ),
    ]
