"""Runs of the rules over a period, and samples."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import kernel.ids


class Migration(migrations.Migration):
    dependencies = [
        ("proposals", "0005_history_index"),
        ("reconciliation", "0004_second_person_guard"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RuleRun",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("companies", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=12), size=None)),
                (
                    "state",
                    models.CharField(
                        choices=[("requested", "Requested"), ("completed", "Completed"), ("aborted", "Aborted")],
                        default="requested",
                        max_length=10,
                    ),
                ),
                ("population_count", models.PositiveBigIntegerField(default=0)),
                ("population_totals", models.JSONField(default=dict, help_text='{"EUR": minor units}')),
                ("thresholds", models.JSONField(default=dict, help_text='{"DE01": version of the thresholds in force}')),
                (
                    "results",
                    models.JSONField(default=dict, help_text='{"J1": {version, tested, hits, not_applicable, not_tested: {why: count}}}'),
                ),
                ("detail", models.CharField(blank=True, max_length=500)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "started_by",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                ),
            ],
            options={
                "verbose_name": "run of the rules",
            },
        ),
        migrations.CreateModel(
            name="RuleHit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rule", models.CharField(max_length=4)),
                ("rule_version", models.PositiveSmallIntegerField()),
                ("text", models.CharField(max_length=500)),
                ("inputs", models.JSONField()),
                ("threshold", models.JSONField()),
                ("observed", models.JSONField()),
                ("proposal", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.proposal")),
                ("run", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="hits", to="reconciliation.rulerun")),
            ],
        ),
        migrations.CreateModel(
            name="Sample",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("companies", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=12), size=None)),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("random", "Random: every write is as likely as any other"),
                            ("stratified", "Stratified: from each band of amounts in proportion"),
                            ("monetary_unit", "Monetary unit: every unit of money is as likely as any other"),
                        ],
                        max_length=14,
                    ),
                ),
                ("currency", models.CharField(blank=True, help_text="Monetary unit: the one currency that was sampled", max_length=3)),
                ("seed", models.CharField(max_length=64)),
                ("size", models.PositiveIntegerField(help_text="How many were asked for; fewer when the population has fewer")),
                ("population_count", models.PositiveBigIntegerField()),
                ("population_totals", models.JSONField(help_text='{"EUR": minor units}')),
                ("population_digest", models.CharField(help_text="Over the sorted ids with their amounts", max_length=71)),
                ("purpose", models.CharField(max_length=300)),
                ("drawn_at", models.DateTimeField()),
                ("drawn_by", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name="SampleItem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField()),
                ("stratum", models.CharField(blank=True, max_length=60)),
                ("because", models.CharField(help_text="The rank or the unit of money that selected it", max_length=120)),
                ("proposal", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.proposal")),
                (
                    "sample",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="items", to="reconciliation.sample"),
                ),
            ],
            options={
                "ordering": ["position"],
            },
        ),
        migrations.AddIndex(
            model_name="rulerun",
            index=models.Index(fields=["-started_at"], name="reconciliation_rule_runs"),
        ),
        migrations.AddConstraint(
            model_name="rulerun",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["requested", "completed", "aborted"])), name="reconciliation_rule_run_state_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="rulerun",
            constraint=models.CheckConstraint(condition=models.Q(("since__lt", models.F("until"))), name="reconciliation_rule_run_period"),
        ),
        migrations.AddConstraint(
            model_name="rulerun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at__isnull", True), ("state", "requested")),
                    models.Q(models.Q(("state", "requested"), _negated=True), ("finished_at__isnull", False)),
                    _connector="OR",
                ),
                name="reconciliation_rule_run_finished",
            ),
        ),
        migrations.AddConstraint(
            model_name="rulehit",
            constraint=models.UniqueConstraint(fields=("run", "rule", "proposal"), name="reconciliation_rule_hit_once"),
        ),
        migrations.AddConstraint(
            model_name="rulehit",
            constraint=models.CheckConstraint(
                condition=models.Q(("rule__regex", "^J([1-9]|1[0-7])$")), name="reconciliation_rule_hit_rule_known"
            ),
        ),
        migrations.AddIndex(
            model_name="sample",
            index=models.Index(fields=["-drawn_at"], name="reconciliation_samples"),
        ),
        migrations.AddConstraint(
            model_name="sample",
            constraint=models.CheckConstraint(
                condition=models.Q(("method__in", ["random", "stratified", "monetary_unit"])), name="reconciliation_sample_method_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="sample",
            constraint=models.CheckConstraint(condition=models.Q(("since__lt", models.F("until"))), name="reconciliation_sample_period"),
        ),
        migrations.AddConstraint(
            model_name="sample",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("seed", ""), _negated=True), ("size__gte", 1)), name="reconciliation_sample_has_seed"
            ),
        ),
        migrations.AddConstraint(
            model_name="sampleitem",
            constraint=models.UniqueConstraint(fields=("sample", "position"), name="reconciliation_sample_position_once"),
        ),
        migrations.AddConstraint(
            model_name="sampleitem",
            constraint=models.UniqueConstraint(fields=("sample", "proposal"), name="reconciliation_sample_item_once"),
        ),
    ]
