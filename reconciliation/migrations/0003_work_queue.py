"""Finer kinds, an owner, two people for what is large, runs that know how far they got."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reconciliation", "0002_guards"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="break",
            name="reconciliation_break_kind_known",
        ),
        migrations.RemoveConstraint(
            model_name="break",
            name="reconciliation_break_state_known",
        ),
        migrations.AddField(
            model_name="break",
            name="closing_as",
            field=models.CharField(
                blank=True, help_text="As what the first person wants it closed: explained or written_off", max_length=12
            ),
        ),
        migrations.AddField(
            model_name="break",
            name="limit_minor",
            field=models.BigIntegerField(blank=True, help_text="Up to here one person may close; as set when it was closed", null=True),
        ),
        migrations.AddField(
            model_name="break",
            name="owner",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="breaks_owned", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="break",
            name="reference",
            field=models.CharField(
                blank=True, help_text="What the ERP carries as reference: the key both sides are joined by", max_length=64
            ),
        ),
        migrations.AddField(
            model_name="break",
            name="seconded_by",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="position",
            field=models.CharField(
                blank=True, help_text="References up to here are compared: a run cut short goes on after it", max_length=64
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="progress",
            field=models.JSONField(blank=True, default=dict, help_text="Counts and totals up to the position"),
        ),
        migrations.AddField(
            model_name="run",
            name="scope",
            field=models.CharField(
                choices=[
                    ("full", "Everything up to the cut-off"),
                    ("incremental", "What changed since the last completed run, and everything still open"),
                ],
                default="full",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="since",
            field=models.DateTimeField(blank=True, help_text="What changed from here on is compared; empty for everything", null=True),
        ),
        migrations.AlterField(
            model_name="break",
            name="amount_minor",
            field=models.BigIntegerField(help_text="The larger side: what is at stake"),
        ),
        migrations.AlterField(
            model_name="break",
            name="fingerprint",
            field=models.CharField(help_text="Digest of kind, company, reference and document", max_length=71),
        ),
        migrations.AlterField(
            model_name="break",
            name="kind",
            field=models.CharField(
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
        migrations.AlterField(
            model_name="break",
            name="state",
            field=models.CharField(
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
        # Who closed a break before there was a limit closed it within theirs. The constraints below must not wait for this statement.
        migrations.RunSQL(
            "UPDATE reconciliation_break SET limit_minor = amount_minor WHERE state IN ('explained', 'written_off');"
            "SET CONSTRAINTS ALL IMMEDIATE",
            migrations.RunSQL.noop,
        ),
        migrations.AddIndex(
            model_name="break",
            index=models.Index(fields=["company", "state", "opened_at"], name="reconciliation_break_queue"),
        ),
        migrations.AddConstraint(
            model_name="break",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="break",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["open", "closing", "explained", "compensating", "resolved", "written_off"])),
                name="reconciliation_break_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="break",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["explained", "written_off"]), _negated=True),
                    models.Q(("amount_minor__lte", models.F("limit_minor")), ("handled_by__isnull", False), ("limit_minor__isnull", False)),
                    models.Q(("handled_by__isnull", False), ("limit_minor__isnull", False), ("seconded_by__isnull", False)),
                    _connector="OR",
                ),
                name="reconciliation_break_closed_by_enough",
            ),
        ),
        migrations.AddConstraint(
            model_name="break",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("seconded_by__isnull", True),
                    models.Q(("handled_by__isnull", False), models.Q(("seconded_by", models.F("handled_by")), _negated=True)),
                    _connector="OR",
                ),
                name="reconciliation_break_seconded_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="break",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closing_as__in", ["explained", "written_off"]), ("handled_by__isnull", False), ("state", "closing")),
                    models.Q(models.Q(("state", "closing"), _negated=True), ("closing_as", "")),
                    _connector="OR",
                ),
                name="reconciliation_break_closing_says_how",
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("scope", "full"), ("since__isnull", True)),
                    models.Q(("scope", "incremental"), ("since__isnull", False)),
                    _connector="OR",
                ),
                name="reconciliation_run_since_matches_scope",
            ),
        ),
    ]
