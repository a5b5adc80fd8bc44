"""Reconciliation runs and the breaks they found."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from kernel.ids import Prefix, encode, new_id
from proposals.models import Proposal
from reconciliation.states import BreakKind, BreakState, RunState


class Run(models.Model):
    """One comparison of one company over a scope and cut-off."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10, choices=[("nightly", "Nightly"), ("on_demand", "On demand")])
    company = models.CharField(max_length=12)
    business_date = models.DateField()
    cut_off_at = models.DateTimeField(help_text="Commits settled and documents written before this instant are compared")
    state = models.CharField(max_length=10, choices=RunState, default=RunState.RUNNING)
    intended_count = models.PositiveBigIntegerField(default=0)
    intended_totals = models.JSONField(default=dict, help_text='{"EUR": minor units}')
    landed_count = models.PositiveBigIntegerField(default=0)
    landed_totals = models.JSONField(default=dict, help_text='{"EUR": minor units}')
    matched_count = models.PositiveBigIntegerField(default=0)
    break_count = models.PositiveBigIntegerField(default=0)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # A night that starts twice, late, or on two workers is one run.
            models.UniqueConstraint(
                fields=["company", "business_date"], condition=Q(kind="nightly"), name="reconciliation_one_nightly_run"
            ),
            models.CheckConstraint(condition=Q(state__in=RunState.values), name="reconciliation_run_state_known"),
        ]
        indexes = [models.Index(fields=["-started_at"], name="reconciliation_runs_newest")]

    def __str__(self) -> str:
        """Return what was compared."""
        return f"{self.company} {self.business_date} {self.kind}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with run_."""
        return encode(Prefix.RUN, self.pk)


class Break(models.Model):
    """One difference, kept until it is explained, compensated or written off."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    first_run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="breaks_found")
    last_run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="breaks_seen")
    kind = models.CharField(max_length=12, choices=BreakKind)
    company = models.CharField(max_length=12)
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, null=True, blank=True, related_name="breaks")
    document = models.CharField(max_length=80, blank=True)
    fingerprint = models.CharField(max_length=71, help_text="Digest of kind, company, proposal and document")
    intended = models.JSONField(null=True)
    landed = models.JSONField(null=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=12, choices=BreakState, default=BreakState.OPEN)
    explanation = models.TextField(blank=True)
    compensation = models.OneToOneField(Proposal, on_delete=models.PROTECT, null=True, blank=True, related_name="compensated_break")
    handled_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # The same difference found again is the same break, not another one.
            models.UniqueConstraint(fields=["fingerprint"], name="reconciliation_break_once"),
            models.CheckConstraint(condition=Q(kind__in=BreakKind.values), name="reconciliation_break_kind_known"),
            models.CheckConstraint(condition=Q(state__in=BreakState.values), name="reconciliation_break_state_known"),
        ]

    def __str__(self) -> str:
        """Return kind and document."""
        return f"{self.kind} {self.document}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with brk_."""
        return encode(Prefix.BREAK, self.pk)
