"""Claims know the session that holds them; connections have a circuit breaker; differences are found without a scan."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("commits", "0002_guards")]

    operations = [
        migrations.AddField(
            model_name="commit",
            name="holder",
            field=models.BigIntegerField(blank=True, help_text="The session that claimed it: see commits.presence", null=True),
        ),
        migrations.AddField(
            model_name="commit",
            name="holder_server_started_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="commit",
            constraint=models.CheckConstraint(
                condition=Q(state="in_flight") | Q(holder__isnull=True, holder_server_started_at__isnull=True),
                name="commits_holder_only_in_flight",
            ),
        ),
        migrations.AddIndex(
            model_name="receipt",
            index=models.Index(
                condition=Q(("differences", []), _negated=True), fields=["recorded_at"], name="commits_receipt_that_differs"
            ),
        ),
        migrations.CreateModel(
            name="Breaker",
            fields=[
                ("connection", models.CharField(max_length=40, primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[("closed", "Closed"), ("open", "Open"), ("half_open", "Half open")], default="closed", max_length=9
                    ),
                ),
                ("failure_count", models.PositiveIntegerField(default=0, help_text="Failures in a row")),
                ("opening_count", models.PositiveIntegerField(default=0, help_text="Openings in a row: each waits longer")),
                ("probe_at", models.DateTimeField(blank=True, null=True)),
                (
                    "paused_until",
                    models.DateTimeField(blank=True, help_text="The ERP asked to be left alone until then", null=True),
                ),
                ("code", models.CharField(blank=True, max_length=64)),
                ("detail", models.TextField(blank=True)),
                ("changed_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(state__in=["closed", "open", "half_open"]),
                        name="commits_breaker_state_known",
                    ),
                    models.CheckConstraint(
                        condition=(Q(state="closed") & Q(probe_at__isnull=True)) | (~Q(state="closed") & Q(probe_at__isnull=False)),
                        name="commits_breaker_probes_unless_closed",
                    ),
                ],
            },
        ),
    ]
