"""The journal: balanced entries and their postings. Both are insert-only; triggers in 0002 hold the rules below.

An entry declares how many postings it has. At commit a deferred trigger counts them and sums debits and credits per currency;
posting numbers run from 1 to the declared count, so a committed entry has no free number left and can never be extended.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from kernel.ids import new_id
from ledger.models.masters import CURRENCY_REGEX, Account, Company, CostCentre, Period, currency_field
from ledger.states import EntryKind


def reference_field() -> models.CharField[str, str]:
    """Return the column of the proposal's TypeID, the join key of reconciliation.

    Compared byte by byte (collation C) so that both sides of a reconciliation sort alike. Empty for what staff entered.
    """
    return models.CharField(max_length=64, blank=True, default="", db_collation="C")


def number_field() -> models.CharField[str, str]:
    """Return the column of a document number."""
    return models.CharField(max_length=24, db_collation="C")


class JournalEntry(models.Model):
    """A balanced record in the ledger."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="entries", db_index=False)
    number = number_field()
    kind = models.CharField(max_length=10, choices=EntryKind)
    # The order or movement whose accounting effect this is; empty for a general entry, which is a document of its own.
    document = models.CharField(max_length=24, blank=True, default="", db_collation="C")
    period = models.ForeignKey(Period, on_delete=models.PROTECT, related_name="entries", db_index=False)
    effective_on = models.DateField()
    currency = currency_field()
    total_minor = models.BigIntegerField()
    posting_count = models.PositiveSmallIntegerField()
    description = models.CharField(max_length=500, blank=True, default="")
    # One reversal per entry: the unique index decides between two that race.
    reverses = models.OneToOneField("self", on_delete=models.PROTECT, related_name="reversed_by", null=True, blank=True)
    # The document number as it was asked for: an order's, a movement's or an entry's.
    reverses_document = models.CharField(max_length=24, blank=True, default="", db_collation="C")
    reference = reference_field()
    written_by = models.CharField(max_length=64)
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name = "journal entry"
        verbose_name_plural = "journal entries"
        constraints = [
            models.UniqueConstraint(fields=["company", "number"], name="ledger_entry_number_once"),
            models.CheckConstraint(condition=Q(kind__in=EntryKind.values), name="ledger_entry_kind_is_known"),
            models.CheckConstraint(condition=Q(currency__regex=CURRENCY_REGEX), name="ledger_entry_currency_is_iso"),
            models.CheckConstraint(condition=Q(total_minor__gt=0), name="ledger_entry_total_positive"),
            models.CheckConstraint(condition=Q(posting_count__gte=2), name="ledger_entry_has_two_postings"),
            models.CheckConstraint(
                condition=Q(kind=EntryKind.GENERAL, document="") | (~Q(kind=EntryKind.GENERAL) & ~Q(document="")),
                name="ledger_entry_effect_names_document",
            ),
            models.CheckConstraint(
                condition=Q(reverses__isnull=True, reverses_document="") | (Q(reverses__isnull=False) & ~Q(reverses_document="")),
                name="ledger_entry_reversal_names_document",
            ),
            models.CheckConstraint(condition=Q(reverses__isnull=True) | ~Q(reverses=F("id")), name="ledger_entry_not_its_own_reversal"),
        ]
        indexes = [
            # Reconciliation streams documents by reference; trial balances and searches go by date.
            models.Index(fields=["company", "reference", "number"], name="ledger_entry_by_reference"),
            # The same entry written twice is one of the same day and total.
            models.Index(fields=["company", "effective_on", "total_minor"], name="ledger_entry_by_date_and_total"),
            models.Index(fields=["company", "document"], condition=~Q(document=""), name="ledger_entry_by_document"),
        ]

    def __str__(self) -> str:
        """Return the number."""
        return self.number


class Posting(models.Model):
    """One debit or one credit of an entry."""

    entry = models.ForeignKey(JournalEntry, on_delete=models.PROTECT, related_name="postings", db_index=False)
    line_number = models.PositiveSmallIntegerField()
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="postings")
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, related_name="postings", null=True, blank=True, db_index=False)
    debit_minor = models.BigIntegerField(default=0)
    credit_minor = models.BigIntegerField(default=0)
    currency = currency_field()
    text = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entry", "line_number"], name="ledger_posting_number_once"),
            models.CheckConstraint(condition=Q(line_number__gte=1), name="ledger_posting_number_from_one"),
            models.CheckConstraint(
                condition=Q(debit_minor__gt=0, credit_minor=0) | Q(debit_minor=0, credit_minor__gt=0),
                name="ledger_posting_debit_or_credit",
            ),
            models.CheckConstraint(condition=Q(currency__regex=CURRENCY_REGEX), name="ledger_posting_currency_is_iso"),
        ]

    def __str__(self) -> str:
        """Return entry and line."""
        return f"{self.entry_id}/{self.line_number}"
