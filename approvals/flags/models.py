"""Versions of thresholds, and what the rules found at submission; flags are insert-only."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class ThresholdSet(models.Model):
    """One version of a company's thresholds; the highest that a second person activated is in force. Its values never change."""

    company = models.CharField(max_length=12, blank=True, help_text="Empty: for every company that has none of its own")
    version = models.PositiveIntegerField()
    values = models.JSONField(help_text="Name to text, as approvals.rules.thresholds reads it; what is left out has its default")
    digest = models.CharField(max_length=71, help_text="Over the canonical values")
    reason = models.CharField(max_length=500)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    activated_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    activated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "version"], name="approvals_thresholds_version_once"),
            models.CheckConstraint(condition=Q(version__gte=1), name="approvals_thresholds_version_from_one"),
            # A second person activates: the author is excluded here too, not only in the service.
            models.CheckConstraint(
                condition=Q(activated_by__isnull=True, activated_at__isnull=True)
                | (Q(activated_by__isnull=False, activated_at__isnull=False) & ~Q(activated_by=F("author"))),
                name="approvals_thresholds_second_person",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="approvals_thresholds_have_reason"),
        ]
        indexes = [
            # In force is the highest version that was activated.
            models.Index(fields=["company", "-version"], condition=Q(activated_at__isnull=False), name="approvals_thresholds_in_force"),
        ]

    def __str__(self) -> str:
        """Return whose and which version."""
        return f"{self.company or 'every company'} v{self.version}"


class Flag(models.Model):
    """One rule that struck at submission: what it looked at, what it was held against, what it saw; insert-only."""

    proposal = models.ForeignKey("proposals.Proposal", on_delete=models.PROTECT, related_name="flags")
    rule = models.CharField(max_length=4)
    rule_version = models.PositiveSmallIntegerField()
    thresholds_version = models.PositiveIntegerField(help_text="0: the defaults, nobody has set any")
    text = models.CharField(max_length=500)
    inputs = models.JSONField()
    threshold = models.JSONField()
    observed = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["proposal", "rule"], name="approvals_flag_once_per_rule"),
            models.CheckConstraint(condition=Q(rule__regex=r"^J([1-9]|1[0-7])$"), name="approvals_flag_rule_known"),
        ]

    def __str__(self) -> str:
        """Return the rule and what it says."""
        return f"{self.rule}: {self.text}"

    def as_dict(self) -> dict[str, object]:
        """Return what an approver's page shows of it."""
        return {"rule": self.rule, "version": self.rule_version, "text": self.text}
