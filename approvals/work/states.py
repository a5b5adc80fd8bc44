"""How a claim ends."""

from __future__ import annotations

from django.db.models import TextChoices


class ClaimEnd(TextChoices):
    """Why somebody no longer takes care of a step; a claim on a step that is no longer open needs no end."""

    RETURNED = "returned", "Returned to the group"
    FORWARDED = "forwarded", "Forwarded"
