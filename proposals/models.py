"""Proposals and read receipts: immutable but for the proposal's state."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from identity.models import Agent
from kernel.ids import Prefix, encode, new_id
from kernel.money import Money
from proposals.states import OutcomeStatus, ProposalState
from proposals.webhooks.models import WebhookAttempt, WebhookEndpoint, WebhookMessage  # noqa: F401  kept beside their services

# The tool warned of something, or a fact has drifted since.
NOTED = ~Q(facts__warnings=[]) | Q(facts__has_key="drift")


class ReadReceipt(models.Model):
    """Stored proof of one read: tool, arguments, as-of time, digest of the result."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="reads")
    tool = models.CharField(max_length=64)
    tool_version = models.PositiveIntegerField()
    company = models.CharField(max_length=12)
    arguments = models.JSONField()
    as_of = models.DateTimeField()
    result_bytes = models.BinaryField(help_text="Canonical bytes of the result; the digest is over these")
    result_digest = models.CharField(max_length=71)

    class Meta:
        indexes = [
            # The agent's own recent reads, newest first.
            models.Index(fields=["agent", "-as_of"], name="proposals_read_by_agent"),
        ]

    def __str__(self) -> str:
        """Return what was read."""
        return f"{self.tool} {self.public_id}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with read_."""
        return encode(Prefix.READ, self.pk)


class Proposal(models.Model):
    """One intended write. Everything but `state` and `decided_at` is fixed at submission (a trigger refuses the rest)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="proposals")
    on_behalf_of = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="proposals_asked_for"
    )
    credential_thumbprint = models.CharField(max_length=64)
    idempotency_key = models.CharField(max_length=200)
    request_digest = models.CharField(max_length=71, help_text="Over the body as sent; the same key with another body is refused")
    tool = models.CharField(max_length=64)
    tool_version = models.PositiveIntegerField()
    company = models.CharField(max_length=12)
    payload = models.JSONField(help_text="After validation and defaults; for reading, never for hashing")
    action_bytes = models.BinaryField(help_text="Canonical action: what is approved and what is sent")
    payload_digest = models.CharField(max_length=71)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    effective_on = models.DateField()
    counterparty = models.CharField(max_length=40, blank=True, help_text="Vendor or customer number, account, item")
    counterparty_name = models.CharField(max_length=120, blank=True)
    cost_centre = models.CharField(max_length=40, blank=True)
    reference = models.CharField(max_length=80, blank=True, help_text="The caller's own reference, e.g. the order number")
    headline = models.CharField(max_length=300)
    facts = models.JSONField(help_text="What the approver's page shows, computed at submission")
    preconditions = models.JSONField()
    rationale = models.TextField(blank=True, help_text="Written by the agent, not verified")
    is_log_only = models.BooleanField(default=False)
    state = models.CharField(max_length=20, choices=ProposalState, default=ProposalState.PENDING)
    revision = models.PositiveIntegerField(default=1)
    supersedes = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="superseded_by")
    compensates = models.CharField(max_length=40, blank=True, help_text="TypeID of the break this corrects")
    trace_id = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    reads = models.ManyToManyField(ReadReceipt, through="Citation", related_name="proposals")

    class Meta:
        constraints = [
            # One intent, one proposal: the key is the agent's, made before the action.
            models.UniqueConstraint(fields=["agent", "idempotency_key"], name="proposals_key_once_per_agent"),
            models.CheckConstraint(condition=Q(state__in=ProposalState.values), name="proposals_state_known"),
            models.CheckConstraint(
                condition=Q(state=ProposalState.PENDING, decided_at__isnull=True)
                | (~Q(state=ProposalState.PENDING) & Q(decided_at__isnull=False)),
                name="proposals_decided_at_matches_state",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="proposals_expires_after_creation"),
            models.CheckConstraint(condition=Q(revision__gte=1), name="proposals_revision_counts_from_one"),
            models.CheckConstraint(condition=Q(payload_digest__startswith="sha256:"), name="proposals_digest_form"),
        ]
        indexes = [
            # Inbox and expiry look at what is open, oldest due first.
            models.Index(
                fields=["expires_at", "id"],
                include=["company", "agent", "tool", "currency", "amount_minor"],
                condition=Q(state=ProposalState.PENDING),
                name="proposals_pending_by_due",
            ),
            # The inbox ordered by amount.
            models.Index(
                fields=["amount_minor", "id"],
                include=["company", "agent", "tool", "currency", "expires_at"],
                condition=Q(state=ProposalState.PENDING),
                name="proposals_pending_by_amount",
            ),
            # The inbox narrowed by words: read from the index, not from rows that lie among those of years.
            models.Index(
                fields=["expires_at", "id"],
                include=["company", "agent", "headline", "counterparty", "counterparty_name", "reference"],
                condition=Q(state=ProposalState.PENDING),
                name="proposals_pending_words",
            ),
            # The inbox narrowed to what wants a look.
            models.Index(fields=["id"], condition=Q(state=ProposalState.PENDING) & NOTED, name="proposals_pending_noted"),
            # The page of today: what was proposed on each day, what ended since yesterday, from the indexes alone.
            models.Index(fields=["created_at"], include=["id", "company", "state"], name="proposals_by_day"),
            models.Index(
                fields=["decided_at"],
                include=["company", "state"],
                condition=~Q(state=ProposalState.APPROVED) & Q(decided_at__isnull=False),
                name="proposals_ended",
            ),
            # The commit engine asks what was approved lately.
            models.Index(fields=["decided_at"], condition=Q(state=ProposalState.APPROVED), name="proposals_approved"),
            # Rolling sums per agent and counterparty or cost centre.
            models.Index(fields=["agent", "tool", "-created_at"], name="proposals_rolling_by_agent"),
            # What was proposed before for the same counterparty: duplicates, usual amounts, the agent's first time.
            models.Index(fields=["company", "tool", "counterparty", "-created_at"], name="proposals_history"),
        ]

    def __str__(self) -> str:
        """Return the headline."""
        return self.headline

    @property
    def public_id(self) -> str:
        """Return the TypeID, which begins with prop_."""
        return encode(Prefix.PROPOSAL, self.pk)

    @property
    def amount(self) -> Money:
        """Return the amount the gate routes on."""
        return Money(self.amount_minor, self.currency)


class RollingTotal(models.Model):
    """What an agent proposed with a tool in one hour; written by triggers as proposals come and go, read by `proposals.rolling`."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+", db_index=False)
    tool = models.CharField(max_length=64)
    kept_by = models.CharField(max_length=12, help_text="agent, counterparty or cost_centre")
    value = models.CharField(max_length=40, blank=True, help_text="Of what it is kept by; empty for all of the agent")
    hour = models.DateTimeField(help_text="Beginning of the hour, in UTC")
    company = models.CharField(max_length=12, blank=True)
    currency = models.CharField(max_length=3)
    is_released = models.BooleanField(help_text="What no longer counts: refused, lapsed, taken back")
    minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "tool", "kept_by", "value", "hour", "company", "currency", "is_released"],
                name="proposals_one_total_per_hour",
            )
        ]

    def __str__(self) -> str:
        """Return what was summed."""
        return f"{self.tool} {self.kept_by} {self.value} {self.hour:%Y-%m-%d %H}"


class Citation(models.Model):
    """A read receipt that a proposal rests on."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="citations")
    read = models.ForeignKey(ReadReceipt, on_delete=models.PROTECT, related_name="citations")
    position = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["proposal", "read"], name="proposals_cited_once")]
        ordering = ["position"]

    def __str__(self) -> str:
        """Return what is cited."""
        return str(self.read)


class Feedback(models.Model):
    """What whoever ended a proposal wants its agent to know: why, in a code and in words, and what drifted; insert-only."""

    proposal = models.OneToOneField(Proposal, on_delete=models.PROTECT, primary_key=True, related_name="feedback")
    code = models.CharField(max_length=64)
    comment = models.TextField(blank=True)
    differences = models.JSONField(default=list, help_text="Facts that drifted, when drift voided the proposal")
    recorded_at = models.DateTimeField()

    def __str__(self) -> str:
        """Return the code."""
        return f"{self.proposal_id}: {self.code}"


class Outcome(models.Model):
    """What became of the proposal in the ERP, as the commit engine last reported it; a projection of the commit for agents."""

    proposal = models.OneToOneField(Proposal, on_delete=models.PROTECT, primary_key=True, related_name="outcome")
    status = models.CharField(max_length=12, choices=OutcomeStatus)
    document = models.CharField(max_length=80, blank=True)
    code = models.CharField(max_length=64, blank=True)
    detail = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(status__in=OutcomeStatus.values), name="proposals_outcome_status_known")]

    def __str__(self) -> str:
        """Return the status."""
        return f"{self.proposal_id}: {self.status}"
