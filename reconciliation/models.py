"""Reconciliation runs and the breaks they found."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from kernel.ids import Prefix, encode, new_id
from proposals.models import Proposal
from reconciliation.assurance.models import RuleHit, RuleRun, Sample, SampleItem  # noqa: F401  tables of this app, too
from reconciliation.states import CLOSED_BY_PEOPLE, BreakKind, BreakState, RunScope, RunState


class Run(models.Model):
    """One comparison of one company over a scope and cut-off."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10, choices=[("nightly", "Nightly"), ("on_demand", "On demand")])
    company = models.CharField(max_length=12)
    business_date = models.DateField()
    cut_off_at = models.DateTimeField(help_text="Commits settled and documents written before this instant are compared")
    scope = models.CharField(max_length=12, choices=RunScope, default=RunScope.FULL)
    since = models.DateTimeField(null=True, blank=True, help_text="What changed from here on is compared; empty for everything")
    position = models.CharField(max_length=64, blank=True, help_text="References up to here are compared: a run cut short goes on after it")
    progress = models.JSONField(default=dict, blank=True, help_text="Counts and totals up to the position")
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
            models.CheckConstraint(
                condition=Q(scope=RunScope.FULL, since__isnull=True) | Q(scope=RunScope.INCREMENTAL, since__isnull=False),
                name="reconciliation_run_since_matches_scope",
            ),
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
    kind = models.CharField(max_length=24, choices=BreakKind)
    company = models.CharField(max_length=12)
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, null=True, blank=True, related_name="breaks")
    reference = models.CharField(max_length=64, blank=True, help_text="What the ERP carries as reference: the key both sides are joined by")
    document = models.CharField(max_length=80, blank=True)
    fingerprint = models.CharField(max_length=71, help_text="Digest of kind, company, reference and document")
    intended = models.JSONField(null=True)
    landed = models.JSONField(null=True)
    amount_minor = models.BigIntegerField(help_text="The larger side: what is at stake")
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=12, choices=BreakState, default=BreakState.OPEN)
    explanation = models.TextField(blank=True)
    compensation = models.OneToOneField(Proposal, on_delete=models.PROTECT, null=True, blank=True, related_name="compensated_break")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="breaks_owned")
    handled_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    seconded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    closing_as = models.CharField(max_length=12, blank=True, help_text="As what the first person wants it closed: explained or written_off")
    limit_minor = models.BigIntegerField(null=True, blank=True, help_text="Up to here one person may close; as set when it was closed")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # The same difference found again is the same break, not another one.
            models.UniqueConstraint(fields=["fingerprint"], name="reconciliation_break_once"),
            models.CheckConstraint(condition=Q(kind__in=BreakKind.values), name="reconciliation_break_kind_known"),
            models.CheckConstraint(condition=Q(state__in=BreakState.values), name="reconciliation_break_state_known"),
            models.CheckConstraint(
                condition=~Q(state__in=sorted(CLOSED_BY_PEOPLE))
                | Q(handled_by__isnull=False, limit_minor__isnull=False, amount_minor__lte=F("limit_minor"))
                | Q(handled_by__isnull=False, limit_minor__isnull=False, seconded_by__isnull=False),
                name="reconciliation_break_closed_by_enough",
            ),
            models.CheckConstraint(
                condition=Q(seconded_by__isnull=True) | (Q(handled_by__isnull=False) & ~Q(seconded_by=F("handled_by"))),
                name="reconciliation_break_seconded_by_another",
            ),
            models.CheckConstraint(
                condition=Q(state=BreakState.CLOSING, closing_as__in=sorted(CLOSED_BY_PEOPLE), handled_by__isnull=False)
                | (~Q(state=BreakState.CLOSING) & Q(closing_as="")),
                name="reconciliation_break_closing_says_how",
            ),
        ]
        indexes = [
            # The work queue: what is open in a company, oldest first.
            models.Index(fields=["company", "state", "opened_at"], name="reconciliation_break_queue"),
        ]

    def __str__(self) -> str:
        """Return kind and document."""
        return f"{self.kind} {self.document}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with brk_."""
        return encode(Prefix.BREAK, self.pk)
