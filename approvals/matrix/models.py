"""What the matrix needs beside its rows: who wrote them, further groups of a step, company currencies and exchange rates."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from identity.models import ApprovalGroup


class PolicyEditor(models.Model):
    """Somebody who changed a version while it was a draft: excluded from activating it, like its author; insert-only."""

    policy = models.ForeignKey("approvals.Policy", on_delete=models.PROTECT, related_name="editors")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    first_edited_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["policy", "user"], name="approvals_editor_once_per_policy")]

    def __str__(self) -> str:
        """Return who edited what."""
        return f"{self.user_id} edited {self.policy_id}"


class StepGroup(models.Model):
    """A further group that a step of a route asks, beside its first; insert-only, and only as the route's snapshot says."""

    step = models.ForeignKey("approvals.RouteStep", on_delete=models.PROTECT, related_name="further_groups")
    group = models.ForeignKey(ApprovalGroup, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["step", "group"], name="approvals_group_once_per_step")]

    def __str__(self) -> str:
        """Return step and group."""
        return f"{self.step_id}: {self.group_id}"


class CompanyCurrency(models.Model):
    """The currency in which a company keeps its books: amounts are compared with the matrix in it."""

    company = models.CharField(max_length=12, primary_key=True)
    currency = models.CharField(max_length=3)
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "company currencies"
        constraints = [models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="approvals_company_currency_form")]

    def __str__(self) -> str:
        """Return company and currency."""
        return f"{self.company}: {self.currency}"


class RateImport(models.Model):
    """One file of published rates that was taken over: whose, which bytes, which days; insert-only."""

    source = models.CharField(max_length=80)
    digest = models.CharField(max_length=71, help_text="SHA-256 over the file")
    first_on = models.DateField()
    last_on = models.DateField()
    count = models.PositiveIntegerField(help_text="How many of its rates were new")
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(count__gte=1, last_on__gte=F("first_on")), name="approvals_rate_import_of_something")
        ]

    def __str__(self) -> str:
        """Return whose rates of which day."""
        return f"{self.source}, {self.last_on.isoformat()}"


class ExchangeRate(models.Model):
    """What one unit of a currency was worth in another on a day; insert-only: a correction is a later row for the same day."""

    from_currency = models.CharField(max_length=3)
    to_currency = models.CharField(max_length=3)
    rate = models.DecimalField(max_digits=20, decimal_places=10)
    rate_on = models.DateField()
    source = models.CharField(max_length=80)
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    imported_by = models.ForeignKey(RateImport, on_delete=models.PROTECT, null=True, blank=True, related_name="rates")
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(recorded_by__isnull=False, imported_by__isnull=True) | Q(recorded_by__isnull=True, imported_by__isnull=False),
                name="approvals_rate_by_person_or_import",
            ),
            models.CheckConstraint(condition=Q(rate__gt=0), name="approvals_rate_is_positive"),
            models.CheckConstraint(condition=~Q(from_currency=F("to_currency")), name="approvals_rate_between_two"),
            models.CheckConstraint(
                condition=Q(from_currency__regex=r"^[A-Z]{3}$", to_currency__regex=r"^[A-Z]{3}$"), name="approvals_rate_currency_form"
            ),
        ]
        indexes = [
            # The gate asks for the newest rate of a pair.
            models.Index(fields=["from_currency", "to_currency", "-rate_on", "-recorded_at"], name="approvals_newest_rate"),
        ]

    def __str__(self) -> str:
        """Return the rate with its day."""
        return f"1 {self.from_currency} = {self.rate.normalize():f} {self.to_currency} on {self.rate_on.isoformat()}"
