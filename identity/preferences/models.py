"""A list as one person likes to see it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from kernel.ids import new_id

TITLE_LENGTH_MAX = 40
QUERY_LENGTH_MAX = 500


class SavedView(models.Model):
    """The filters and the order of one list under a name of the person's own; it shows what they may see, never more."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    path = models.CharField(max_length=120, help_text="Address of the list")
    query = models.CharField(max_length=QUERY_LENGTH_MAX, blank=True, help_text="Its filters, as they stand in the address")
    title = models.CharField(max_length=TITLE_LENGTH_MAX)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["title"]
        constraints = [
            models.UniqueConstraint(fields=["user", "path", "title"], name="identity_view_title_once_per_list"),
            models.CheckConstraint(condition=~Q(title=""), name="identity_view_has_title"),
            models.CheckConstraint(condition=Q(path__startswith="/"), name="identity_view_is_of_this_console"),
        ]

    def __str__(self) -> str:
        """Return the title."""
        return self.title

    @property
    def address(self) -> str:
        """Return where the view leads."""
        return f"{self.path}?{self.query}" if self.query else self.path
