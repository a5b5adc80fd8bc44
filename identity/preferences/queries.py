"""Reads of what a person set up for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from identity.preferences.models import SavedView

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


def views_of(user: User | AnonymousUser | None, path: str) -> list[SavedView]:
    """Return the person's own views of the list at this address, by title; one query."""
    if user is None or user.pk is None:
        return []
    return list(SavedView.objects.filter(user_id=user.pk, path=path))
