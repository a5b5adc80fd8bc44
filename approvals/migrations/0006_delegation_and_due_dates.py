"""Delegations, and whose right a decision used; business calendars, and when a step is due."""

from __future__ import annotations

from datetime import timedelta

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
from django.conf import settings
from django.db import migrations, models

import kernel.ids


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0005_matrix_guards"),
        ("identity", "0009_federation_guards"),
        ("proposals", "0004_webhooks"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.CreateModel(
            name="BusinessCalendar",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("company", models.CharField(max_length=12, unique=True)),
                (
                    "weekend",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(),
                        default=list,
                        help_text="ISO weekdays without work: 6 is Saturday, 7 is Sunday",
                        size=None,
                    ),
                ),
                ("time_zone", models.CharField(default="UTC", max_length=60)),
                ("opens_at", models.TimeField()),
                ("closes_at", models.TimeField()),
                ("updated_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Delegation",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("companies", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=12), size=None)),
                (
                    "groups",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=50),
                        blank=True,
                        default=list,
                        help_text="Codes of groups; empty means all",
                        size=None,
                    ),
                ),
                (
                    "tools",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        blank=True,
                        default=list,
                        help_text="Names of tools; empty means all",
                        size=None,
                    ),
                ),
                (
                    "limit_minor",
                    models.BigIntegerField(blank=True, help_text="Largest amount; empty means the delegator's own limit", null=True),
                ),
                ("limit_currency", models.CharField(blank=True, default="", max_length=3)),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("note", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, help_text="Ended early, by hand", null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Holiday",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("on", models.DateField()),
                ("title", models.CharField(max_length=80)),
            ],
            options={
                "ordering": ["on"],
            },
        ),
        migrations.AddField(
            model_name="decision",
            name="acting_for",
            field=models.ForeignKey(
                blank=True,
                help_text="Whose right was used, when a delegate decided",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="routestep",
            name="due_at",
            field=models.DateTimeField(blank=True, help_text="Set when the step opens, by the company's calendar", null=True),
        ),
        migrations.AddField(
            model_name="routestep",
            name="due_days",
            field=models.PositiveSmallIntegerField(
                blank=True, help_text="Business days from opening; empty: the installation's", null=True
            ),
        ),
        migrations.AddField(
            model_name="routestep",
            name="escalated_at",
            field=models.DateTimeField(blank=True, help_text="Since when the fallback group is asked as well", null=True),
        ),
        migrations.AddField(
            model_name="routestep",
            name="fallback_group",
            field=models.ForeignKey(
                blank=True,
                help_text="Asked as well once it is overdue",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="identity.approvalgroup",
            ),
        ),
        migrations.AddIndex(
            model_name="routestep",
            index=models.Index(condition=models.Q(("state", "open")), fields=["due_at"], name="approvals_open_steps_by_due"),
        ),
        migrations.AddIndex(
            model_name="routestep",
            index=models.Index(
                condition=models.Q(("escalated_at__isnull", False), ("state", "open")),
                fields=["fallback_group"],
                name="approvals_escalated_steps",
            ),
        ),
        migrations.AddConstraint(
            model_name="routestep",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("escalated_at__isnull", True), models.Q(("due_at__isnull", False), ("fallback_group__isnull", False)), _connector="OR"
                ),
                name="approvals_escalated_to_somebody",
            ),
        ),
        migrations.AddField(
            model_name="businesscalendar",
            name="updated_by",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name="delegation",
            name="delegate",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="delegations_held", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="delegation",
            name="delegator",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="delegations_given", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="delegation",
            name="ended_by",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="delegation",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="decisions", to="approvals.delegation"
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.UniqueConstraint(
                models.F("proposal"),
                django.db.models.functions.comparison.Coalesce("acting_for", "user"),
                name="approvals_one_decision_per_right",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("acting_for__isnull", True), ("delegation__isnull", True)),
                    models.Q(
                        ("acting_for__isnull", False),
                        ("delegation__isnull", False),
                        models.Q(("acting_for", models.F("user")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="approvals_acting_by_delegation",
            ),
        ),
        migrations.AddField(
            model_name="holiday",
            name="calendar",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="holidays", to="approvals.businesscalendar"),
        ),
        migrations.AddConstraint(
            model_name="businesscalendar",
            constraint=models.CheckConstraint(
                condition=models.Q(("closes_at__gt", models.F("opens_at"))), name="approvals_calendar_day_not_empty"
            ),
        ),
        migrations.AddConstraint(
            model_name="businesscalendar",
            constraint=models.CheckConstraint(
                condition=models.Q(("weekend__contained_by", [1, 2, 3, 4, 5, 6, 7]), ("weekend__len__lte", 6)),
                name="approvals_calendar_week_has_work",
            ),
        ),
        migrations.AddIndex(
            model_name="delegation",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", True)), fields=["delegate", "ends_at"], name="approvals_delegations_held"
            ),
        ),
        migrations.AddIndex(
            model_name="delegation",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", True)), fields=["delegator", "ends_at"], name="approvals_delegations_given"
            ),
        ),
        migrations.AddConstraint(
            model_name="delegation",
            constraint=models.CheckConstraint(
                condition=models.Q(("delegator", models.F("delegate")), _negated=True), name="approvals_delegation_to_another"
            ),
        ),
        migrations.AddConstraint(
            model_name="delegation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_at__gt", models.F("starts_at")),
                    (
                        "ends_at__lte",
                        django.db.models.expressions.CombinedExpression(models.F("starts_at"), "+", models.Value(timedelta(days=92))),
                    ),
                ),
                name="approvals_delegation_is_dated",
            ),
        ),
        migrations.AddConstraint(
            model_name="delegation",
            constraint=models.CheckConstraint(
                condition=models.Q(("companies", []), _negated=True), name="approvals_delegation_has_companies"
            ),
        ),
        migrations.AddConstraint(
            model_name="delegation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("limit_currency", ""), ("limit_minor__isnull", True)),
                    models.Q(("limit_currency__regex", "^[A-Z]{3}$"), ("limit_minor__gte", 0), ("limit_minor__isnull", False)),
                    _connector="OR",
                ),
                name="approvals_delegation_limit_has_currency",
            ),
        ),
        migrations.AddConstraint(
            model_name="delegation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", True), ("ended_by__isnull", True)),
                    models.Q(("ended_at__isnull", False), ("ended_by__isnull", False)),
                    _connector="OR",
                ),
                name="approvals_delegation_ended_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="holiday",
            constraint=models.UniqueConstraint(fields=("calendar", "on"), name="approvals_holiday_once"),
        ),
    ]
