"""Business documents, their gapless numbers, and the idempotency table written in the transaction of the effect."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from kernel.ids import new_id
from ledger.models.journal import JournalEntry, number_field, reference_field
from ledger.models.masters import (
    CURRENCY_REGEX,
    Company,
    CostCentre,
    Customer,
    Item,
    Vendor,
    currency_field,
    quantity_field,
)
from ledger.states import CustomerStatus, MovementKind, OrderState, Series


class DocumentSequence(models.Model):
    """The last number given in a series and year; its row lock, held to the end of the transaction, makes it gapless."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="sequences", db_index=False)
    series = models.CharField(max_length=2, choices=Series)
    year = models.PositiveSmallIntegerField()
    last_number = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "series", "year"], name="ledger_sequence_once"),
            models.CheckConstraint(condition=Q(series__in=Series.values), name="ledger_sequence_series_is_known"),
        ]

    def __str__(self) -> str:
        """Return series and year."""
        return f"{self.series}-{self.year}"


class PurchaseOrder(models.Model):
    """An order placed with a vendor; its total stands on the commitment accounts until the order is cancelled."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="purchase_orders", db_index=False)
    number = number_field()
    state = models.CharField(max_length=9, choices=OrderState, default=OrderState.OPEN)
    vendor = models.ForeignKey(Vendor, on_delete=models.PROTECT, related_name="purchase_orders", db_index=False)
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, related_name="purchase_orders", db_index=False)
    # The payload's own "reference": what the orderer calls it.
    order_reference = models.CharField(max_length=140, blank=True, default="")
    ordered_on = models.DateField()
    deliver_on = models.DateField(null=True, blank=True)
    currency = currency_field()
    total_minor = models.BigIntegerField()
    line_count = models.PositiveSmallIntegerField()
    note = models.CharField(max_length=2000, blank=True, default="")
    entry = models.OneToOneField(JournalEntry, on_delete=models.PROTECT, related_name="purchase_order")
    reference = reference_field()
    written_by = models.CharField(max_length=64)
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name = "purchase order"
        constraints = [
            models.UniqueConstraint(fields=["company", "number"], name="ledger_order_number_once"),
            models.CheckConstraint(condition=Q(state__in=OrderState.values), name="ledger_order_state_is_known"),
            models.CheckConstraint(condition=Q(currency__regex=CURRENCY_REGEX), name="ledger_order_currency_is_iso"),
            models.CheckConstraint(condition=Q(total_minor__gt=0), name="ledger_order_total_positive"),
            models.CheckConstraint(condition=Q(line_count__gte=1), name="ledger_order_has_a_line"),
            models.CheckConstraint(
                condition=Q(deliver_on__isnull=True) | Q(deliver_on__gte=F("ordered_on")),
                name="ledger_order_delivered_after_ordered",
            ),
        ]
        indexes = [
            models.Index(fields=["company", "reference", "number"], name="ledger_order_by_reference"),
            # Lists per vendor, and the search for orders that look alike.
            models.Index(fields=["vendor", "ordered_on"], name="ledger_order_by_vendor"),
            models.Index(fields=["company", "ordered_on"], name="ledger_order_by_date"),
            # Whether the same order was written already, asked before each commit.
            models.Index(fields=["vendor", "order_reference"], name="ledger_order_by_own_reference"),
        ]

    def __str__(self) -> str:
        """Return the number."""
        return self.number


class PurchaseOrderLine(models.Model):
    """One line of an order; the amount is rounded half-up per line."""

    order = models.ForeignKey(PurchaseOrder, on_delete=models.PROTECT, related_name="lines", db_index=False)
    line_number = models.PositiveSmallIntegerField()
    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="order_lines", db_index=False)
    description = models.CharField(max_length=500, blank=True, default="")
    quantity = quantity_field()
    unit_price = quantity_field()
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "line_number"], name="ledger_order_line_number_once"),
            models.CheckConstraint(condition=Q(line_number__gte=1), name="ledger_order_line_number_from_one"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="ledger_order_line_quantity_positive"),
            models.CheckConstraint(condition=Q(unit_price__gte=0), name="ledger_order_line_price_not_negative"),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="ledger_order_line_amount_not_negative"),
        ]

    def __str__(self) -> str:
        """Return order and line."""
        return f"{self.order_id}/{self.line_number}"


class InventoryMovement(models.Model):
    """Stock that left a location, or came back when a release was reversed; valued at standard cost."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="movements", db_index=False)
    number = number_field()
    kind = models.CharField(max_length=7, choices=MovementKind)
    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="movements", db_index=False)
    location = models.CharField(max_length=40)
    quantity = quantity_field()
    unit_cost = quantity_field()
    # What the item was released for: a production, sales or service order.
    order_reference = models.CharField(max_length=140, blank=True, default="")
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, related_name="movements", null=True, blank=True, db_index=False)
    effective_on = models.DateField()
    currency = currency_field()
    total_minor = models.BigIntegerField()
    # Absent where the item costs nothing: there is no value to move.
    entry = models.OneToOneField(JournalEntry, on_delete=models.PROTECT, related_name="movement", null=True, blank=True)
    reference = reference_field()
    written_by = models.CharField(max_length=64)
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name = "inventory movement"
        constraints = [
            models.UniqueConstraint(fields=["company", "number"], name="ledger_movement_number_once"),
            models.CheckConstraint(condition=Q(kind__in=MovementKind.values), name="ledger_movement_kind_is_known"),
            models.CheckConstraint(condition=Q(currency__regex=CURRENCY_REGEX), name="ledger_movement_currency_is_iso"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="ledger_movement_quantity_positive"),
            models.CheckConstraint(condition=Q(unit_cost__gte=0), name="ledger_movement_cost_not_negative"),
            models.CheckConstraint(
                condition=Q(total_minor=0, entry__isnull=True) | Q(total_minor__gt=0, entry__isnull=False),
                name="ledger_movement_value_has_entry",
            ),
        ]
        indexes = [
            models.Index(fields=["company", "reference", "number"], name="ledger_movement_by_reference"),
            models.Index(fields=["item", "location"], name="ledger_movement_by_item"),
            models.Index(fields=["item", "order_reference"], name="ledger_movement_by_order"),
        ]

    def __str__(self) -> str:
        """Return the number."""
        return self.number


class CustomerChange(models.Model):
    """One change of a customer, before and after: the row history, and the document a change is reconciled by."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="customer_changes", db_index=False)
    number = number_field()
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="changes", db_index=False)
    version_before = models.PositiveIntegerField()
    version_after = models.PositiveIntegerField()
    # A pair is null where the change left the field alone.
    credit_limit_minor_before = models.BigIntegerField(null=True, blank=True)
    credit_limit_minor_after = models.BigIntegerField(null=True, blank=True)
    payment_terms_days_before = models.PositiveSmallIntegerField(null=True, blank=True)
    payment_terms_days_after = models.PositiveSmallIntegerField(null=True, blank=True)
    status_before = models.CharField(max_length=8, choices=CustomerStatus, null=True, blank=True)  # noqa: DJ001  null = untouched
    status_after = models.CharField(max_length=8, choices=CustomerStatus, null=True, blank=True)  # noqa: DJ001  null = untouched
    currency = currency_field()
    reason = models.CharField(max_length=500)
    effective_on = models.DateField()
    reference = reference_field()
    written_by = models.CharField(max_length=64)
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name = "customer change"
        constraints = [
            models.UniqueConstraint(fields=["company", "number"], name="ledger_customer_change_number_once"),
            # Two changes of one version would be a lost update.
            models.UniqueConstraint(fields=["customer", "version_after"], name="ledger_customer_change_version_once"),
            models.CheckConstraint(condition=Q(version_after=F("version_before") + 1), name="ledger_customer_change_steps_by_one"),
            models.CheckConstraint(
                condition=Q(credit_limit_minor_before__isnull=True, credit_limit_minor_after__isnull=True)
                | Q(credit_limit_minor_before__isnull=False, credit_limit_minor_after__isnull=False),
                name="ledger_customer_change_limit_in_pairs",
            ),
            models.CheckConstraint(
                condition=Q(payment_terms_days_before__isnull=True, payment_terms_days_after__isnull=True)
                | Q(payment_terms_days_before__isnull=False, payment_terms_days_after__isnull=False),
                name="ledger_customer_change_terms_in_pairs",
            ),
            models.CheckConstraint(
                condition=Q(status_before__isnull=True, status_after__isnull=True)
                | Q(status_before__isnull=False, status_after__isnull=False),
                name="ledger_customer_change_status_in_pairs",
            ),
        ]
        indexes = [
            models.Index(fields=["company", "reference", "number"], name="ledger_change_by_reference"),
        ]

    def __str__(self) -> str:
        """Return the number."""
        return self.number


class IdempotencyRecord(models.Model):
    """The answer to one key, written in the transaction of the effect: a key either has both or has neither.

    `request_digest` covers tool, company, reference and action, so that the same key with anything else is a conflict.
    """

    key = models.UUIDField(primary_key=True, editable=False)
    request_digest = models.CharField(max_length=71)
    tool = models.CharField(max_length=64)
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="idempotency_records", db_index=False)
    reference = reference_field()
    document = number_field()
    result = models.JSONField()
    written_by = models.CharField(max_length=64)
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name = "idempotency record"
        constraints = [
            # A document is the effect of one key only.
            models.UniqueConstraint(fields=["company", "document"], name="ledger_idempotency_document_once"),
            models.CheckConstraint(condition=Q(request_digest__regex=r"^sha256:[0-9a-f]{64}$"), name="ledger_idempotency_digest_is_sha256"),
        ]

    def __str__(self) -> str:
        """Return the key."""
        return str(self.key)


class ClosedKey(models.Model):
    """A key under which nothing may land until it is opened again: its request was given up after it had left, and may be on its way."""

    key = models.UUIDField(primary_key=True, editable=False)
    closed_by = models.CharField(max_length=64)
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name = "closed key"

    def __str__(self) -> str:
        """Return the key."""
        return str(self.key)


class Draft(models.Model):
    """A document that was created and then refused when it should be posted: it counts nowhere, and staff have to remove it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="drafts")
    number = number_field()
    tool = models.CharField(max_length=64)
    content = models.JSONField()
    reference = reference_field()
    written_by = models.CharField(max_length=64)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["company", "number"], name="ledger_draft_number_once")]

    def __str__(self) -> str:
        """Return the number."""
        return self.number
