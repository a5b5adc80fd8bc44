"""The tables of approvals: policies, routes, presentations, decisions and the work around them."""

from __future__ import annotations

import datetime as dt

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
from django.conf import settings
from django.db import migrations, models

import kernel.ids
from kernel.tables import CreateTables


class Migration(migrations.Migration):
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("approvals", "0001_initial"),
        ("approvals", "0002_guards"),
        ("approvals", "0003_decision_evidence"),
        ("approvals", "0004_matrix"),
        ("approvals", "0005_matrix_guards"),
        ("approvals", "0006_delegation_and_due_dates"),
        ("approvals", "0007_work_mail_bulk_oversight"),
        ("approvals", "0008_work_guards"),
        ("approvals", "0009_flags"),
        ("approvals", "0010_flag_guards"),
        ("approvals", "0011_decision_strength"),
        ("approvals", "0012_rate_imports"),
        ("approvals", "0013_rate_import_guards"),
        ("approvals", "0014_fallback_stands_in"),
        ("approvals", "0015_vendor_class"),
        ("approvals", "0016_attachments_opened"),
    ]

    initial = True

    dependencies = [
        ("auth", "__first__"),
        ("identity", "0001_tables"),
        ("proposals", "0001_tables"),
    ]

    operations = [
        CreateTables(
            [
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
                        (
                            "updated_by",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("closes_at__gt", models.F("opens_at"))), name="approvals_calendar_day_not_empty"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("weekend__contained_by", [1, 2, 3, 4, 5, 6, 7]), ("weekend__len__lte", 6)),
                                name="approvals_calendar_week_has_work",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Holiday",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "calendar",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="holidays", to="approvals.businesscalendar"
                            ),
                        ),
                        ("on", models.DateField()),
                        ("title", models.CharField(max_length=80)),
                    ],
                    options={
                        "ordering": ["on"],
                        "constraints": [models.UniqueConstraint(fields=("calendar", "on"), name="approvals_holiday_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Delegation",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "delegator",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="delegations_given", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                        (
                            "delegate",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="delegations_held", to=settings.AUTH_USER_MODEL
                            ),
                        ),
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
                            models.BigIntegerField(
                                blank=True, help_text="Largest amount; empty means the delegator's own limit", null=True
                            ),
                        ),
                        ("limit_currency", models.CharField(blank=True, default="", max_length=3)),
                        ("starts_at", models.DateTimeField()),
                        ("ends_at", models.DateTimeField()),
                        ("note", models.CharField(blank=True, max_length=200)),
                        ("created_at", models.DateTimeField()),
                        ("ended_at", models.DateTimeField(blank=True, help_text="Ended early, by hand", null=True)),
                        (
                            "ended_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("ended_at__isnull", True)),
                                fields=["delegate", "ends_at"],
                                name="approvals_delegations_held",
                            ),
                            models.Index(
                                condition=models.Q(("ended_at__isnull", True)),
                                fields=["delegator", "ends_at"],
                                name="approvals_delegations_given",
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("delegator", models.F("delegate")), _negated=True),
                                name="approvals_delegation_to_another",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("ends_at__gt", models.F("starts_at")),
                                    (
                                        "ends_at__lte",
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("starts_at"), "+", models.Value(dt.timedelta(days=92))
                                        ),
                                    ),
                                ),
                                name="approvals_delegation_is_dated",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("companies", []), _negated=True), name="approvals_delegation_has_companies"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("limit_currency", ""), ("limit_minor__isnull", True)),
                                    models.Q(
                                        ("limit_currency__regex", "^[A-Z]{3}$"), ("limit_minor__gte", 0), ("limit_minor__isnull", False)
                                    ),
                                    _connector="OR",
                                ),
                                name="approvals_delegation_limit_has_currency",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("ended_at__isnull", True), ("ended_by__isnull", True)),
                                    models.Q(("ended_at__isnull", False), ("ended_by__isnull", False)),
                                    _connector="OR",
                                ),
                                name="approvals_delegation_ended_by_somebody",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Policy",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        ("version", models.PositiveIntegerField(unique=True)),
                        ("title", models.CharField(max_length=120)),
                        (
                            "state",
                            models.CharField(
                                choices=[("draft", "Draft"), ("review", "In review"), ("active", "Active"), ("retired", "Retired")],
                                default="draft",
                                max_length=10,
                            ),
                        ),
                        (
                            "text_bytes",
                            models.BinaryField(default=b"", help_text="Canonical text of all rows, fixed when the policy leaves draft"),
                        ),
                        ("digest", models.CharField(blank=True, help_text="Over text_bytes; empty in draft", max_length=71)),
                        (
                            "author",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
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
                        ("created_at", models.DateTimeField()),
                        ("activated_at", models.DateTimeField(blank=True, null=True)),
                        ("retired_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "verbose_name_plural": "policies",
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "active")), fields=("state",), name="approvals_one_active_policy"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["draft", "review", "active", "retired"])),
                                name="approvals_policy_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("activated_by__isnull", True),
                                    models.Q(("activated_by", models.F("author")), _negated=True),
                                    _connector="OR",
                                ),
                                name="approvals_author_never_activates",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("activated_by__isnull", True), ("state__in", ["draft", "review"])),
                                    models.Q(
                                        ("activated_at__isnull", False),
                                        ("activated_by__isnull", False),
                                        ("state__in", ["active", "retired"]),
                                    ),
                                    _connector="OR",
                                ),
                                name="approvals_active_means_activated",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PolicyRow",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "policy",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="rows", to="approvals.policy"),
                        ),
                        ("priority", models.PositiveIntegerField()),
                        ("title", models.CharField(max_length=120)),
                        ("tool", models.CharField(max_length=64)),
                        ("company", models.CharField(blank=True, help_text="Empty matches every company", max_length=12)),
                        (
                            "cost_centre",
                            models.CharField(
                                blank=True, help_text="Patterns such as 41*, 4200; empty matches every cost centre", max_length=120
                            ),
                        ),
                        (
                            "account",
                            models.CharField(
                                blank=True,
                                default="",
                                help_text="Patterns; matches when one account of the write does; empty matches every write",
                                max_length=120,
                            ),
                        ),
                        (
                            "counterparty",
                            models.CharField(
                                blank=True, default="", help_text="Patterns of vendor, customer or item numbers", max_length=120
                            ),
                        ),
                        (
                            "vendor_class",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="Patterns of the classes in which the ERP keeps vendors",
                                max_length=120,
                            ),
                        ),
                        (
                            "flags_required",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=4),
                                blank=True,
                                default=list,
                                help_text="Rules that must have struck",
                                size=None,
                            ),
                        ),
                        (
                            "flags_forbidden",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=4),
                                blank=True,
                                default=list,
                                help_text="Rules that must not have struck",
                                size=None,
                            ),
                        ),
                        ("currency", models.CharField(help_text="The company's currency, in which the amount is compared", max_length=3)),
                        ("from_minor", models.BigIntegerField(default=0, help_text="Inclusive")),
                        ("up_to_minor", models.BigIntegerField(blank=True, help_text="Inclusive; empty means no upper end", null=True)),
                        (
                            "rolling_days",
                            models.PositiveIntegerField(
                                default=0, help_text="Compare the rolling sum per agent over so many days, not the single amount"
                            ),
                        ),
                        (
                            "rolling_by",
                            models.CharField(
                                choices=[
                                    ("counterparty", "Vendor, customer or item"),
                                    ("account", "Account"),
                                    ("cost_centre", "Cost centre"),
                                ],
                                default="counterparty",
                                help_text="What the sum is kept by",
                                max_length=12,
                            ),
                        ),
                        (
                            "is_automatic",
                            models.BooleanField(default=False, help_text="Approves without a person: reversible tools only, capped"),
                        ),
                        ("steps", models.JSONField(help_text='[{"group": "purchasing", "min_approvals": 1}], asked in order')),
                        (
                            "bulk_up_to_minor",
                            models.BigIntegerField(
                                blank=True, help_text="May be approved in bulk up to this amount; empty: never", null=True
                            ),
                        ),
                        (
                            "step_up_from_minor",
                            models.BigIntegerField(blank=True, help_text="From this amount on a decision needs a second factor", null=True),
                        ),
                        (
                            "author",
                            models.ForeignKey(
                                blank=True,
                                help_text="Who last wrote this row",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["priority"],
                        "constraints": [
                            models.UniqueConstraint(fields=("policy", "priority"), name="approvals_priority_once_per_policy"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("up_to_minor__isnull", True), ("up_to_minor__gte", models.F("from_minor")), _connector="OR"
                                ),
                                name="approvals_band_not_empty",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("is_automatic", False), models.Q(("steps", []), ("up_to_minor__isnull", False)), _connector="OR"
                                ),
                                name="approvals_automatic_is_capped",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("is_automatic", True), models.Q(("steps", []), _negated=True), _connector="OR"),
                                name="approvals_row_asks_somebody",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("rolling_by__in", ["counterparty", "account", "cost_centre"])),
                                name="approvals_rolling_key_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("flags_required__overlap", models.F("flags_forbidden")), _negated=True),
                                name="approvals_flag_on_one_side",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Route",
                    fields=[
                        (
                            "proposal",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                primary_key=True,
                                related_name="route",
                                serialize=False,
                                to="proposals.proposal",
                            ),
                        ),
                        ("policy", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="approvals.policy")),
                        ("row", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="approvals.policyrow")),
                        ("reason", models.TextField(help_text="Why this row matched, in one sentence")),
                        ("routed_minor", models.BigIntegerField(help_text="The amount compared: the single amount or the rolling sum")),
                        (
                            "routed_currency",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                help_text="The company's currency; empty when it is the proposal's own",
                                max_length=3,
                            ),
                        ),
                        ("is_automatic", models.BooleanField(default=False)),
                        (
                            "snapshot_bytes",
                            models.BinaryField(help_text="Canonical bytes: policy, row, steps, people and exclusions as they were"),
                        ),
                        ("digest", models.CharField(help_text="Over snapshot_bytes", max_length=71)),
                        ("created_at", models.DateTimeField()),
                    ],
                ),
                migrations.CreateModel(
                    name="RouteStep",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "route",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="steps", to="approvals.route"),
                        ),
                        ("position", models.PositiveIntegerField()),
                        ("group", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="identity.approvalgroup")),
                        ("min_approvals", models.PositiveIntegerField(help_text="How many different people, all groups together")),
                        (
                            "rule",
                            models.CharField(
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
                        (
                            "per_group",
                            models.PositiveIntegerField(
                                db_default=0, default=0, help_text="How many of each group, for the rule per_group"
                            ),
                        ),
                        (
                            "is_distinct",
                            models.BooleanField(db_default=True, default=True, help_text="One person counts for one of the groups only"),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[("waiting", "Waiting"), ("open", "Open"), ("satisfied", "Satisfied"), ("ended", "Ended")],
                                default="waiting",
                                max_length=10,
                            ),
                        ),
                        ("opened_at", models.DateTimeField(blank=True, null=True)),
                        ("satisfied_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "due_days",
                            models.PositiveSmallIntegerField(
                                blank=True, help_text="Business days from opening; empty: the installation's", null=True
                            ),
                        ),
                        (
                            "due_at",
                            models.DateTimeField(blank=True, help_text="Set when the step opens, by the company's calendar", null=True),
                        ),
                        (
                            "fallback_group",
                            models.ForeignKey(
                                blank=True,
                                help_text="Asked as well once it is overdue",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="identity.approvalgroup",
                            ),
                        ),
                        (
                            "escalated_at",
                            models.DateTimeField(blank=True, help_text="Since when the fallback group is asked as well", null=True),
                        ),
                    ],
                    options={
                        "ordering": ["position"],
                        "indexes": [
                            models.Index(condition=models.Q(("state", "open")), fields=["due_at"], name="approvals_open_steps_by_due"),
                            models.Index(
                                condition=models.Q(("escalated_at__isnull", False), ("state", "open")),
                                fields=["fallback_group"],
                                name="approvals_escalated_steps",
                            ),
                            models.Index(condition=models.Q(("state", "open")), fields=["group"], name="approvals_open_steps_by_group"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("route", "position"), name="approvals_step_position_once"),
                            models.UniqueConstraint(
                                condition=models.Q(("state", "open")), fields=("route",), name="approvals_one_open_step"
                            ),
                            models.CheckConstraint(condition=models.Q(("min_approvals__gte", 1)), name="approvals_step_needs_somebody"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("per_group__gte", 1), ("rule", "per_group")),
                                    models.Q(("rule__in", ["any", "all", "quorum"]), ("per_group", 0)),
                                    _connector="OR",
                                ),
                                name="approvals_step_rule_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["waiting", "open", "satisfied", "ended"])),
                                name="approvals_step_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("escalated_at__isnull", True),
                                    models.Q(("due_at__isnull", False), ("fallback_group__isnull", False)),
                                    _connector="OR",
                                ),
                                name="approvals_escalated_to_somebody",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Exclusion",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "route",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="exclusions", to="approvals.route"),
                        ),
                        (
                            "user",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        (
                            "reason",
                            models.CharField(
                                help_text="owner, sponsor, asked, issued_credential, issued_grant, last_editor, policy_author",
                                max_length=40,
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("route", "user", "reason"), name="approvals_excluded_once_per_reason")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Presentation",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "proposal",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="presentations", to="proposals.proposal"
                            ),
                        ),
                        ("digest", models.CharField(max_length=71)),
                        ("stored_bytes", models.BinaryField()),
                        ("renderer", models.CharField(max_length=40)),
                        ("locale", models.CharField(max_length=16)),
                        (
                            "page_digest",
                            models.CharField(
                                blank=True, help_text="Plain SHA-256 of the page that the renderer makes of these facts", max_length=71
                            ),
                        ),
                        (
                            "needs_reason",
                            models.BooleanField(
                                default=False, help_text="Something on it wants a look: approving asks for a reason and a comment"
                            ),
                        ),
                        ("first_shown_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("proposal", "digest"), name="approvals_presentation_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Opening",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "presentation",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="openings", to="approvals.presentation"
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("opened_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("presentation", "user"), name="approvals_opened_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Ceremony",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "user",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        (
                            "salt",
                            models.BinaryField(help_text="32 random bytes inside the statement: its digest tells nobody what was typed"),
                        ),
                        ("digest", models.BinaryField(help_text="SHA-256 of the statement")),
                        ("nonce", models.BinaryField()),
                        ("state", models.JSONField(help_text="What fido2 needs to check the answer")),
                        ("created_at", models.DateTimeField()),
                        ("used_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "verbose_name_plural": "ceremonies",
                    },
                ),
                migrations.CreateModel(
                    name="Signature",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "user",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        (
                            "ceremony",
                            models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="approvals.ceremony"),
                        ),
                        (
                            "statement_bytes",
                            models.BinaryField(
                                help_text="Canonical bytes of what was signed: proposal, digests, decision, reason, comment"
                            ),
                        ),
                        ("digest", models.BinaryField(help_text="SHA-256 of the statement, within the challenge")),
                        ("nonce", models.BinaryField()),
                        ("client_data", models.BinaryField()),
                        ("authenticator_data", models.BinaryField()),
                        ("signature", models.BinaryField()),
                        ("credential_id", models.BinaryField()),
                        ("public_key", models.BinaryField(help_text="COSE key")),
                        (
                            "attestation_object",
                            models.BinaryField(help_text="From the enrolment: ties the key to it; its AAGUID is a claim, not a proof"),
                        ),
                        ("aaguid", models.CharField(max_length=40)),
                        (
                            "flags",
                            models.PositiveSmallIntegerField(
                                help_text="0x01 present, 0x04 verified, 0x08 and 0x10: a passkey that is synced"
                            ),
                        ),
                        ("counter", models.BigIntegerField(help_text="Kept as evidence; synced passkeys send 0 for ever")),
                        ("rp_id", models.CharField(max_length=255)),
                        ("origin", models.CharField(max_length=255)),
                        ("signed_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "flags__in",
                                        [
                                            5,
                                            7,
                                            13,
                                            15,
                                            21,
                                            23,
                                            29,
                                            31,
                                            37,
                                            39,
                                            45,
                                            47,
                                            53,
                                            55,
                                            61,
                                            63,
                                            69,
                                            71,
                                            77,
                                            79,
                                            85,
                                            87,
                                            93,
                                            95,
                                            101,
                                            103,
                                            109,
                                            111,
                                            117,
                                            119,
                                            125,
                                            127,
                                            133,
                                            135,
                                            141,
                                            143,
                                            149,
                                            151,
                                            157,
                                            159,
                                            165,
                                            167,
                                            173,
                                            175,
                                            181,
                                            183,
                                            189,
                                            191,
                                            197,
                                            199,
                                            205,
                                            207,
                                            213,
                                            215,
                                            221,
                                            223,
                                            229,
                                            231,
                                            237,
                                            239,
                                            245,
                                            247,
                                            253,
                                            255,
                                        ],
                                    )
                                ),
                                name="approvals_signature_verified",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Decision",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "proposal",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="decisions", to="proposals.proposal"
                            ),
                        ),
                        (
                            "step",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="decisions", to="approvals.routestep"
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="decisions", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[("approve", "Approve"), ("reject", "Reject"), ("request_changes", "Request changes")],
                                max_length=16,
                            ),
                        ),
                        ("payload_digest", models.CharField(max_length=71)),
                        (
                            "presentation",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="decisions", to="approvals.presentation"
                            ),
                        ),
                        ("reason_code", models.CharField(blank=True, max_length=40)),
                        ("comment", models.TextField(blank=True)),
                        (
                            "authentication",
                            models.JSONField(default=list, help_text="Methods of the deciding person's login, e.g. password, totp"),
                        ),
                        (
                            "second_factor",
                            models.JSONField(blank=True, help_text="The login's record of the strong second factor, copied", null=True),
                        ),
                        ("second_factor_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "signature",
                            models.ForeignKey(
                                blank=True,
                                help_text="The passkey's, if signed",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="decisions",
                                to="approvals.signature",
                            ),
                        ),
                        (
                            "acting_for",
                            models.ForeignKey(
                                blank=True,
                                help_text="Whose right was used, when a delegate decided",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "delegation",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="decisions",
                                to="approvals.delegation",
                            ),
                        ),
                        ("shown_at", models.DateTimeField()),
                        ("decided_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("proposal", "user"), name="approvals_one_decision_per_person"),
                            models.UniqueConstraint(
                                models.F("proposal"),
                                django.db.models.functions.comparison.Coalesce("acting_for", "user"),
                                name="approvals_one_decision_per_right",
                            ),
                            models.CheckConstraint(
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
                            models.CheckConstraint(
                                condition=models.Q(("kind__in", ["approve", "reject", "request_changes"])),
                                name="approvals_decision_kind_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("decided_at__gte", models.F("shown_at"))), name="approvals_decided_after_shown"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("kind", "approve"),
                                    models.Q(models.Q(("reason_code", ""), _negated=True), models.Q(("comment", ""), _negated=True)),
                                    _connector="OR",
                                ),
                                name="approvals_refusal_has_reason",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("second_factor__isnull", True), ("second_factor_at__isnull", True)),
                                    models.Q(
                                        ("second_factor__isnull", False),
                                        ("second_factor_at__gt", models.F("shown_at")),
                                        ("second_factor_at__isnull", False),
                                        ("second_factor_at__lte", models.F("decided_at")),
                                    ),
                                    _connector="OR",
                                ),
                                name="approvals_second_factor_after_shown",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Bulk",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "user",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("tool", models.CharField(max_length=64)),
                        (
                            "group",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.approvalgroup"),
                        ),
                        ("position", models.PositiveIntegerField(help_text="Of the step in its route")),
                        ("set_digest", models.CharField(max_length=71)),
                        ("excluded", models.JSONField(default=list, help_text="What was picked and left out, and why")),
                        (
                            "state",
                            models.CharField(
                                choices=[("prepared", "Prepared"), ("confirmed", "Confirmed")], default="prepared", max_length=10
                            ),
                        ),
                        ("authentication", models.JSONField(default=list, help_text="Methods of the login that confirmed it")),
                        (
                            "signature",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="approvals.signature",
                            ),
                        ),
                        ("prepared_at", models.DateTimeField()),
                        ("valid_until", models.DateTimeField(help_text="Past it the person has to look anew")),
                        ("confirmed_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("confirmed_at__isnull", True), ("state", "prepared")),
                                    models.Q(
                                        ("confirmed_at__isnull", False),
                                        ("confirmed_at__lt", models.F("valid_until")),
                                        ("state", "confirmed"),
                                    ),
                                    _connector="OR",
                                ),
                                name="approvals_bulk_confirmed_in_time",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("set_digest__startswith", "sha256:")), name="approvals_bulk_digest_form"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BulkItem",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("bulk", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="items", to="approvals.bulk")),
                        ("position", models.PositiveIntegerField()),
                        (
                            "proposal",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.proposal"),
                        ),
                        (
                            "presentation",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="approvals.presentation"),
                        ),
                        ("payload_digest", models.CharField(max_length=71)),
                        ("amount_minor", models.BigIntegerField()),
                        ("currency", models.CharField(max_length=3)),
                        (
                            "state",
                            models.CharField(
                                choices=[("pending", "Waiting"), ("approved", "Approved"), ("refused", "Not approved")],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("code", models.CharField(blank=True, help_text="Why it was not approved", max_length=64)),
                        ("detail", models.TextField(blank=True)),
                        (
                            "decision",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="bulk_item",
                                to="approvals.decision",
                            ),
                        ),
                        ("settled_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ["position"],
                        "constraints": [
                            models.UniqueConstraint(fields=("bulk", "position"), name="approvals_bulk_position_once"),
                            models.UniqueConstraint(fields=("bulk", "proposal"), name="approvals_bulk_proposal_once"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("decision__isnull", True), ("settled_at__isnull", True), ("state", "pending")),
                                    models.Q(("decision__isnull", False), ("settled_at__isnull", False), ("state", "approved")),
                                    models.Q(
                                        ("decision__isnull", True),
                                        ("settled_at__isnull", False),
                                        ("state", "refused"),
                                        models.Q(("code", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="approvals_bulk_item_settled",
                            ),
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
                            models.JSONField(
                                help_text="Name to text, as approvals.rules.thresholds reads it; what is left out has its default"
                            ),
                        ),
                        ("digest", models.CharField(help_text="Over the canonical values", max_length=71)),
                        ("reason", models.CharField(max_length=500)),
                        (
                            "author",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("created_at", models.DateTimeField()),
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
                        ("activated_at", models.DateTimeField(blank=True, null=True)),
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
                            models.CheckConstraint(
                                condition=models.Q(("reason", ""), _negated=True), name="approvals_thresholds_have_reason"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Flag",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "proposal",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="flags", to="proposals.proposal"),
                        ),
                        ("rule", models.CharField(max_length=4)),
                        ("rule_version", models.PositiveSmallIntegerField()),
                        ("thresholds_version", models.PositiveIntegerField(help_text="0: the defaults, nobody has set any")),
                        ("text", models.CharField(max_length=500)),
                        ("inputs", models.JSONField()),
                        ("threshold", models.JSONField()),
                        ("observed", models.JSONField()),
                        ("created_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("proposal", "rule"), name="approvals_flag_once_per_rule"),
                            models.CheckConstraint(
                                condition=models.Q(("rule__regex", "^J([1-9]|1[0-7])$")), name="approvals_flag_rule_known"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Mail",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "user",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("kind", models.CharField(choices=[("now", "At once"), ("digest", "Digest")], max_length=8)),
                        (
                            "reason",
                            models.CharField(blank=True, help_text="Why at once: due_soon, high, forwarded, escalated", max_length=20),
                        ),
                        ("key", models.CharField(max_length=120, unique=True)),
                        (
                            "companies",
                            django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=12), default=list, size=None),
                        ),
                        (
                            "proposals",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=40),
                                default=list,
                                help_text="TypeIDs of what it was sent about",
                                size=None,
                            ),
                        ),
                        ("subject", models.CharField(blank=True, help_text="As sent", max_length=200)),
                        (
                            "state",
                            models.CharField(
                                choices=[("queued", "Queued"), ("sent", "Sent"), ("dropped", "Not sent"), ("failed", "Given up")],
                                default="queued",
                                max_length=8,
                            ),
                        ),
                        ("attempt_count", models.PositiveIntegerField(default=0)),
                        (
                            "detail",
                            models.CharField(blank=True, help_text="What the last attempt said, or why it was not sent", max_length=300),
                        ),
                        ("next_at", models.DateTimeField(help_text="When it is due")),
                        ("leased_until", models.DateTimeField(blank=True, help_text="Until when an attempt may be under way", null=True)),
                        ("created_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "indexes": [
                            models.Index(condition=models.Q(("state", "queued")), fields=["next_at"], name="approvals_mails_due"),
                            models.Index(fields=["-created_at"], name="approvals_mails_by_time"),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["queued", "sent", "dropped", "failed"])),
                                name="approvals_mail_state_known",
                            ),
                            models.CheckConstraint(condition=models.Q(("kind__in", ["now", "digest"])), name="approvals_mail_kind_known"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("finished_at__isnull", True), ("state", "queued")),
                                    models.Q(models.Q(("state", "queued"), _negated=True), ("finished_at__isnull", False)),
                                    _connector="OR",
                                ),
                                name="approvals_mail_finished_at_matches",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="MailPreference",
                    fields=[
                        (
                            "user",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="+",
                                serialize=False,
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("at_once", models.BooleanField(default=True)),
                        ("digest", models.BooleanField(default=True)),
                        ("updated_at", models.DateTimeField()),
                    ],
                ),
                migrations.CreateModel(
                    name="PolicyEditor",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "policy",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="editors", to="approvals.policy"),
                        ),
                        (
                            "user",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("first_edited_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("policy", "user"), name="approvals_editor_once_per_policy")],
                    },
                ),
                migrations.CreateModel(
                    name="StepGroup",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "step",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="further_groups", to="approvals.routestep"
                            ),
                        ),
                        (
                            "group",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.approvalgroup"),
                        ),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("step", "group"), name="approvals_group_once_per_step")],
                    },
                ),
                migrations.CreateModel(
                    name="CompanyCurrency",
                    fields=[
                        ("company", models.CharField(max_length=12, primary_key=True, serialize=False)),
                        ("currency", models.CharField(max_length=3)),
                        (
                            "recorded_by",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("recorded_at", models.DateTimeField()),
                    ],
                    options={
                        "verbose_name_plural": "company currencies",
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="approvals_company_currency_form"
                            )
                        ],
                    },
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
                migrations.CreateModel(
                    name="ExchangeRate",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("from_currency", models.CharField(max_length=3)),
                        ("to_currency", models.CharField(max_length=3)),
                        ("rate", models.DecimalField(decimal_places=10, max_digits=20)),
                        ("rate_on", models.DateField()),
                        ("source", models.CharField(max_length=80)),
                        (
                            "recorded_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "imported_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="rates",
                                to="approvals.rateimport",
                            ),
                        ),
                        ("recorded_at", models.DateTimeField()),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["from_currency", "to_currency", "-rate_on", "-recorded_at"], name="approvals_newest_rate")
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("imported_by__isnull", True), ("recorded_by__isnull", False)),
                                    models.Q(("imported_by__isnull", False), ("recorded_by__isnull", True)),
                                    _connector="OR",
                                ),
                                name="approvals_rate_by_person_or_import",
                            ),
                            models.CheckConstraint(condition=models.Q(("rate__gt", 0)), name="approvals_rate_is_positive"),
                            models.CheckConstraint(
                                condition=models.Q(("from_currency", models.F("to_currency")), _negated=True),
                                name="approvals_rate_between_two",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("from_currency__regex", "^[A-Z]{3}$"), ("to_currency__regex", "^[A-Z]{3}$")),
                                name="approvals_rate_currency_form",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="StepUp",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "user",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("purpose", models.CharField(help_text="decision, bulk or policy", max_length=20)),
                        ("subject", models.CharField(help_text="The digest of what was shown", max_length=80)),
                        ("draft", models.JSONField(default=dict, help_text="What was pressed and typed")),
                        ("shown_at", models.DateTimeField()),
                        ("asked_at", models.DateTimeField()),
                    ],
                    options={
                        "indexes": [models.Index(fields=["user", "purpose", "subject", "-asked_at"], name="approvals_step_up_newest")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("asked_at__gte", models.F("shown_at"))), name="approvals_asked_after_shown"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Comment",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "proposal",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="comments", to="proposals.proposal"
                            ),
                        ),
                        (
                            "author",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("text", models.TextField()),
                        ("created_at", models.DateTimeField()),
                    ],
                    options={
                        "indexes": [models.Index(fields=["proposal", "created_at"], name="approvals_comments")],
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("text", ""), _negated=True), name="approvals_comment_says_something")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Attachment",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "proposal",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="attachments", to="proposals.proposal"
                            ),
                        ),
                        (
                            "author",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("name", models.CharField(help_text="As the person called it; never a path", max_length=120)),
                        ("media_type", models.CharField(help_text="Found from the content, not from the name", max_length=40)),
                        ("size", models.PositiveIntegerField()),
                        ("digest", models.CharField(help_text="Plain SHA-256 of the content, as sha256sum prints it", max_length=71)),
                        ("content", models.BinaryField()),
                        ("created_at", models.DateTimeField()),
                    ],
                    options={
                        "indexes": [models.Index(fields=["proposal", "created_at"], name="approvals_attachments")],
                        "constraints": [
                            models.UniqueConstraint(fields=("proposal", "digest"), name="approvals_attached_once"),
                            models.CheckConstraint(
                                condition=models.Q(("media_type__in", ("application/pdf", "image/jpeg", "image/png", "text/plain"))),
                                name="approvals_attachment_type_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("size__gte", 1), ("size__lte", 5242880)), name="approvals_attachment_size"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="EvidenceOpening",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "proposal",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.proposal"),
                        ),
                        (
                            "read",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="proposals.readreceipt",
                            ),
                        ),
                        (
                            "attachment",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="approvals.attachment",
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("opened_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("proposal", "user", "read"), name="approvals_evidence_opened_once"),
                            models.UniqueConstraint(fields=("proposal", "user", "attachment"), name="approvals_attachment_opened_once"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("attachment__isnull", True), ("read__isnull", False)),
                                    models.Q(("attachment__isnull", False), ("read__isnull", True)),
                                    _connector="OR",
                                ),
                                name="approvals_opened_one_thing",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Draw",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("company", models.CharField(max_length=12)),
                        ("on", models.DateField(help_text="The UTC day on which the population was approved")),
                        ("seed", models.CharField(help_text="Made at random after the day had ended", max_length=64)),
                        ("share_permille", models.PositiveSmallIntegerField(help_text="Out of a thousand")),
                        ("population_count", models.PositiveIntegerField()),
                        ("population_digest", models.CharField(help_text="Over the sorted ids of the population", max_length=71)),
                        ("drawn_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "on"), name="approvals_drawn_once"),
                            models.CheckConstraint(
                                condition=models.Q(("share_permille__lte", 1000)), name="approvals_draw_share_in_thousand"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Review",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "draw",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="reviews", to="approvals.draw"),
                        ),
                        (
                            "proposal",
                            models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.proposal"),
                        ),
                        (
                            "presentation",
                            models.ForeignKey(
                                help_text="What was decided on",
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="approvals.presentation",
                            ),
                        ),
                        (
                            "reviewer",
                            models.ForeignKey(
                                blank=True,
                                help_text="Empty: nobody could be asked",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("shown_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "verdict",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("approve", "I would approve"),
                                    ("request_changes", "I would request changes"),
                                    ("reject", "I would reject"),
                                ],
                                default="",
                                max_length=16,
                            ),
                        ),
                        ("comment", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField()),
                        ("reviewed_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "indexes": [
                            models.Index(condition=models.Q(("verdict", "")), fields=["reviewer"], name="approvals_reviews_waiting")
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("reviewed_at__isnull", True), ("verdict", "")),
                                    models.Q(
                                        ("reviewed_at__gte", models.F("shown_at")),
                                        ("reviewed_at__isnull", False),
                                        ("reviewer__isnull", False),
                                        ("shown_at__isnull", False),
                                        ("verdict__in", ["approve", "request_changes", "reject"]),
                                    ),
                                    _connector="OR",
                                ),
                                name="approvals_review_given_after_shown",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("verdict__in", ["", "approve"]), models.Q(("comment", ""), _negated=True), _connector="OR"
                                ),
                                name="approvals_review_disagreement_has_comment",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Claim",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "step",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="claims", to="approvals.routestep"),
                        ),
                        ("place", models.PositiveSmallIntegerField(help_text="From 1 to the number of approvals that the step asks for")),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="claims", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                        (
                            "given_by",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("note", models.CharField(blank=True, max_length=500)),
                        ("claimed_at", models.DateTimeField()),
                        ("ended_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "ended_because",
                            models.CharField(
                                blank=True,
                                choices=[("returned", "Returned to the group"), ("forwarded", "Forwarded")],
                                default="",
                                max_length=10,
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(condition=models.Q(("ended_at__isnull", True)), fields=["user"], name="approvals_claims_by_person")
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("ended_at__isnull", True)),
                                fields=("step", "place"),
                                name="approvals_one_claim_per_place",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("ended_at__isnull", True)),
                                fields=("step", "user"),
                                name="approvals_claimed_once_per_person",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("ended_at__isnull", True), ("ended_because", "")),
                                    models.Q(("ended_at__isnull", False), ("ended_because__in", ["returned", "forwarded"])),
                                    _connector="OR",
                                ),
                                name="approvals_claim_ended_for_a_reason",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Snooze",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "proposal",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="snoozes", to="proposals.proposal"),
                        ),
                        (
                            "user",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("until", models.DateTimeField()),
                        ("snoozed_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("proposal", "user"), name="approvals_snoozed_once"),
                            models.CheckConstraint(
                                condition=models.Q(("until__gt", models.F("snoozed_at"))), name="approvals_snoozed_until_later"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Looking",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "proposal",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.proposal"),
                        ),
                        (
                            "user",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("seen_at", models.DateTimeField()),
                    ],
                    options={
                        "indexes": [models.Index(fields=["seen_at"], name="approvals_looking_by_time")],
                        "constraints": [models.UniqueConstraint(fields=("proposal", "user"), name="approvals_looking_once")],
                    },
                ),
            ]
        ),
    ]
