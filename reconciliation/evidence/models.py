"""Bundles that people asked for, while they are made and as long as their file is kept."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from kernel.ids import Prefix, encode, new_id
from reconciliation.evidence.states import BundleKind, BundleState


class Bundle(models.Model):
    """One evidence bundle somebody asked for: what it is about, how far it is, and the file that came of it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=8, choices=BundleKind)
    proposal = models.CharField(max_length=64, blank=True)
    since = models.DateTimeField(null=True, blank=True)
    until = models.DateTimeField(null=True, blank=True)
    companies = ArrayField(models.CharField(max_length=64), help_text="What the person who asked may see; the rest is withheld")
    purpose = models.CharField(max_length=300, blank=True, help_text="What it is for, in the words of the person who asked")
    region = models.CharField(max_length=64)
    destination = models.CharField(max_length=64, blank=True, default="", help_text="The region it is taken to; empty: its own")
    reason = models.CharField(max_length=300, blank=True, default="", help_text="Why it leaves its region")
    state = models.CharField(max_length=8, choices=BundleState, default=BundleState.QUEUED)
    step = models.CharField(max_length=20, blank=True, help_text="What is being written")
    step_done = models.PositiveBigIntegerField(default=0)
    step_total = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True, help_text="Whoever makes it has said so until then")
    file_name = models.CharField(max_length=160, blank=True)
    file_bytes = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=71, blank=True)
    event_count = models.PositiveBigIntegerField(default=0)
    withheld_count = models.PositiveBigIntegerField(default=0)
    checkpoint_size = models.PositiveBigIntegerField(default=0)
    code = models.CharField(max_length=64, blank=True)
    detail = models.TextField(blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="bundles")
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "evidence bundle"
        constraints = [
            models.CheckConstraint(condition=Q(state__in=BundleState.values), name="evidence_bundle_state_known"),
            models.CheckConstraint(
                condition=Q(kind=BundleKind.PROPOSAL, since__isnull=True, until__isnull=True) & ~Q(proposal="")
                | Q(kind=BundleKind.PERIOD, proposal="", since__isnull=False, until__isnull=False, since__lt=F("until")),
                name="evidence_bundle_about_one_thing",
            ),
            models.CheckConstraint(
                condition=~Q(state=BundleState.READY) | ~Q(sha256="") & ~Q(file_name=""), name="evidence_bundle_has_file"
            ),
        ]
        indexes = [
            models.Index(fields=["-requested_at"], name="evidence_bundles_newest"),
            # What a worker has to do, or has to take up from one that died.
            models.Index(
                fields=["requested_at"],
                condition=Q(state__in=[BundleState.QUEUED, BundleState.RUNNING]),
                name="evidence_bundles_to_make",
            ),
        ]

    def __str__(self) -> str:
        """Return what it is about."""
        return self.proposal or f"{self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with bundle_."""
        return encode(Prefix.BUNDLE, self.pk)
