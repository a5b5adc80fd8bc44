"""Two small tables: how full each quota is, and refusals that were counted instead of recorded one by one."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class RateCounter(models.Model):
    """One quota of one caller. Unlogged: after a crash everybody starts with a full quota, and no request waits for a disk."""

    key = models.CharField(primary_key=True, max_length=160)
    full_at = models.DateTimeField(help_text="When nothing of the quota will be used any more")
    is_allowed = models.BooleanField(help_text="What the last one who asked was told")

    def __str__(self) -> str:
        """Return whose quota it is."""
        return self.key


class RefusalCount(models.Model):
    """How often one source was refused for one reason in one window, until the summary is recorded."""

    source = models.CharField(max_length=120, help_text="An address, an agent, or * for many sources at once")
    kind = models.CharField(max_length=80)
    code = models.CharField(max_length=80)
    window_start = models.DateTimeField()
    window_end = models.DateTimeField(db_index=True)
    count = models.PositiveIntegerField()
    recorded = models.PositiveIntegerField(help_text="How many of them have an event of their own")
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=80)
    subject_kind = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=80)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "kind", "code", "window_start"], name="identity_refusals_one_count_per_window"),
            models.CheckConstraint(condition=Q(window_end__gt=models.F("window_start")), name="identity_refusals_window_has_length"),
        ]

    def __str__(self) -> str:
        """Return what was counted."""
        return f"{self.source}: {self.code} × {self.count}"
