"""Runs of the rules over a period with what they found, and samples that were drawn; both only ever added to."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from kernel.ids import Prefix, encode, new_id
from proposals.models import Proposal
from reconciliation.assurance.states import RuleRunState, SampleMethod


class RuleRun(models.Model):
    """The rules J1-J17 over everything that landed in a period: parameters, population and results, by whom and when."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    since = models.DateTimeField()
    until = models.DateTimeField()
    companies = ArrayField(models.CharField(max_length=12))
    state = models.CharField(max_length=10, choices=RuleRunState, default=RuleRunState.REQUESTED)
    population_count = models.PositiveBigIntegerField(default=0)
    population_totals = models.JSONField(default=dict, help_text='{"EUR": minor units}')
    thresholds = models.JSONField(default=dict, help_text='{"DE01": version of the thresholds in force}')
    results = models.JSONField(default=dict, help_text='{"J1": {version, tested, hits, not_applicable, not_tested: {why: count}}}')
    detail = models.CharField(max_length=500, blank=True)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "run of the rules"
        constraints = [
            models.CheckConstraint(condition=Q(state__in=RuleRunState.values), name="reconciliation_rule_run_state_known"),
            models.CheckConstraint(condition=Q(since__lt=F("until")), name="reconciliation_rule_run_period"),
            models.CheckConstraint(
                condition=Q(state=RuleRunState.REQUESTED, finished_at__isnull=True)
                | (~Q(state=RuleRunState.REQUESTED) & Q(finished_at__isnull=False)),
                name="reconciliation_rule_run_finished",
            ),
        ]
        indexes = [models.Index(fields=["-started_at"], name="reconciliation_rule_runs")]

    def __str__(self) -> str:
        """Return the period, its last day included."""
        return f"{self.since:%Y-%m-%d} to {self.until - timedelta(microseconds=1):%Y-%m-%d}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with jrun_."""
        return encode(Prefix.RULE_RUN, self.pk)


class RuleHit(models.Model):
    """One write that one rule struck in one run."""

    run = models.ForeignKey(RuleRun, on_delete=models.PROTECT, related_name="hits")
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="+")
    rule = models.CharField(max_length=4)
    rule_version = models.PositiveSmallIntegerField()
    text = models.CharField(max_length=500)
    inputs = models.JSONField()
    threshold = models.JSONField()
    observed = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "rule", "proposal"], name="reconciliation_rule_hit_once"),
            models.CheckConstraint(condition=Q(rule__regex=r"^J([1-9]|1[0-7])$"), name="reconciliation_rule_hit_rule_known"),
        ]

    def __str__(self) -> str:
        """Return the rule and what it says."""
        return f"{self.rule}: {self.text}"


class Sample(models.Model):
    """A sample of what landed in a period: the population it was drawn from, the method and the seed that give it again."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    since = models.DateTimeField()
    until = models.DateTimeField()
    companies = ArrayField(models.CharField(max_length=12))
    method = models.CharField(max_length=14, choices=SampleMethod)
    currency = models.CharField(max_length=3, blank=True, help_text="Monetary unit: the one currency that was sampled")
    seed = models.CharField(max_length=64)
    size = models.PositiveIntegerField(help_text="How many were asked for; fewer when the population has fewer")
    population_count = models.PositiveBigIntegerField()
    population_totals = models.JSONField(help_text='{"EUR": minor units}')
    population_digest = models.CharField(max_length=71, help_text="Over the sorted ids with their amounts")
    purpose = models.CharField(max_length=300)
    drawn_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    drawn_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(method__in=SampleMethod.values), name="reconciliation_sample_method_known"),
            models.CheckConstraint(condition=Q(since__lt=F("until")), name="reconciliation_sample_period"),
            models.CheckConstraint(condition=~Q(seed="") & Q(size__gte=1), name="reconciliation_sample_has_seed"),
        ]
        indexes = [models.Index(fields=["-drawn_at"], name="reconciliation_samples")]

    def __str__(self) -> str:
        """Return method and size."""
        return f"{self.method}, {self.size}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with smp_."""
        return encode(Prefix.SAMPLE, self.pk)


class SampleItem(models.Model):
    """One write in a sample, with its place and why it was selected."""

    sample = models.ForeignKey(Sample, on_delete=models.PROTECT, related_name="items")
    position = models.PositiveIntegerField()
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="+")
    stratum = models.CharField(max_length=60, blank=True)
    because = models.CharField(max_length=120, help_text="The rank or the unit of money that selected it")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["sample", "position"], name="reconciliation_sample_position_once"),
            models.UniqueConstraint(fields=["sample", "proposal"], name="reconciliation_sample_item_once"),
        ]

    def __str__(self) -> str:
        """Return the position."""
        return str(self.position)
