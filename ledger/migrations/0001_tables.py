"""The tables of ledger: masters, documents, journal and the idempotency records of the embedded ERP."""

from __future__ import annotations

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

import kernel.ids
from kernel.tables import CreateTables


class Migration(migrations.Migration):
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("ledger", "0001_initial"),
        ("ledger", "0002_triggers"),
        ("ledger", "0003_landed_view"),
        ("ledger", "0004_drafts"),
        ("ledger", "0005_duplicates"),
        ("ledger", "0006_closed_keys"),
        ("ledger", "0007_same_entries"),
    ]

    initial = True

    dependencies = []

    operations = [
        CreateTables(
            [
                migrations.CreateModel(
                    name="Company",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("code", models.CharField(max_length=10, unique=True)),
                        ("name", models.CharField(max_length=200)),
                        ("currency", models.CharField(max_length=3)),
                        ("country", models.CharField(max_length=2)),
                        ("time_zone", models.CharField(default="UTC", max_length=64)),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="ledger_company_currency_is_iso"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("country__regex", "^[A-Z]{2}$")), name="ledger_company_country_is_iso"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("code__regex", "^[A-Z0-9]{2,10}$")), name="ledger_company_code_is_plain"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Account",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="accounts", to="ledger.company"
                            ),
                        ),
                        ("number", models.CharField(max_length=20)),
                        ("name", models.CharField(max_length=200)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("asset", "Asset"),
                                    ("liability", "Liability"),
                                    ("equity", "Equity"),
                                    ("revenue", "Revenue"),
                                    ("expense", "Expense"),
                                    ("statistical", "Statistical"),
                                ],
                                max_length=12,
                            ),
                        ),
                        (
                            "role",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("", "no role"),
                                    ("cash", "Cash"),
                                    ("receivables", "Receivables"),
                                    ("inventory", "Inventory"),
                                    ("payables", "Payables"),
                                    ("opening_equity", "Opening Equity"),
                                    ("cogs", "cost of goods sold"),
                                    ("commitments", "Commitments"),
                                    ("commitments_offset", "Commitments Offset"),
                                ],
                                default="",
                                max_length=20,
                            ),
                        ),
                        ("is_active", models.BooleanField(default=True)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "number"), name="ledger_account_number_once"),
                            models.UniqueConstraint(
                                condition=models.Q(("role", ""), _negated=True), fields=("company", "role"), name="ledger_account_role_once"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("kind__in", ["asset", "liability", "equity", "revenue", "expense", "statistical"])),
                                name="ledger_account_kind_is_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "role__in",
                                        [
                                            "",
                                            "cash",
                                            "receivables",
                                            "inventory",
                                            "payables",
                                            "opening_equity",
                                            "cogs",
                                            "commitments",
                                            "commitments_offset",
                                        ],
                                    )
                                ),
                                name="ledger_account_role_is_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Period",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="periods", to="ledger.company"
                            ),
                        ),
                        ("year", models.PositiveSmallIntegerField()),
                        ("month", models.PositiveSmallIntegerField()),
                        ("state", models.CharField(choices=[("open", "Open"), ("closed", "Closed")], default="open", max_length=6)),
                        ("starts_on", models.DateField()),
                        ("ends_on", models.DateField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "year", "month"), name="ledger_period_once"),
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["open", "closed"])), name="ledger_period_state_is_known"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "starts_on",
                                        models.Func(
                                            models.F("year"),
                                            models.F("month"),
                                            models.Value(1),
                                            function="make_date",
                                            output_field=models.DateField(),
                                        ),
                                    )
                                ),
                                name="ledger_period_starts_with_month",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "ends_on",
                                        models.Func(
                                            models.F("year"),
                                            models.F("month"),
                                            models.Value(1),
                                            output_field=models.DateField(),
                                            template="(make_date(%(expressions)s) + interval '1 month' - interval '1 day')::date",
                                        ),
                                    )
                                ),
                                name="ledger_period_ends_with_month",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CostCentre",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="cost_centres",
                                to="ledger.company",
                            ),
                        ),
                        ("code", models.CharField(max_length=20)),
                        ("name", models.CharField(max_length=200)),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("company", "code"), name="ledger_cost_centre_code_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Budget",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="budgets", to="ledger.company"
                            ),
                        ),
                        (
                            "cost_centre",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="budgets", to="ledger.costcentre"),
                        ),
                        ("year", models.PositiveSmallIntegerField()),
                        ("currency", models.CharField(max_length=3)),
                        ("amount_minor", models.BigIntegerField()),
                        ("consumed_minor", models.BigIntegerField(default=0)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "cost_centre", "year"), name="ledger_budget_once"),
                            models.CheckConstraint(
                                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="ledger_budget_currency_is_iso"
                            ),
                            models.CheckConstraint(condition=models.Q(("amount_minor__gte", 0)), name="ledger_budget_not_negative"),
                            models.CheckConstraint(
                                condition=models.Q(("consumed_minor__lte", models.F("amount_minor"))), name="ledger_budget_not_overspent"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Vendor",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="vendors", to="ledger.company"
                            ),
                        ),
                        ("number", models.CharField(max_length=40)),
                        ("name", models.CharField(max_length=200)),
                        (
                            "status",
                            models.CharField(choices=[("active", "Active"), ("blocked", "Blocked")], default="active", max_length=8),
                        ),
                        ("vendor_class", models.CharField(blank=True, default="", max_length=40)),
                        ("bank_fingerprint", models.CharField(blank=True, default="", max_length=80)),
                        ("note", models.CharField(blank=True, default="", max_length=500)),
                        ("created_on", models.DateField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "number"), name="ledger_vendor_number_once"),
                            models.CheckConstraint(
                                condition=models.Q(("status__in", ["active", "blocked"])), name="ledger_vendor_status_is_known"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Customer",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="customers", to="ledger.company"
                            ),
                        ),
                        ("number", models.CharField(max_length=40)),
                        ("name", models.CharField(max_length=200)),
                        (
                            "status",
                            models.CharField(
                                choices=[("active", "Active"), ("on_hold", "On Hold"), ("blocked", "Blocked")],
                                default="active",
                                max_length=8,
                            ),
                        ),
                        ("currency", models.CharField(max_length=3)),
                        ("credit_limit_minor", models.BigIntegerField(default=0)),
                        ("payment_terms_days", models.PositiveSmallIntegerField(default=30)),
                        ("version", models.PositiveIntegerField(default=1)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "number"), name="ledger_customer_number_once"),
                            models.CheckConstraint(
                                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="ledger_customer_currency_is_iso"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("status__in", ["active", "on_hold", "blocked"])), name="ledger_customer_status_is_known"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("credit_limit_minor__gte", 0)), name="ledger_customer_limit_not_negative"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("payment_terms_days__lte", 365)), name="ledger_customer_terms_within_a_year"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Item",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="items", to="ledger.company"
                            ),
                        ),
                        ("number", models.CharField(max_length=40)),
                        ("name", models.CharField(max_length=200)),
                        ("standard_cost", models.DecimalField(decimal_places=10, default=0, max_digits=28)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "number"), name="ledger_item_number_once"),
                            models.CheckConstraint(condition=models.Q(("standard_cost__gte", 0)), name="ledger_item_cost_not_negative"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Stock",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="stock", to="ledger.company"
                            ),
                        ),
                        ("item", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="stock", to="ledger.item")),
                        ("location", models.CharField(max_length=40)),
                        ("quantity", models.DecimalField(decimal_places=10, max_digits=28)),
                        ("version", models.PositiveIntegerField(default=1)),
                    ],
                    options={
                        "verbose_name_plural": "stock",
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "item", "location"), name="ledger_stock_once"),
                            models.CheckConstraint(condition=models.Q(("quantity__gte", 0)), name="ledger_stock_not_negative"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="JournalEntry",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="entries", to="ledger.company"
                            ),
                        ),
                        ("number", models.CharField(db_collation="C", max_length=24)),
                        (
                            "kind",
                            models.CharField(
                                choices=[("general", "General"), ("commitment", "Commitment"), ("release", "Release")], max_length=10
                            ),
                        ),
                        ("document", models.CharField(blank=True, db_collation="C", default="", max_length=24)),
                        (
                            "period",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="entries", to="ledger.period"
                            ),
                        ),
                        ("effective_on", models.DateField()),
                        ("currency", models.CharField(max_length=3)),
                        ("total_minor", models.BigIntegerField()),
                        ("posting_count", models.PositiveSmallIntegerField()),
                        ("description", models.CharField(blank=True, default="", max_length=500)),
                        (
                            "reverses",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="reversed_by",
                                to="ledger.journalentry",
                            ),
                        ),
                        ("reverses_document", models.CharField(blank=True, db_collation="C", default="", max_length=24)),
                        ("reference", models.CharField(blank=True, db_collation="C", default="", max_length=64)),
                        ("written_by", models.CharField(max_length=64)),
                        ("recorded_at", models.DateTimeField()),
                    ],
                    options={
                        "verbose_name": "journal entry",
                        "verbose_name_plural": "journal entries",
                        "indexes": [
                            models.Index(fields=["company", "reference", "number"], name="ledger_entry_by_reference"),
                            models.Index(fields=["company", "effective_on", "total_minor"], name="ledger_entry_by_date_and_total"),
                            models.Index(
                                condition=models.Q(("document", ""), _negated=True),
                                fields=["company", "document"],
                                name="ledger_entry_by_document",
                            ),
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "number"), name="ledger_entry_number_once"),
                            models.CheckConstraint(
                                condition=models.Q(("kind__in", ["general", "commitment", "release"])), name="ledger_entry_kind_is_known"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="ledger_entry_currency_is_iso"
                            ),
                            models.CheckConstraint(condition=models.Q(("total_minor__gt", 0)), name="ledger_entry_total_positive"),
                            models.CheckConstraint(condition=models.Q(("posting_count__gte", 2)), name="ledger_entry_has_two_postings"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("document", ""), ("kind", "general")),
                                    models.Q(models.Q(("kind", "general"), _negated=True), models.Q(("document", ""), _negated=True)),
                                    _connector="OR",
                                ),
                                name="ledger_entry_effect_names_document",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("reverses__isnull", True), ("reverses_document", "")),
                                    models.Q(("reverses__isnull", False), models.Q(("reverses_document", ""), _negated=True)),
                                    _connector="OR",
                                ),
                                name="ledger_entry_reversal_names_document",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("reverses__isnull", True), models.Q(("reverses", models.F("id")), _negated=True), _connector="OR"
                                ),
                                name="ledger_entry_not_its_own_reversal",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Posting",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "entry",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="postings",
                                to="ledger.journalentry",
                            ),
                        ),
                        ("line_number", models.PositiveSmallIntegerField()),
                        (
                            "account",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="postings", to="ledger.account"),
                        ),
                        (
                            "cost_centre",
                            models.ForeignKey(
                                blank=True,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="postings",
                                to="ledger.costcentre",
                            ),
                        ),
                        ("debit_minor", models.BigIntegerField(default=0)),
                        ("credit_minor", models.BigIntegerField(default=0)),
                        ("currency", models.CharField(max_length=3)),
                        ("text", models.CharField(blank=True, default="", max_length=500)),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("entry", "line_number"), name="ledger_posting_number_once"),
                            models.CheckConstraint(condition=models.Q(("line_number__gte", 1)), name="ledger_posting_number_from_one"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("credit_minor", 0), ("debit_minor__gt", 0)),
                                    models.Q(("credit_minor__gt", 0), ("debit_minor", 0)),
                                    _connector="OR",
                                ),
                                name="ledger_posting_debit_or_credit",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="ledger_posting_currency_is_iso"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="DocumentSequence",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="sequences", to="ledger.company"
                            ),
                        ),
                        (
                            "series",
                            models.CharField(
                                choices=[
                                    ("PO", "Purchase Order"),
                                    ("JE", "Journal Entry"),
                                    ("IM", "Inventory Movement"),
                                    ("CU", "Customer Change"),
                                ],
                                max_length=2,
                            ),
                        ),
                        ("year", models.PositiveSmallIntegerField()),
                        ("last_number", models.PositiveIntegerField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "series", "year"), name="ledger_sequence_once"),
                            models.CheckConstraint(
                                condition=models.Q(("series__in", ["PO", "JE", "IM", "CU"])), name="ledger_sequence_series_is_known"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PurchaseOrder",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="purchase_orders",
                                to="ledger.company",
                            ),
                        ),
                        ("number", models.CharField(db_collation="C", max_length=24)),
                        ("state", models.CharField(choices=[("open", "Open"), ("cancelled", "Cancelled")], default="open", max_length=9)),
                        (
                            "vendor",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="purchase_orders",
                                to="ledger.vendor",
                            ),
                        ),
                        (
                            "cost_centre",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="purchase_orders",
                                to="ledger.costcentre",
                            ),
                        ),
                        ("order_reference", models.CharField(blank=True, default="", max_length=140)),
                        ("ordered_on", models.DateField()),
                        ("deliver_on", models.DateField(blank=True, null=True)),
                        ("currency", models.CharField(max_length=3)),
                        ("total_minor", models.BigIntegerField()),
                        ("line_count", models.PositiveSmallIntegerField()),
                        ("note", models.CharField(blank=True, default="", max_length=2000)),
                        (
                            "entry",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT, related_name="purchase_order", to="ledger.journalentry"
                            ),
                        ),
                        ("reference", models.CharField(blank=True, db_collation="C", default="", max_length=64)),
                        ("written_by", models.CharField(max_length=64)),
                        ("recorded_at", models.DateTimeField()),
                    ],
                    options={
                        "verbose_name": "purchase order",
                        "indexes": [
                            models.Index(fields=["company", "reference", "number"], name="ledger_order_by_reference"),
                            models.Index(fields=["vendor", "ordered_on"], name="ledger_order_by_vendor"),
                            models.Index(fields=["company", "ordered_on"], name="ledger_order_by_date"),
                            models.Index(fields=["vendor", "order_reference"], name="ledger_order_by_own_reference"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "number"), name="ledger_order_number_once"),
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["open", "cancelled"])), name="ledger_order_state_is_known"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="ledger_order_currency_is_iso"
                            ),
                            models.CheckConstraint(condition=models.Q(("total_minor__gt", 0)), name="ledger_order_total_positive"),
                            models.CheckConstraint(condition=models.Q(("line_count__gte", 1)), name="ledger_order_has_a_line"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("deliver_on__isnull", True), ("deliver_on__gte", models.F("ordered_on")), _connector="OR"
                                ),
                                name="ledger_order_delivered_after_ordered",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PurchaseOrderLine",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "order",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="lines", to="ledger.purchaseorder"
                            ),
                        ),
                        ("line_number", models.PositiveSmallIntegerField()),
                        (
                            "item",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="order_lines", to="ledger.item"
                            ),
                        ),
                        ("description", models.CharField(blank=True, default="", max_length=500)),
                        ("quantity", models.DecimalField(decimal_places=10, max_digits=28)),
                        ("unit_price", models.DecimalField(decimal_places=10, max_digits=28)),
                        ("amount_minor", models.BigIntegerField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("order", "line_number"), name="ledger_order_line_number_once"),
                            models.CheckConstraint(condition=models.Q(("line_number__gte", 1)), name="ledger_order_line_number_from_one"),
                            models.CheckConstraint(condition=models.Q(("quantity__gt", 0)), name="ledger_order_line_quantity_positive"),
                            models.CheckConstraint(condition=models.Q(("unit_price__gte", 0)), name="ledger_order_line_price_not_negative"),
                            models.CheckConstraint(
                                condition=models.Q(("amount_minor__gte", 0)), name="ledger_order_line_amount_not_negative"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="InventoryMovement",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="movements", to="ledger.company"
                            ),
                        ),
                        ("number", models.CharField(db_collation="C", max_length=24)),
                        ("kind", models.CharField(choices=[("release", "Release"), ("return", "Return")], max_length=7)),
                        (
                            "item",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="movements", to="ledger.item"
                            ),
                        ),
                        ("location", models.CharField(max_length=40)),
                        ("quantity", models.DecimalField(decimal_places=10, max_digits=28)),
                        ("unit_cost", models.DecimalField(decimal_places=10, max_digits=28)),
                        ("order_reference", models.CharField(blank=True, default="", max_length=140)),
                        (
                            "cost_centre",
                            models.ForeignKey(
                                blank=True,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="movements",
                                to="ledger.costcentre",
                            ),
                        ),
                        ("effective_on", models.DateField()),
                        ("currency", models.CharField(max_length=3)),
                        ("total_minor", models.BigIntegerField()),
                        (
                            "entry",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="movement",
                                to="ledger.journalentry",
                            ),
                        ),
                        ("reference", models.CharField(blank=True, db_collation="C", default="", max_length=64)),
                        ("written_by", models.CharField(max_length=64)),
                        ("recorded_at", models.DateTimeField()),
                    ],
                    options={
                        "verbose_name": "inventory movement",
                        "indexes": [
                            models.Index(fields=["company", "reference", "number"], name="ledger_movement_by_reference"),
                            models.Index(fields=["item", "location"], name="ledger_movement_by_item"),
                            models.Index(fields=["item", "order_reference"], name="ledger_movement_by_order"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "number"), name="ledger_movement_number_once"),
                            models.CheckConstraint(
                                condition=models.Q(("kind__in", ["release", "return"])), name="ledger_movement_kind_is_known"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="ledger_movement_currency_is_iso"
                            ),
                            models.CheckConstraint(condition=models.Q(("quantity__gt", 0)), name="ledger_movement_quantity_positive"),
                            models.CheckConstraint(condition=models.Q(("unit_cost__gte", 0)), name="ledger_movement_cost_not_negative"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("entry__isnull", True), ("total_minor", 0)),
                                    models.Q(("entry__isnull", False), ("total_minor__gt", 0)),
                                    _connector="OR",
                                ),
                                name="ledger_movement_value_has_entry",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CustomerChange",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="customer_changes",
                                to="ledger.company",
                            ),
                        ),
                        ("number", models.CharField(db_collation="C", max_length=24)),
                        (
                            "customer",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="changes", to="ledger.customer"
                            ),
                        ),
                        ("version_before", models.PositiveIntegerField()),
                        ("version_after", models.PositiveIntegerField()),
                        ("credit_limit_minor_before", models.BigIntegerField(blank=True, null=True)),
                        ("credit_limit_minor_after", models.BigIntegerField(blank=True, null=True)),
                        ("payment_terms_days_before", models.PositiveSmallIntegerField(blank=True, null=True)),
                        ("payment_terms_days_after", models.PositiveSmallIntegerField(blank=True, null=True)),
                        (
                            "status_before",
                            models.CharField(
                                blank=True,
                                choices=[("active", "Active"), ("on_hold", "On Hold"), ("blocked", "Blocked")],
                                max_length=8,
                                null=True,
                            ),
                        ),
                        (
                            "status_after",
                            models.CharField(
                                blank=True,
                                choices=[("active", "Active"), ("on_hold", "On Hold"), ("blocked", "Blocked")],
                                max_length=8,
                                null=True,
                            ),
                        ),
                        ("currency", models.CharField(max_length=3)),
                        ("reason", models.CharField(max_length=500)),
                        ("effective_on", models.DateField()),
                        ("reference", models.CharField(blank=True, db_collation="C", default="", max_length=64)),
                        ("written_by", models.CharField(max_length=64)),
                        ("recorded_at", models.DateTimeField()),
                    ],
                    options={
                        "verbose_name": "customer change",
                        "indexes": [models.Index(fields=["company", "reference", "number"], name="ledger_change_by_reference")],
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "number"), name="ledger_customer_change_number_once"),
                            models.UniqueConstraint(fields=("customer", "version_after"), name="ledger_customer_change_version_once"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "version_after",
                                        django.db.models.expressions.CombinedExpression(models.F("version_before"), "+", models.Value(1)),
                                    )
                                ),
                                name="ledger_customer_change_steps_by_one",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("credit_limit_minor_after__isnull", True), ("credit_limit_minor_before__isnull", True)),
                                    models.Q(("credit_limit_minor_after__isnull", False), ("credit_limit_minor_before__isnull", False)),
                                    _connector="OR",
                                ),
                                name="ledger_customer_change_limit_in_pairs",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("payment_terms_days_after__isnull", True), ("payment_terms_days_before__isnull", True)),
                                    models.Q(("payment_terms_days_after__isnull", False), ("payment_terms_days_before__isnull", False)),
                                    _connector="OR",
                                ),
                                name="ledger_customer_change_terms_in_pairs",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("status_after__isnull", True), ("status_before__isnull", True)),
                                    models.Q(("status_after__isnull", False), ("status_before__isnull", False)),
                                    _connector="OR",
                                ),
                                name="ledger_customer_change_status_in_pairs",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="IdempotencyRecord",
                    fields=[
                        ("key", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                        ("request_digest", models.CharField(max_length=71)),
                        ("tool", models.CharField(max_length=64)),
                        (
                            "company",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="idempotency_records",
                                to="ledger.company",
                            ),
                        ),
                        ("reference", models.CharField(blank=True, db_collation="C", default="", max_length=64)),
                        ("document", models.CharField(db_collation="C", max_length=24)),
                        ("result", models.JSONField()),
                        ("written_by", models.CharField(max_length=64)),
                        ("recorded_at", models.DateTimeField()),
                    ],
                    options={
                        "verbose_name": "idempotency record",
                        "constraints": [
                            models.UniqueConstraint(fields=("company", "document"), name="ledger_idempotency_document_once"),
                            models.CheckConstraint(
                                condition=models.Q(("request_digest__regex", "^sha256:[0-9a-f]{64}$")),
                                name="ledger_idempotency_digest_is_sha256",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ClosedKey",
                    fields=[
                        ("key", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                        ("closed_by", models.CharField(max_length=64)),
                        ("recorded_at", models.DateTimeField()),
                    ],
                    options={
                        "verbose_name": "closed key",
                    },
                ),
                migrations.CreateModel(
                    name="Draft",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "company",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="drafts", to="ledger.company"),
                        ),
                        ("number", models.CharField(db_collation="C", max_length=24)),
                        ("tool", models.CharField(max_length=64)),
                        ("content", models.JSONField()),
                        ("reference", models.CharField(blank=True, db_collation="C", default="", max_length=64)),
                        ("written_by", models.CharField(max_length=64)),
                        ("recorded_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("company", "number"), name="ledger_draft_number_once")],
                    },
                ),
            ]
        ),
    ]
