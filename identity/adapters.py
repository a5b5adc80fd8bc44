"""How people sign in: accounts are made by an administrator, never by whoever finds the login page; second factors are kept safe."""

from __future__ import annotations

import base64
import hashlib
from typing import ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.models import SocialAccount
from cryptography.fernet import Fernet
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest

ENCRYPTED = "fernet:"


class ClosedSignupAdapter(DefaultAccountAdapter):
    """Closes self-registration."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: nobody signs themself up at an approval gate."""
        return False

    def clean_password(self, password: str, user: User | None = None) -> str:
        """Return the password if it will do; raises ValidationError for somebody who signs in at the identity provider, and only there."""
        if user is not None and SocialAccount.objects.filter(user_id=user.pk).exists():
            raise ValidationError("You sign in at your organisation; you have no password here.")
        return str(super().clean_password(password, user=user))


class SecondFactorAdapter(DefaultMFAAdapter):
    """Pins the relying party of passkeys to this installation, and keeps the secrets of authenticator apps encrypted."""

    error_messages: ClassVar[dict[str, object]] = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "Incorrect code. A code works once, and not again for the next 30 seconds: wait for the next one.",
    }

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return this installation by its public address; what a browser claims as host decides nothing."""
        return {"id": settings.WEBAUTHN_RP_ID, "name": "Countersign"}

    def get_totp_issuer(self) -> str:
        """Return the name that an authenticator app shows."""
        return f"Countersign ({settings.WEBAUTHN_RP_ID})"

    def encrypt(self, text: str) -> str:
        """Return the secret as it is stored."""
        return ENCRYPTED + _cipher().encrypt(text.encode("utf-8")).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret; one that was stored before there was a key stands in clear."""
        if not encrypted_text.startswith(ENCRYPTED):
            return encrypted_text
        return _cipher().decrypt(encrypted_text.removeprefix(ENCRYPTED).encode("ascii")).decode("utf-8")


def _cipher() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(settings.SECOND_FACTOR_KEY.encode("utf-8")).digest()))
