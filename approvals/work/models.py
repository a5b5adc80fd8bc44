"""Who takes care of a step, who wants to be left alone with a proposal for a while, who is looking at one."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from approvals.work.states import ClaimEnd
from proposals.models import Proposal


class Claim(models.Model):
    """One person takes care of the open step, having claimed it or having been given it; it takes nobody's right to decide.

    A step has as many places as it asks for approvals, so that two people who are both needed can both claim.
    """

    step = models.ForeignKey("approvals.RouteStep", on_delete=models.PROTECT, related_name="claims")
    place = models.PositiveSmallIntegerField(help_text="From 1 to the number of approvals that the step asks for")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="claims")
    given_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(max_length=500, blank=True)
    claimed_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_because = models.CharField(max_length=10, choices=ClaimEnd, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["step", "place"], condition=Q(ended_at__isnull=True), name="approvals_one_claim_per_place"),
            models.UniqueConstraint(fields=["step", "user"], condition=Q(ended_at__isnull=True), name="approvals_claimed_once_per_person"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_because="") | Q(ended_at__isnull=False, ended_because__in=ClaimEnd.values),
                name="approvals_claim_ended_for_a_reason",
            ),
        ]
        indexes = [
            # What I have claimed is looked up for every inbox.
            models.Index(fields=["user"], condition=Q(ended_at__isnull=True), name="approvals_claims_by_person"),
        ]

    def __str__(self) -> str:
        """Return who takes care of what."""
        return f"{self.user_id} on step {self.step_id}"


class Snooze(models.Model):
    """One person does not want to see one proposal under Mine now until then; it stays due when it was due."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="snoozes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    until = models.DateTimeField()
    snoozed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["proposal", "user"], name="approvals_snoozed_once"),
            models.CheckConstraint(condition=Q(until__gt=F("snoozed_at")), name="approvals_snoozed_until_later"),
        ]

    def __str__(self) -> str:
        """Return until when."""
        return f"{self.user_id} until {self.until.isoformat()}"


class Looking(models.Model):
    """When one person last had one proposal on screen; forgotten after a day."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["proposal", "user"], name="approvals_looking_once")]
        indexes = [
            # Yesterday's are forgotten.
            models.Index(fields=["seen_at"], name="approvals_looking_by_time"),
        ]

    def __str__(self) -> str:
        """Return who looked when."""
        return f"{self.user_id} at {self.seen_at.isoformat()}"
