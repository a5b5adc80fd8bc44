"""Commits, their attempts and receipts."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from commits.states import AttemptOutcome, BreakerState, CommitState
from kernel.ids import Prefix, encode, new_id
from proposals.models import Proposal


class Commit(models.Model):
    """The single execution of one approved proposal; its id is the key the ERP sees, fixed before the first attempt."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    proposal = models.OneToOneField(Proposal, on_delete=models.PROTECT, related_name="commit")
    connection = models.CharField(max_length=40, default="embedded")
    company = models.CharField(max_length=12)
    tool = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=CommitState, default=CommitState.QUEUED)
    attempt_number = models.PositiveIntegerField(default=0, help_text="Fence: a settlement for an older number is ignored")
    request_bytes = models.BinaryField(null=True, blank=True, help_text="What was or will be sent; fixed at the first claim")
    first_sent_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    holder = models.BigIntegerField(null=True, blank=True, help_text="The session that claimed it: see commits.presence")
    holder_server_started_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(help_text="Backoff: not claimed earlier")
    landing_number = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="Which landing counts: 2 after the ERP lost the first"
    )
    code = models.CharField(max_length=64, blank=True)
    detail = models.TextField(blank=True)
    is_retryable = models.BooleanField(default=False)
    opened_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=CommitState.values), name="commits_state_known"),
            models.CheckConstraint(
                condition=(Q(state=CommitState.IN_FLIGHT) & Q(lease_until__isnull=False) & Q(request_bytes__isnull=False))
                | (~Q(state=CommitState.IN_FLIGHT) & Q(lease_until__isnull=True)),
                name="commits_lease_exactly_in_flight",
            ),
            models.CheckConstraint(
                condition=Q(state=CommitState.IN_FLIGHT) | Q(holder__isnull=True, holder_server_started_at__isnull=True),
                name="commits_holder_only_in_flight",
            ),
            models.CheckConstraint(
                condition=(Q(state__in=[CommitState.SUCCEEDED, CommitState.FAILED]) & Q(settled_at__isnull=False))
                | (~Q(state__in=[CommitState.SUCCEEDED, CommitState.FAILED]) & Q(settled_at__isnull=True)),
                name="commits_settled_at_matches_state",
            ),
        ]
        indexes = [
            # The claim takes the oldest queued rows.
            models.Index(fields=["not_before", "id"], condition=Q(state=CommitState.QUEUED), name="commits_queued"),
            # The sweeper takes expired leases and unknown outcomes.
            models.Index(
                fields=["lease_until"], condition=Q(state__in=[CommitState.IN_FLIGHT, CommitState.UNKNOWN]), name="commits_unsettled"
            ),
        ]

    def __str__(self) -> str:
        """Return the identifier and state."""
        return f"{self.public_id}: {self.state}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with cmt_."""
        return encode(Prefix.COMMIT, self.pk)


class Attempt(models.Model):
    """One try of a commit, written before the work so that a killed worker still counts."""

    commit = models.ForeignKey(Commit, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    worker = models.CharField(max_length=80)
    outcome = models.CharField(max_length=10, choices=AttemptOutcome, default=AttemptOutcome.RUNNING)
    detail = models.TextField(blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["commit", "number"], name="commits_attempt_number_once"),
            models.CheckConstraint(condition=Q(outcome__in=AttemptOutcome.values), name="commits_attempt_outcome_known"),
        ]

    def __str__(self) -> str:
        """Return the number and outcome."""
        return f"{self.number}: {self.outcome}"


class Landing(models.Model):
    """What the ERP answered and what was read back."""

    document = models.CharField(max_length=80)
    answer_bytes = models.BinaryField(help_text="Canonical bytes of the ERP's answer")
    read_back_bytes = models.BinaryField(help_text="Canonical bytes of what was read back")
    differences = models.JSONField(default=list, help_text='[{"field", "approved", "landed"}]; empty when as approved')
    content_digest = models.CharField(
        max_length=80, blank=True, help_text="Digest of the document as the ERP gave it: another one later means altered after landing"
    )
    recorded_at = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        """Return the document number."""
        return self.document


class Receipt(Landing):
    """The landing of a commit; insert-only."""

    commit = models.OneToOneField(Commit, on_delete=models.PROTECT, primary_key=True, related_name="receipt")

    class Meta:
        indexes = [
            models.Index(fields=["document"], name="commits_receipt_by_document"),
            # What landed otherwise than approved is rare, and asked for by reconciliation and by people.
            models.Index(fields=["recorded_at"], condition=~Q(differences=[]), name="commits_receipt_that_differs"),
        ]


class Relanding(Landing):
    """A later landing of a commit whose document the ERP lost, e.g. restored from a backup; insert-only. The last one counts."""

    commit = models.ForeignKey(Commit, on_delete=models.PROTECT, related_name="relandings")
    number = models.PositiveSmallIntegerField(help_text="2 for the first one after the receipt")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["commit", "number"], name="commits_relanding_number_once"),
            models.CheckConstraint(condition=Q(number__gte=2), name="commits_relanding_comes_after_the_receipt"),
        ]


class Breaker(models.Model):
    """The circuit breaker of one connection, shared by all workers; a connection that never failed has none."""

    connection = models.CharField(max_length=40, primary_key=True)
    state = models.CharField(max_length=9, choices=BreakerState, default=BreakerState.CLOSED)
    failure_count = models.PositiveIntegerField(default=0, help_text="Failures in a row")
    opening_count = models.PositiveIntegerField(default=0, help_text="Openings in a row: each waits longer")
    # Open: when one write may probe. Half open: until when that probe has time.
    probe_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True, help_text="The ERP asked to be left alone until then")
    code = models.CharField(max_length=64, blank=True)
    detail = models.TextField(blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=BreakerState.values), name="commits_breaker_state_known"),
            models.CheckConstraint(
                condition=(Q(state=BreakerState.CLOSED) & Q(probe_at__isnull=True))
                | (~Q(state=BreakerState.CLOSED) & Q(probe_at__isnull=False)),
                name="commits_breaker_probes_unless_closed",
            ),
        ]

    def __str__(self) -> str:
        """Return connection and state."""
        return f"{self.connection}: {self.state}"
