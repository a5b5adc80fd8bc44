"""Rates that were imported: which file they came from, instead of who wrote them down."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0011_decision_strength"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="exchangerate",
            name="recorded_by",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.CreateModel(
            name="RateImport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(max_length=80)),
                ("digest", models.CharField(help_text="SHA-256 over the file", max_length=71)),
                ("first_on", models.DateField()),
                ("last_on", models.DateField()),
                ("count", models.PositiveIntegerField(help_text="How many of its rates were new")),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("count__gte", 1), ("last_on__gte", models.F("first_on"))),
                        name="approvals_rate_import_of_something",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="exchangerate",
            name="imported_by",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="rates", to="approvals.rateimport"
            ),
        ),
        migrations.AddConstraint(
            model_name="exchangerate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("imported_by__isnull", True), ("recorded_by__isnull", False)),
                    models.Q(("imported_by__isnull", False), ("recorded_by__isnull", True)),
                    _connector="OR",
                ),
                name="approvals_rate_by_person_or_import",
            ),
        ),
    ]
