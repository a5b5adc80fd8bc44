"""Delegations: fixed once made, except for an early end."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from kernel.ids import Prefix, encode, new_id
from kernel.money import Money

LENGTH_MAX = timedelta(days=92)


class Delegation(models.Model):
    """For some days one person (the delegate) may decide what another (the delegator) could decide, within these bounds."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    delegator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="delegations_given")
    delegate = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="delegations_held")
    companies = ArrayField(models.CharField(max_length=12))
    groups = ArrayField(models.CharField(max_length=50), default=list, blank=True, help_text="Codes of groups; empty means all")
    tools = ArrayField(models.CharField(max_length=64), default=list, blank=True, help_text="Names of tools; empty means all")
    limit_minor = models.BigIntegerField(null=True, blank=True, help_text="Largest amount; empty means the delegator's own limit")
    limit_currency = models.CharField(max_length=3, blank=True, default="")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True, help_text="Ended early, by hand")
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(delegator=F("delegate")), name="approvals_delegation_to_another"),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at"), ends_at__lte=F("starts_at") + LENGTH_MAX), name="approvals_delegation_is_dated"
            ),
            models.CheckConstraint(condition=~Q(companies=[]), name="approvals_delegation_has_companies"),
            models.CheckConstraint(
                condition=Q(limit_minor__isnull=True, limit_currency="")
                | Q(limit_minor__isnull=False, limit_minor__gte=0, limit_currency__regex=r"^[A-Z]{3}$"),
                name="approvals_delegation_limit_has_currency",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_by__isnull=True) | Q(ended_at__isnull=False, ended_by__isnull=False),
                name="approvals_delegation_ended_by_somebody",
            ),
        ]
        indexes = [
            # Whoever opens their inbox is asked for whom they may decide.
            models.Index(fields=["delegate", "ends_at"], condition=Q(ended_at__isnull=True), name="approvals_delegations_held"),
            models.Index(fields=["delegator", "ends_at"], condition=Q(ended_at__isnull=True), name="approvals_delegations_given"),
        ]

    def __str__(self) -> str:
        """Return who decides for whom."""
        return f"{self.delegate_id} for {self.delegator_id}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with dlg_."""
        return encode(Prefix.DELEGATION, self.pk)

    @property
    def limit(self) -> Money | None:
        """Return the largest amount, or None when the delegator's own limit is the only one."""
        return None if self.limit_minor is None else Money(self.limit_minor, self.limit_currency)
