"""What a second reviewer says."""

from __future__ import annotations

from django.db.models import TextChoices


class Verdict(TextChoices):
    """What the second person would have decided, not knowing what the first did."""

    APPROVE = "approve", "I would approve"
    REQUEST_CHANGES = "request_changes", "I would request changes"
    REJECT = "reject", "I would reject"
