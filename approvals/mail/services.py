"""What a person wants to be mailed."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from approvals.mail.models import MailPreference


def choose_mails(*, user: User, at_once: bool, digest: bool, now: datetime) -> MailPreference:
    """The person is mailed what they chose from now on; their own affair, so no event."""
    with transaction.atomic():
        chosen, _ = MailPreference.objects.update_or_create(user=user, defaults={"at_once": at_once, "digest": digest, "updated_at": now})
    return chosen
