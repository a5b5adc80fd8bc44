"""Changes of what a person set up for themselves. They touch nobody else and no write, so the audit log is not told."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.http import QueryDict

from identity.preferences.models import QUERY_LENGTH_MAX, TITLE_LENGTH_MAX, SavedView
from kernel.errors import FieldError, ValidationFailed

VIEWS_MAX = 20
# The page of a list and an old secret are no part of a view.
LEFT_OUT = ("page", "csrfmiddlewaretoken")


def save_view(*, user: User, path: str, query: str, title: str, now: datetime) -> SavedView:
    """The person has a view of this list under this title; one of the same title is replaced. Raises ValidationFailed."""
    name = " ".join(title.split())
    if not name or len(name) > TITLE_LENGTH_MAX:
        raise _refused("title", "A view needs a title of up to 40 characters.")
    kept = QueryDict(query, mutable=True)
    for parameter in [*LEFT_OUT, *(each for each, value in kept.items() if not value)]:
        kept.pop(parameter, None)
    text = kept.urlencode()
    if len(text) > QUERY_LENGTH_MAX or "\0" in text or "\0" in name:
        raise _refused("query", "These filters are too long to be kept.")
    with transaction.atomic():
        held = SavedView.objects.select_for_update().filter(user=user, path=path)
        if not held.filter(title=name).exists() and len(held) >= VIEWS_MAX:
            raise _refused("title", f"There are {VIEWS_MAX} views of this list already; remove one first.")
        view, _ = SavedView.objects.update_or_create(
            user=user, path=path, title=name, defaults={"query": text}, create_defaults={"query": text, "created_at": now}
        )
    return view


def remove_view(*, user: User, view_id: uuid.UUID) -> bool:
    """The person no longer has this view; false when they had none like it."""
    removed, _ = SavedView.objects.filter(pk=view_id, user=user).delete()
    return bool(removed)


def _refused(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(detail=message, errors=(FieldError(f"/{field}", message, ""),))
