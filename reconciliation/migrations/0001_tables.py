"""The tables of reconciliation: runs, breaks, rules and samples."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import kernel.ids
from kernel.tables import CreateTables


class Migration(migrations.Migration):
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("reconciliation", "0001_initial"),
        ("reconciliation", "0002_guards"),
        ("reconciliation", "0003_work_queue"),
        ("reconciliation", "0004_second_person_guard"),
        ("reconciliation", "0005_assurance"),
        ("reconciliation", "0006_assurance_guards"),
    ]

    initial = True

    dependencies = [
        ("auth", "__first__"),
        ("proposals", "0001_tables"),
    ]

    operations = [
        CreateTables(
            [
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
                            models.JSONField(
                                default=dict, help_text='{"J1": {version, tested, hits, not_applicable, not_tested: {why: count}}}'
                            ),
                        ),
                        ("detail", models.CharField(blank=True, max_length=500)),
                        (
                            "started_by",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("started_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "verbose_name": "run of the rules",
                        "indexes": [models.Index(fields=["-started_at"], name="reconciliation_rule_runs")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["requested", "completed", "aborted"])),
                                name="reconciliation_rule_run_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("since__lt", models.F("until"))), name="reconciliation_rule_run_period"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("finished_at__isnull", True), ("state", "requested")),
                                    models.Q(models.Q(("state", "requested"), _negated=True), ("finished_at__isnull", False)),
                                    _connector="OR",
                                ),
                                name="reconciliation_rule_run_finished",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="RuleHit",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "run",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="hits", to="reconciliation.rulerun"
                            ),
                        ),
                        (
                            "proposal",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.proposal"),
                        ),
                        ("rule", models.CharField(max_length=4)),
                        ("rule_version", models.PositiveSmallIntegerField()),
                        ("text", models.CharField(max_length=500)),
                        ("inputs", models.JSONField()),
                        ("threshold", models.JSONField()),
                        ("observed", models.JSONField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("run", "rule", "proposal"), name="reconciliation_rule_hit_once"),
                            models.CheckConstraint(
                                condition=models.Q(("rule__regex", "^J([1-9]|1[0-7])$")), name="reconciliation_rule_hit_rule_known"
                            ),
                        ],
                    },
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
                        (
                            "currency",
                            models.CharField(blank=True, help_text="Monetary unit: the one currency that was sampled", max_length=3),
                        ),
                        ("seed", models.CharField(max_length=64)),
                        ("size", models.PositiveIntegerField(help_text="How many were asked for; fewer when the population has fewer")),
                        ("population_count", models.PositiveBigIntegerField()),
                        ("population_totals", models.JSONField(help_text='{"EUR": minor units}')),
                        ("population_digest", models.CharField(help_text="Over the sorted ids with their amounts", max_length=71)),
                        ("purpose", models.CharField(max_length=300)),
                        (
                            "drawn_by",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("drawn_at", models.DateTimeField()),
                    ],
                    options={
                        "indexes": [models.Index(fields=["-drawn_at"], name="reconciliation_samples")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("method__in", ["random", "stratified", "monetary_unit"])),
                                name="reconciliation_sample_method_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("since__lt", models.F("until"))), name="reconciliation_sample_period"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(models.Q(("seed", ""), _negated=True), ("size__gte", 1)),
                                name="reconciliation_sample_has_seed",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SampleItem",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "sample",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="items", to="reconciliation.sample"
                            ),
                        ),
                        ("position", models.PositiveIntegerField()),
                        (
                            "proposal",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.proposal"),
                        ),
                        ("stratum", models.CharField(blank=True, max_length=60)),
                        ("because", models.CharField(help_text="The rank or the unit of money that selected it", max_length=120)),
                    ],
                    options={
                        "ordering": ["position"],
                        "constraints": [
                            models.UniqueConstraint(fields=("sample", "position"), name="reconciliation_sample_position_once"),
                            models.UniqueConstraint(fields=("sample", "proposal"), name="reconciliation_sample_item_once"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Run",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        ("kind", models.CharField(choices=[("nightly", "Nightly"), ("on_demand", "On demand")], max_length=10)),
                        ("company", models.CharField(max_length=12)),
                        ("business_date", models.DateField()),
                        (
                            "cut_off_at",
                            models.DateTimeField(help_text="Commits settled and documents written before this instant are compared"),
                        ),
                        (
                            "scope",
                            models.CharField(
                                choices=[
                                    ("full", "Everything up to the cut-off"),
                                    ("incremental", "What changed since the last completed run, and everything still open"),
                                ],
                                default="full",
                                max_length=12,
                            ),
                        ),
                        (
                            "since",
                            models.DateTimeField(
                                blank=True, help_text="What changed from here on is compared; empty for everything", null=True
                            ),
                        ),
                        (
                            "position",
                            models.CharField(
                                blank=True, help_text="References up to here are compared: a run cut short goes on after it", max_length=64
                            ),
                        ),
                        ("progress", models.JSONField(blank=True, default=dict, help_text="Counts and totals up to the position")),
                        (
                            "state",
                            models.CharField(
                                choices=[("running", "Running"), ("completed", "Completed"), ("aborted", "Aborted")],
                                default="running",
                                max_length=10,
                            ),
                        ),
                        ("intended_count", models.PositiveBigIntegerField(default=0)),
                        ("intended_totals", models.JSONField(default=dict, help_text='{"EUR": minor units}')),
                        ("landed_count", models.PositiveBigIntegerField(default=0)),
                        ("landed_totals", models.JSONField(default=dict, help_text='{"EUR": minor units}')),
                        ("matched_count", models.PositiveBigIntegerField(default=0)),
                        ("break_count", models.PositiveBigIntegerField(default=0)),
                        (
                            "started_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("started_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "indexes": [models.Index(fields=["-started_at"], name="reconciliation_runs_newest")],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("kind", "nightly")),
                                fields=("company", "business_date"),
                                name="reconciliation_one_nightly_run",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["running", "completed", "aborted"])),
                                name="reconciliation_run_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("scope", "full"), ("since__isnull", True)),
                                    models.Q(("scope", "incremental"), ("since__isnull", False)),
                                    _connector="OR",
                                ),
                                name="reconciliation_run_since_matches_scope",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Break",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "first_run",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="breaks_found", to="reconciliation.run"
                            ),
                        ),
                        (
                            "last_run",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="breaks_seen", to="reconciliation.run"
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("missing", "Approved and committed, but not in the ERP"),
                                    ("duplicate", "Landed more than once"),
                                    ("amount_differs", "Landed with another amount than approved"),
                                    ("account_differs", "Landed on another account or cost centre than approved"),
                                    ("counterparty_differs", "Landed with another counterparty than approved"),
                                    ("date_differs", "Landed on another date than approved"),
                                    ("differs", "Landed, but not as approved"),
                                    ("altered", "Altered in the ERP after it landed"),
                                    ("reversed_outside", "Reversed in the ERP without an approval"),
                                    ("orphan", "In the ERP without an approval"),
                                    ("late", "Due by the cut-off, but landed after it or not yet"),
                                    ("unknown_resolved", "Its outcome was unknown; it was found in the ERP"),
                                    ("unsettled", "Landed, although its commit failed"),
                                ],
                                max_length=24,
                            ),
                        ),
                        ("company", models.CharField(max_length=12)),
                        (
                            "proposal",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="breaks",
                                to="proposals.proposal",
                            ),
                        ),
                        (
                            "reference",
                            models.CharField(
                                blank=True, help_text="What the ERP carries as reference: the key both sides are joined by", max_length=64
                            ),
                        ),
                        ("document", models.CharField(blank=True, max_length=80)),
                        ("fingerprint", models.CharField(help_text="Digest of kind, company, reference and document", max_length=71)),
                        ("intended", models.JSONField(null=True)),
                        ("landed", models.JSONField(null=True)),
                        ("amount_minor", models.BigIntegerField(help_text="The larger side: what is at stake")),
                        ("currency", models.CharField(max_length=3)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("open", "Open"),
                                    ("closing", "Waiting for a second person"),
                                    ("explained", "Explained"),
                                    ("compensating", "Compensating"),
                                    ("resolved", "Resolved"),
                                    ("written_off", "Written off"),
                                ],
                                default="open",
                                max_length=12,
                            ),
                        ),
                        ("explanation", models.TextField(blank=True)),
                        (
                            "compensation",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="compensated_break",
                                to="proposals.proposal",
                            ),
                        ),
                        (
                            "owner",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="breaks_owned",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "handled_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "seconded_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "closing_as",
                            models.CharField(
                                blank=True, help_text="As what the first person wants it closed: explained or written_off", max_length=12
                            ),
                        ),
                        (
                            "limit_minor",
                            models.BigIntegerField(
                                blank=True, help_text="Up to here one person may close; as set when it was closed", null=True
                            ),
                        ),
                        ("opened_at", models.DateTimeField()),
                        ("closed_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "indexes": [models.Index(fields=["company", "state", "opened_at"], name="reconciliation_break_queue")],
                        "constraints": [
                            models.UniqueConstraint(fields=("fingerprint",), name="reconciliation_break_once"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "kind__in",
                                        [
                                            "missing",
                                            "duplicate",
                                            "amount_differs",
                                            "account_differs",
                                            "counterparty_differs",
                                            "date_differs",
                                            "differs",
                                            "altered",
                                            "reversed_outside",
                                            "orphan",
                                            "late",
                                            "unknown_resolved",
                                            "unsettled",
                                        ],
                                    )
                                ),
                                name="reconciliation_break_kind_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state__in", ["open", "closing", "explained", "compensating", "resolved", "written_off"])
                                ),
                                name="reconciliation_break_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state__in", ["explained", "written_off"]), _negated=True),
                                    models.Q(
                                        ("amount_minor__lte", models.F("limit_minor")),
                                        ("handled_by__isnull", False),
                                        ("limit_minor__isnull", False),
                                    ),
                                    models.Q(("handled_by__isnull", False), ("limit_minor__isnull", False), ("seconded_by__isnull", False)),
                                    _connector="OR",
                                ),
                                name="reconciliation_break_closed_by_enough",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("seconded_by__isnull", True),
                                    models.Q(
                                        ("handled_by__isnull", False), models.Q(("seconded_by", models.F("handled_by")), _negated=True)
                                    ),
                                    _connector="OR",
                                ),
                                name="reconciliation_break_seconded_by_another",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("closing_as__in", ["explained", "written_off"]),
                                        ("handled_by__isnull", False),
                                        ("state", "closing"),
                                    ),
                                    models.Q(models.Q(("state", "closing"), _negated=True), ("closing_as", "")),
                                    _connector="OR",
                                ),
                                name="reconciliation_break_closing_says_how",
                            ),
                        ],
                    },
                ),
            ]
        ),
    ]
