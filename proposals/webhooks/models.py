"""An endpoint per agent, the messages for it (the outbox), and every attempt to deliver one."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from identity.models import Agent
from kernel.ids import Prefix, encode, new_id
from proposals.webhooks.states import EndpointState, MessageState

URL_LENGTH_MAX = 2048


class WebhookEndpoint(models.Model):
    """Where one agent's runtime wants to be told, and with which secret it is signed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.OneToOneField(Agent, on_delete=models.PROTECT, related_name="webhook_endpoint")
    url = models.CharField(max_length=URL_LENGTH_MAX)
    secret = models.BinaryField(help_text="Encrypted; shown once, when it was made")
    previous_secret = models.BinaryField(null=True, blank=True, help_text="Signs beside the new one until previous_until")
    previous_until = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=EndpointState, default=EndpointState.ON)
    off_because = models.CharField(max_length=200, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True, help_text="Since when no attempt has succeeded")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=EndpointState.values), name="webhooks_endpoint_state_known"),
            models.CheckConstraint(
                condition=Q(previous_secret__isnull=True, previous_until__isnull=True)
                | Q(previous_secret__isnull=False, previous_until__isnull=False),
                name="webhooks_previous_secret_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        """Return where it is."""
        return self.url


class WebhookMessage(models.Model):
    """One thing to tell; its body is fixed when it is written, in the transaction of what it tells."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, related_name="messages")
    kind = models.CharField(max_length=60, help_text="The message's type, e.g. proposal.approved")
    proposal = models.CharField(max_length=40, blank=True, help_text="TypeID of the proposal it tells of; empty for a test")
    company = models.CharField(max_length=12, blank=True)
    body = models.BinaryField(help_text="As it is signed and sent, the same at every attempt")
    trace_id = models.CharField(max_length=32, blank=True)
    state = models.CharField(max_length=10, choices=MessageState, default=MessageState.PENDING)
    attempt_count = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(help_text="When it is due")
    leased_until = models.DateTimeField(null=True, blank=True, help_text="Until when an attempt may be under way")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=MessageState.values), name="webhooks_message_state_known"),
            models.CheckConstraint(
                condition=Q(state=MessageState.PENDING, finished_at__isnull=True)
                | (~Q(state=MessageState.PENDING) & Q(finished_at__isnull=False)),
                name="webhooks_finished_at_matches_state",
            ),
        ]
        indexes = [
            # The deliverer asks what is due.
            models.Index(fields=["next_at"], condition=Q(state=MessageState.PENDING), name="webhooks_due"),
            # The delivery log, newest first.
            models.Index(fields=["endpoint", "-created_at"], name="webhooks_by_endpoint"),
            # What ended long ago is forgotten.
            models.Index(fields=["finished_at"], condition=~Q(state=MessageState.PENDING), name="webhooks_finished"),
        ]

    def __str__(self) -> str:
        """Return what it tells."""
        return f"{self.kind} {self.public_id}"

    @property
    def public_id(self) -> str:
        """Return the TypeID, `msg_…`: the webhook-id by which a receiver knows a repeated delivery."""
        return encode(Prefix.MESSAGE, self.pk)


class WebhookAttempt(models.Model):
    """One try to deliver a message and what came of it."""

    message = models.ForeignKey(WebhookMessage, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    status = models.PositiveIntegerField(null=True, blank=True, help_text="HTTP status; empty when there was no answer")
    detail = models.CharField(max_length=300, blank=True)
    duration_ms = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "number"], name="webhooks_attempt_numbered_once")]
        ordering = ["number"]

    def __str__(self) -> str:
        """Return the answer."""
        return f"{self.number}: {self.status or self.detail}"
