"""The log of mails, one row each, and what each person wants to be mailed."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from approvals.mail.states import MailKind, MailState
from kernel.ids import new_id


class Mail(models.Model):
    """One mail to one person: why, about which proposals, and what became of it. `key` says once and for all what it is for."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=MailKind)
    reason = models.CharField(max_length=20, blank=True, help_text="Why at once: due_soon, high, forwarded, escalated")
    key = models.CharField(max_length=120, unique=True)
    companies = ArrayField(models.CharField(max_length=12), default=list)
    proposals = ArrayField(models.CharField(max_length=40), default=list, help_text="TypeIDs of what it was sent about")
    subject = models.CharField(max_length=200, blank=True, help_text="As sent")
    state = models.CharField(max_length=8, choices=MailState, default=MailState.QUEUED)
    attempt_count = models.PositiveIntegerField(default=0)
    detail = models.CharField(max_length=300, blank=True, help_text="What the last attempt said, or why it was not sent")
    next_at = models.DateTimeField(help_text="When it is due")
    leased_until = models.DateTimeField(null=True, blank=True, help_text="Until when an attempt may be under way")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=MailState.values), name="approvals_mail_state_known"),
            models.CheckConstraint(condition=Q(kind__in=MailKind.values), name="approvals_mail_kind_known"),
            models.CheckConstraint(
                condition=Q(state=MailState.QUEUED, finished_at__isnull=True) | (~Q(state=MailState.QUEUED) & Q(finished_at__isnull=False)),
                name="approvals_mail_finished_at_matches",
            ),
        ]
        indexes = [
            # The sender asks what is due.
            models.Index(fields=["next_at"], condition=Q(state=MailState.QUEUED), name="approvals_mails_due"),
            # The delivery log, newest first.
            models.Index(fields=["-created_at"], name="approvals_mails_by_time"),
        ]

    def __str__(self) -> str:
        """Return what it is for."""
        return self.key


class MailPreference(models.Model):
    """What one person wants to be mailed; whoever never chose gets both."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+")
    at_once = models.BooleanField(default=True)
    digest = models.BooleanField(default=True)
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        """Return both choices."""
        return f"{self.user_id}: at once {self.at_once}, digest {self.digest}"
