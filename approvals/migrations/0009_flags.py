"""What the rules J1-J17 found at submission, and the versions of thresholds they were held against."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0008_work_guards"),
        ("proposals", "0004_webhooks"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Flag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rule", models.CharField(max_length=4)),
                ("rule_version", models.PositiveSmallIntegerField()),
                ("thresholds_version", models.PositiveIntegerField(help_text="0: the defaults, nobody has set any")),
                ("text", models.CharField(max_length=500)),
                ("inputs", models.JSONField()),
                ("threshold", models.JSONField()),
                ("observed", models.JSONField()),
                ("created_at", models.DateTimeField()),
                (
                    "proposal",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="flags", to="proposals.proposal"),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("proposal", "rule"), name="approvals_flag_once_per_rule"),
                    models.CheckConstraint(condition=models.Q(("rule__regex", "^J([1-9]|1[0-7])$")), name="approvals_flag_rule_known"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ThresholdSet",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "company",
                    models.CharField(blank=True, help_text="Empty: for every company that has none of its own", max_length=12),
                ),
                ("version", models.PositiveIntegerField()),
                (
                    "values",
                    models.JSONField(help_text="Name to text, as approvals.rules.thresholds reads it; what is left out has its default"),
                ),
                ("digest", models.CharField(help_text="Over the canonical values", max_length=71)),
                ("reason", models.CharField(max_length=500)),
                ("created_at", models.DateTimeField()),
                ("activated_at", models.DateTimeField(blank=True, null=True)),
                (
                    "activated_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("activated_at__isnull", False)),
                        fields=["company", "-version"],
                        name="approvals_thresholds_in_force",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("company", "version"), name="approvals_thresholds_version_once"),
                    models.CheckConstraint(condition=models.Q(("version__gte", 1)), name="approvals_thresholds_version_from_one"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("activated_at__isnull", True), ("activated_by__isnull", True)),
                            models.Q(
                                ("activated_at__isnull", False),
                                ("activated_by__isnull", False),
                                models.Q(("activated_by", models.F("author")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="approvals_thresholds_second_person",
                    ),
                    models.CheckConstraint(condition=models.Q(("reason", ""), _negated=True), name="approvals_thresholds_have_reason"),
                ],
            },
        ),
    ]
