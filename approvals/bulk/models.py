"""A set of proposals that one person approves by one decision: fixed with its digests before the person is asked."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from approvals.bulk.states import BulkState, ItemState
from identity.models import ApprovalGroup
from kernel.ids import Prefix, encode, new_id
from kernel.money import Money
from proposals.models import Proposal


class Bulk(models.Model):
    """What one person picked at one moment, within one tool and one group's step; its digest is over the sorted digests of its items."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    tool = models.CharField(max_length=64)
    group = models.ForeignKey(ApprovalGroup, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField(help_text="Of the step in its route")
    set_digest = models.CharField(max_length=71)
    excluded = models.JSONField(default=list, help_text="What was picked and left out, and why")
    state = models.CharField(max_length=10, choices=BulkState, default=BulkState.PREPARED)
    authentication = models.JSONField(default=list, help_text="Methods of the login that confirmed it")
    signature = models.ForeignKey("approvals.Signature", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    prepared_at = models.DateTimeField()
    valid_until = models.DateTimeField(help_text="Past it the person has to look anew")
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state=BulkState.PREPARED, confirmed_at__isnull=True)
                | Q(state=BulkState.CONFIRMED, confirmed_at__isnull=False, confirmed_at__lt=F("valid_until")),
                name="approvals_bulk_confirmed_in_time",
            ),
            models.CheckConstraint(condition=Q(set_digest__startswith="sha256:"), name="approvals_bulk_digest_form"),
        ]

    def __str__(self) -> str:
        """Return the digest."""
        return self.set_digest

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with bulk_."""
        return encode(Prefix.BULK, self.pk)


class BulkItem(models.Model):
    """One proposal of the set with the digests it was shown with, and what became of it."""

    bulk = models.ForeignKey(Bulk, on_delete=models.PROTECT, related_name="items")
    position = models.PositiveIntegerField()
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="+")
    presentation = models.ForeignKey("approvals.Presentation", on_delete=models.PROTECT, related_name="+")
    payload_digest = models.CharField(max_length=71)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=10, choices=ItemState, default=ItemState.PENDING)
    code = models.CharField(max_length=64, blank=True, help_text="Why it was not approved")
    detail = models.TextField(blank=True)
    decision = models.OneToOneField("approvals.Decision", on_delete=models.PROTECT, null=True, blank=True, related_name="bulk_item")
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["bulk", "position"], name="approvals_bulk_position_once"),
            models.UniqueConstraint(fields=["bulk", "proposal"], name="approvals_bulk_proposal_once"),
            models.CheckConstraint(
                condition=Q(state=ItemState.PENDING, settled_at__isnull=True, decision__isnull=True)
                | Q(state=ItemState.APPROVED, settled_at__isnull=False, decision__isnull=False)
                | (Q(state=ItemState.REFUSED, settled_at__isnull=False, decision__isnull=True) & ~Q(code="")),
                name="approvals_bulk_item_settled",
            ),
        ]

    def __str__(self) -> str:
        """Return the state."""
        return f"{self.proposal_id}: {self.state}"

    @property
    def amount(self) -> Money:
        """Return the amount as it was shown."""
        return Money(self.amount_minor, self.currency)
