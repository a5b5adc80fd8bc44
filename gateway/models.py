"""Which fault modes are switched on; the only rows the gateway keeps, and none on an installation that is no demonstration."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from gateway.faults.modes import FaultMode


class Fault(models.Model):
    """One fault mode of one connection: how often it strikes, how often it may still, how often it did."""

    connection = models.CharField(max_length=40)
    mode = models.CharField(max_length=20, choices=FaultMode)
    remaining = models.PositiveIntegerField(null=True, blank=True, help_text="Strikes left; empty: until it is switched off")
    probability_percent = models.PositiveSmallIntegerField(default=100)
    struck_count = models.PositiveBigIntegerField(default=0, help_text="Strikes ever; survives switching off")
    is_on = models.BooleanField(default=True)
    switched_by = models.CharField(max_length=80, blank=True)
    switched_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "mode"], name="gateway_fault_once"),
            models.CheckConstraint(condition=Q(mode__in=FaultMode.values), name="gateway_fault_mode_known"),
            models.CheckConstraint(
                condition=Q(probability_percent__gte=1, probability_percent__lte=100), name="gateway_fault_probability_in_percent"
            ),
        ]

    def __str__(self) -> str:
        """Return connection and mode."""
        return f"{self.connection}: {self.mode}"
