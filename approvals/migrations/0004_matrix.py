"""The matrix grows: conditions on accounts, counterparties and flags, rules of steps, company currencies with rates, editors."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0003_decision_evidence"),
        ("identity", "0009_federation_guards"),
        ("proposals", "0004_webhooks"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CompanyCurrency",
            fields=[
                ("company", models.CharField(max_length=12, primary_key=True, serialize=False)),
                ("currency", models.CharField(max_length=3)),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "company currencies",
            },
        ),
        migrations.CreateModel(
            name="ExchangeRate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("from_currency", models.CharField(max_length=3)),
                ("to_currency", models.CharField(max_length=3)),
                ("rate", models.DecimalField(decimal_places=10, max_digits=20)),
                ("rate_on", models.DateField()),
                ("source", models.CharField(max_length=80)),
                ("recorded_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="PolicyEditor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("first_edited_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="StepGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ],
        ),
        migrations.AddField(
            model_name="policyrow",
            name="account",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Patterns; matches when one account of the write does; empty matches every write",
                max_length=120,
            ),
        ),
        migrations.AddField(
            model_name="policyrow",
            name="author",
            field=models.ForeignKey(
                blank=True,
                help_text="Who last wrote this row",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="policyrow",
            name="bulk_up_to_minor",
            field=models.BigIntegerField(blank=True, help_text="May be approved in bulk up to this amount; empty: never", null=True),
        ),
        migrations.AddField(
            model_name="policyrow",
            name="counterparty",
            field=models.CharField(blank=True, default="", help_text="Patterns of vendor, customer or item numbers", max_length=120),
        ),
        migrations.AddField(
            model_name="policyrow",
            name="flags_forbidden",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=4), blank=True, default=list, help_text="Rules that must not have struck", size=None
            ),
        ),
        migrations.AddField(
            model_name="policyrow",
            name="flags_required",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=4), blank=True, default=list, help_text="Rules that must have struck", size=None
            ),
        ),
        migrations.AddField(
            model_name="policyrow",
            name="rolling_by",
            field=models.CharField(
                choices=[("counterparty", "Vendor, customer or item"), ("account", "Account"), ("cost_centre", "Cost centre")],
                default="counterparty",
                help_text="What the sum is kept by",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="policyrow",
            name="step_up_from_minor",
            field=models.BigIntegerField(blank=True, help_text="From this amount on a decision needs a second factor", null=True),
        ),
        migrations.AddField(
            model_name="route",
            name="routed_currency",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="The company's currency; empty when it is the proposal's own", max_length=3
            ),
        ),
        migrations.AddField(
            model_name="routestep",
            name="is_distinct",
            field=models.BooleanField(db_default=True, default=True, help_text="One person counts for one of the groups only"),
        ),
        migrations.AddField(
            model_name="routestep",
            name="per_group",
            field=models.PositiveIntegerField(db_default=0, default=0, help_text="How many of each group, for the rule per_group"),
        ),
        migrations.AddField(
            model_name="routestep",
            name="rule",
            field=models.CharField(
                choices=[
                    ("any", "Any one of them"),
                    ("all", "All of them"),
                    ("quorum", "So many of them"),
                    ("per_group", "So many of each group"),
                ],
                db_default="quorum",
                default="quorum",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="policyrow",
            name="cost_centre",
            field=models.CharField(blank=True, help_text="Patterns such as 41*, 4200; empty matches every cost centre", max_length=120),
        ),
        migrations.AlterField(
            model_name="policyrow",
            name="currency",
            field=models.CharField(help_text="The company's currency, in which the amount is compared", max_length=3),
        ),
        migrations.AlterField(
            model_name="policyrow",
            name="rolling_days",
            field=models.PositiveIntegerField(
                default=0, help_text="Compare the rolling sum per agent over so many days, not the single amount"
            ),
        ),
        migrations.AlterField(
            model_name="routestep",
            name="min_approvals",
            field=models.PositiveIntegerField(help_text="How many different people, all groups together"),
        ),
        migrations.AddConstraint(
            model_name="policyrow",
            constraint=models.CheckConstraint(
                condition=models.Q(("rolling_by__in", ["counterparty", "account", "cost_centre"])), name="approvals_rolling_key_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="policyrow",
            constraint=models.CheckConstraint(
                condition=models.Q(("flags_required__overlap", models.F("flags_forbidden")), _negated=True),
                name="approvals_flag_on_one_side",
            ),
        ),
        migrations.AddConstraint(
            model_name="routestep",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("per_group__gte", 1), ("rule", "per_group")),
                    models.Q(("rule__in", ["any", "all", "quorum"]), ("per_group", 0)),
                    _connector="OR",
                ),
                name="approvals_step_rule_known",
            ),
        ),
        migrations.AddField(
            model_name="companycurrency",
            name="recorded_by",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name="exchangerate",
            name="recorded_by",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name="policyeditor",
            name="policy",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="editors", to="approvals.policy"),
        ),
        migrations.AddField(
            model_name="policyeditor",
            name="user",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name="stepgroup",
            name="group",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.approvalgroup"),
        ),
        migrations.AddField(
            model_name="stepgroup",
            name="step",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="further_groups", to="approvals.routestep"),
        ),
        migrations.AddConstraint(
            model_name="companycurrency",
            constraint=models.CheckConstraint(
                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="approvals_company_currency_form"
            ),
        ),
        migrations.AddIndex(
            model_name="exchangerate",
            index=models.Index(fields=["from_currency", "to_currency", "-rate_on", "-recorded_at"], name="approvals_newest_rate"),
        ),
        migrations.AddConstraint(
            model_name="exchangerate",
            constraint=models.CheckConstraint(condition=models.Q(("rate__gt", 0)), name="approvals_rate_is_positive"),
        ),
        migrations.AddConstraint(
            model_name="exchangerate",
            constraint=models.CheckConstraint(
                condition=models.Q(("from_currency", models.F("to_currency")), _negated=True), name="approvals_rate_between_two"
            ),
        ),
        migrations.AddConstraint(
            model_name="exchangerate",
            constraint=models.CheckConstraint(
                condition=models.Q(("from_currency__regex", "^[A-Z]{3}$"), ("to_currency__regex", "^[A-Z]{3}$")),
                name="approvals_rate_currency_form",
            ),
        ),
        migrations.AddConstraint(
            model_name="policyeditor",
            constraint=models.UniqueConstraint(fields=("policy", "user"), name="approvals_editor_once_per_policy"),
        ),
        migrations.AddConstraint(
            model_name="stepgroup",
            constraint=models.UniqueConstraint(fields=("step", "group"), name="approvals_group_once_per_step"),
        ),
    ]
