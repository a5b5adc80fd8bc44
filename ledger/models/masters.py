"""Master data: what documents refer to. Staff of the ERP maintain it; the gate changes customers, stock and budgets only."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Func, Q, Value

from ledger.states import AccountKind, AccountRole, CustomerStatus, PeriodState, VendorStatus

CURRENCY_REGEX = r"^[A-Z]{3}$"


def currency_field() -> models.CharField[Any, Any]:
    """Return the column of an ISO 4217 code; each table adds its own CHECK."""
    return models.CharField(max_length=3)


def quantity_field(**options: Any) -> models.DecimalField[Any, Any]:
    """Return an exact decimal column wide enough for every quantity and unit price on the wire (18 + 10 digits)."""
    return models.DecimalField(max_digits=28, decimal_places=10, **options)


class Company(models.Model):
    """A legal entity that keeps books in one currency."""

    code = models.CharField(max_length=10, unique=True)
    name = models.CharField(max_length=200)
    currency = currency_field()
    country = models.CharField(max_length=2)
    time_zone = models.CharField(max_length=64, default="UTC")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(currency__regex=CURRENCY_REGEX), name="ledger_company_currency_is_iso"),
            models.CheckConstraint(condition=Q(country__regex=r"^[A-Z]{2}$"), name="ledger_company_country_is_iso"),
            models.CheckConstraint(condition=Q(code__regex=r"^[A-Z0-9]{2,10}$"), name="ledger_company_code_is_plain"),
        ]

    def __str__(self) -> str:
        """Return code and name."""
        return f"{self.code} {self.name}"


class Account(models.Model):
    """An account of one company's chart."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="accounts", db_index=False)
    number = models.CharField(max_length=20)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=12, choices=AccountKind)
    role = models.CharField(max_length=20, choices=AccountRole, blank=True, default=AccountRole.NONE)
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "number"], name="ledger_account_number_once"),
            # The ledger posts to "the" account of a role: two would make its choice arbitrary.
            models.UniqueConstraint(fields=["company", "role"], condition=~Q(role=""), name="ledger_account_role_once"),
            models.CheckConstraint(condition=Q(kind__in=AccountKind.values), name="ledger_account_kind_is_known"),
            models.CheckConstraint(condition=Q(role__in=AccountRole.values), name="ledger_account_role_is_known"),
        ]

    def __str__(self) -> str:
        """Return number and name."""
        return f"{self.number} {self.name}"


class Period(models.Model):
    """One calendar month of one company; entries are dated into open periods only."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="periods", db_index=False)
    year = models.PositiveSmallIntegerField()
    month = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=6, choices=PeriodState, default=PeriodState.OPEN)
    starts_on = models.DateField()
    ends_on = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "year", "month"], name="ledger_period_once"),
            models.CheckConstraint(condition=Q(state__in=PeriodState.values), name="ledger_period_state_is_known"),
            # Exact months cannot overlap, so a date lies in one period at most.
            models.CheckConstraint(
                condition=Q(starts_on=Func(F("year"), F("month"), Value(1), function="make_date", output_field=models.DateField())),
                name="ledger_period_starts_with_month",
            ),
            models.CheckConstraint(
                condition=Q(
                    ends_on=Func(
                        F("year"),
                        F("month"),
                        Value(1),
                        template="(make_date(%(expressions)s) + interval '1 month' - interval '1 day')::date",
                        output_field=models.DateField(),
                    )
                ),
                name="ledger_period_ends_with_month",
            ),
        ]

    def __str__(self) -> str:
        """Return the month as YYYY-MM."""
        return f"{self.year}-{self.month:02d}"


class CostCentre(models.Model):
    """Where a cost is accounted to."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="cost_centres", db_index=False)
    code = models.CharField(max_length=20)
    name = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["company", "code"], name="ledger_cost_centre_code_once")]

    def __str__(self) -> str:
        """Return code and name."""
        return f"{self.code} {self.name}"


class Budget(models.Model):
    """What one cost centre may spend in one year; `consumed_minor` changes in the transaction of the effect that consumes."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="budgets", db_index=False)
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, related_name="budgets")
    year = models.PositiveSmallIntegerField()
    currency = currency_field()
    amount_minor = models.BigIntegerField()
    consumed_minor = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "cost_centre", "year"], name="ledger_budget_once"),
            models.CheckConstraint(condition=Q(currency__regex=CURRENCY_REGEX), name="ledger_budget_currency_is_iso"),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="ledger_budget_not_negative"),
            # The last guard against overspending by two writers; below zero is a refund larger than the spending.
            models.CheckConstraint(condition=Q(consumed_minor__lte=F("amount_minor")), name="ledger_budget_not_overspent"),
        ]

    def __str__(self) -> str:
        """Return cost centre and year."""
        return f"budget {self.cost_centre_id}/{self.year}"


class Vendor(models.Model):
    """Somebody the company buys from. Of the bank details only a fingerprint is kept: enough to notice a change."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="vendors", db_index=False)
    number = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=8, choices=VendorStatus, default=VendorStatus.ACTIVE)
    vendor_class = models.CharField(max_length=40, blank=True, default="")
    bank_fingerprint = models.CharField(max_length=80, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")
    created_on = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "number"], name="ledger_vendor_number_once"),
            models.CheckConstraint(condition=Q(status__in=VendorStatus.values), name="ledger_vendor_status_is_known"),
        ]

    def __str__(self) -> str:
        """Return number and name."""
        return f"{self.number} {self.name}"


class Customer(models.Model):
    """Somebody the company sells to; `version` counts changes and is the optimistic lock."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="customers", db_index=False)
    number = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=8, choices=CustomerStatus, default=CustomerStatus.ACTIVE)
    currency = currency_field()
    credit_limit_minor = models.BigIntegerField(default=0)
    payment_terms_days = models.PositiveSmallIntegerField(default=30)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "number"], name="ledger_customer_number_once"),
            models.CheckConstraint(condition=Q(currency__regex=CURRENCY_REGEX), name="ledger_customer_currency_is_iso"),
            models.CheckConstraint(condition=Q(status__in=CustomerStatus.values), name="ledger_customer_status_is_known"),
            models.CheckConstraint(condition=Q(credit_limit_minor__gte=0), name="ledger_customer_limit_not_negative"),
            models.CheckConstraint(condition=Q(payment_terms_days__lte=365), name="ledger_customer_terms_within_a_year"),
        ]

    def __str__(self) -> str:
        """Return number and name."""
        return f"{self.number} {self.name}"


class Item(models.Model):
    """Something bought, kept or sold; releases are valued at its standard cost."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="items", db_index=False)
    number = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    standard_cost = quantity_field(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "number"], name="ledger_item_number_once"),
            models.CheckConstraint(condition=Q(standard_cost__gte=0), name="ledger_item_cost_not_negative"),
        ]

    def __str__(self) -> str:
        """Return number and name."""
        return f"{self.number} {self.name}"


class Stock(models.Model):
    """How much of an item lies at a location."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="stock", db_index=False)
    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="stock")
    location = models.CharField(max_length=40)
    quantity = quantity_field()
    version = models.PositiveIntegerField(default=1)

    class Meta:
        verbose_name_plural = "stock"
        constraints = [
            models.UniqueConstraint(fields=["company", "item", "location"], name="ledger_stock_once"),
            # The last guard against two releases of the same pieces.
            models.CheckConstraint(condition=Q(quantity__gte=0), name="ledger_stock_not_negative"),
        ]

    def __str__(self) -> str:
        """Return item and location."""
        return f"stock {self.item_id}@{self.location}"
