"""Which data an approver opened, which approved proposals were drawn for a second look, and what the second person said."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from approvals.oversight.states import Verdict
from kernel.ids import Prefix, encode, new_id
from proposals.models import Proposal, ReadReceipt


class EvidenceOpening(models.Model):
    """The first time one person opened one read receipt, or fetched one attachment, of one proposal; insert-only."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="+")
    read = models.ForeignKey(ReadReceipt, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    attachment = models.ForeignKey("approvals.Attachment", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["proposal", "user", "read"], name="approvals_evidence_opened_once"),
            models.UniqueConstraint(fields=["proposal", "user", "attachment"], name="approvals_attachment_opened_once"),
            models.CheckConstraint(
                condition=Q(read__isnull=False, attachment__isnull=True) | Q(read__isnull=True, attachment__isnull=False),
                name="approvals_opened_one_thing",
            ),
        ]

    def __str__(self) -> str:
        """Return who opened what."""
        return f"{self.user_id}: {self.read_id or self.attachment_id}"


class Draw(models.Model):
    """The sample of one company and one day: anybody with its seed can draw it again; insert-only."""

    company = models.CharField(max_length=12)
    on = models.DateField(help_text="The UTC day on which the population was approved")
    seed = models.CharField(max_length=64, help_text="Made at random after the day had ended")
    share_permille = models.PositiveSmallIntegerField(help_text="Out of a thousand")
    population_count = models.PositiveIntegerField()
    population_digest = models.CharField(max_length=71, help_text="Over the sorted ids of the population")
    drawn_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "on"], name="approvals_drawn_once"),
            models.CheckConstraint(condition=Q(share_permille__lte=1000), name="approvals_draw_share_in_thousand"),
        ]

    def __str__(self) -> str:
        """Return the company and the day."""
        return f"{self.company} {self.on.isoformat()}"


class Review(models.Model):
    """One drawn proposal before a second person, who does not see what the first decided; its verdict is given once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    draw = models.ForeignKey(Draw, on_delete=models.PROTECT, related_name="reviews")
    proposal = models.OneToOneField(Proposal, on_delete=models.PROTECT, related_name="+")
    presentation = models.ForeignKey("approvals.Presentation", on_delete=models.PROTECT, related_name="+", help_text="What was decided on")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: nobody could be asked",
    )
    shown_at = models.DateTimeField(null=True, blank=True)
    verdict = models.CharField(max_length=16, choices=Verdict, blank=True, default="")
    comment = models.TextField(blank=True)
    created_at = models.DateTimeField()
    reviewed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict="", reviewed_at__isnull=True)
                | Q(
                    verdict__in=Verdict.values,
                    reviewer__isnull=False,
                    shown_at__isnull=False,
                    reviewed_at__isnull=False,
                    reviewed_at__gte=F("shown_at"),
                ),
                name="approvals_review_given_after_shown",
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["", Verdict.APPROVE]) | ~Q(comment=""), name="approvals_review_disagreement_has_comment"
            ),
        ]
        indexes = [
            # What waits for me.
            models.Index(fields=["reviewer"], condition=Q(verdict=""), name="approvals_reviews_waiting"),
        ]

    def __str__(self) -> str:
        """Return the verdict."""
        return f"{self.proposal_id}: {self.verdict or 'waiting'}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with review_."""
        return encode(Prefix.REVIEW, self.pk)
