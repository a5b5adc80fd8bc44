"""Identities of the provider: tied to a person at their first sign-in, taken away by an operator, refused where nobody is meant."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.db import transaction

from audit.records import Subject
from audit.services import record, record_denial
from identity.errors import NoAccountHere
from identity.events import IdentityEvent
from kernel.actors import Actor
from kernel.errors import NotVisible

ACTOR = Actor.system("single-sign-on")


def tie(*, user_id: int, provider: str, subject: str, now: datetime) -> bool:
    """The person signs in as this subject of the provider from now on, and no longer with a password; False when they have one already."""
    with transaction.atomic():
        # Two subjects with one address at once: the second waits here, and finds the first.
        user = User.objects.select_for_update().get(pk=user_id)
        if SocialAccount.objects.filter(user=user).exists():
            return False
        SocialAccount.objects.create(user=user, provider=provider, uid=subject)
        user.set_unusable_password()
        user.save(update_fields=["password"])
        record(
            kind=IdentityEvent.USER_IDENTITY_TIED,
            actor=ACTOR,
            subject=Subject("user", str(user.pk)),
            now=now,
            outcome={"identity": fingerprint(subject)},
        )
        return True


def untie(*, username: str, actor: Actor, now: datetime) -> int:
    """The person has no identity of the provider any more, until they sign in with their address again; returns how many they had."""
    with transaction.atomic():
        user = User.objects.select_for_update().filter(username=username).first()
        if user is None:
            raise NotVisible(detail=f"There is nobody called {username}.")
        identities = list(SocialAccount.objects.filter(user=user))
        for identity in identities:
            record(
                kind=IdentityEvent.USER_IDENTITY_UNTIED,
                actor=actor,
                subject=Subject("user", str(user.pk)),
                now=now,
                outcome={"identity": fingerprint(identity.uid)},
            )
            identity.delete()
        return len(identities)


def refuse_identity(*, subject: str, addresses: Sequence[str], now: datetime) -> None:
    """It is on record that the provider vouched for somebody who has no account here, or whose address belongs to another identity."""
    error = NoAccountHere(
        detail="The provider vouches for somebody who has no account here, or whose address belongs to another identity.",
        data={"identity": fingerprint(subject), "addresses": list(addresses)},
    )
    record_denial(
        kind=IdentityEvent.USER_IDENTITY_REFUSED, actor=ACTOR, subject=Subject("identity", fingerprint(subject)), now=now, error=error
    )


def fingerprint(subject: str) -> str:
    """Return a short name for a subject, which may itself be a name or an address."""
    return hashlib.sha256(subject.encode()).hexdigest()[:16]
