"""The business calendar of each company: its working days, its hours, its holidays."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q


class BusinessCalendar(models.Model):
    """When people of one company work; a company without a calendar works Monday to Friday, 9:00 to 17:00 UTC."""

    company = models.CharField(max_length=12, unique=True)
    weekend = ArrayField(
        models.PositiveSmallIntegerField(), default=list, help_text="ISO weekdays without work: 6 is Saturday, 7 is Sunday"
    )
    time_zone = models.CharField(max_length=60, default="UTC")
    opens_at = models.TimeField()
    closes_at = models.TimeField()
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(closes_at__gt=F("opens_at")), name="approvals_calendar_day_not_empty"),
            # A week without a working day would never come to an end.
            models.CheckConstraint(
                condition=Q(weekend__len__lte=6, weekend__contained_by=[1, 2, 3, 4, 5, 6, 7]), name="approvals_calendar_week_has_work"
            ),
        ]

    def __str__(self) -> str:
        """Return whose calendar it is."""
        return self.company


class Holiday(models.Model):
    """One day on which nobody of the company works."""

    calendar = models.ForeignKey(BusinessCalendar, on_delete=models.CASCADE, related_name="holidays")
    on = models.DateField()
    title = models.CharField(max_length=80)

    class Meta:
        ordering = ["on"]
        constraints = [models.UniqueConstraint(fields=["calendar", "on"], name="approvals_holiday_once")]

    def __str__(self) -> str:
        """Return the day and its name."""
        return f"{self.on.isoformat()} {self.title}"
