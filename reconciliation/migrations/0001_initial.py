import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import kernel.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("proposals", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Run",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=[("nightly", "Nightly"), ("on_demand", "On demand")], max_length=10)),
                ("company", models.CharField(max_length=12)),
                ("business_date", models.DateField()),
                ("cut_off_at", models.DateTimeField(help_text="Commits settled and documents written before this instant are compared")),
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
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "started_by",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Break",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("missing", "Approved and committed, but not in the ERP"),
                            ("duplicate", "Landed more than once"),
                            ("differs", "Landed, but not as approved"),
                            ("orphan", "In the ERP without an approval"),
                            ("unsettled", "Landed, but its commit is not settled"),
                        ],
                        max_length=12,
                    ),
                ),
                ("company", models.CharField(max_length=12)),
                ("document", models.CharField(blank=True, max_length=80)),
                ("fingerprint", models.CharField(help_text="Digest of kind, company, proposal and document", max_length=71)),
                ("intended", models.JSONField(null=True)),
                ("landed", models.JSONField(null=True)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
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
                ("opened_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
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
                    "handled_by",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "proposal",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="breaks", to="proposals.proposal"
                    ),
                ),
                (
                    "first_run",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="breaks_found", to="reconciliation.run"),
                ),
                (
                    "last_run",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="breaks_seen", to="reconciliation.run"),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["-started_at"], name="reconciliation_runs_newest"),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "nightly")), fields=("company", "business_date"), name="reconciliation_one_nightly_run"
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["running", "completed", "aborted"])), name="reconciliation_run_state_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="break",
            constraint=models.UniqueConstraint(fields=("fingerprint",), name="reconciliation_break_once"),
        ),
        migrations.AddConstraint(
            model_name="break",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["missing", "duplicate", "differs", "orphan", "unsettled"])),
                name="reconciliation_break_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="break",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["open", "explained", "compensating", "resolved", "written_off"])),
                name="reconciliation_break_state_known",
            ),
        ),
    ]
