"""Who may come in by single sign-on: people an administrator has made, each bound to one identity of the provider.

The first time, the verified e-mail address says who it is; from then on the provider's own subject does. An address that passed to
somebody else lets nobody in, and nobody ties an identity to an account that they happen to be signed in to.
"""

from __future__ import annotations

import requests
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, _build_apps_from_settings
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from gateway.guarded_session import guarded_session
from gateway.network import Policy
from identity.services.sign_on import refuse_identity, tie
from kernel.clock import now as clock_now


class SingleSignOnAdapter(DefaultSocialAccountAdapter):
    """allauth's decisions about identities of a provider, made strict."""

    def list_apps(self, request: HttpRequest, provider: str | None = None, client_id: str | None = None) -> list[SocialApp]:
        """Return the provider of the settings: none is taken from the database, where one could be slipped in."""
        found = _build_apps_from_settings(provider=provider, client_id=client_id)
        return [app for apps in found.values() for app in apps]

    def get_requests_session(self) -> requests.Session:
        """Return a session that goes where issuers of tokens may be."""
        return guarded_session(Policy.PRIVATE)

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Refuse to tie an identity to the account of whoever sits there; keep of the claims what says who it is, and no more."""
        _require_sign_in(sociallogin)
        sociallogin.account.extra_data = {}
        if sociallogin.account.pk is not None:
            sociallogin.account.save(update_fields=["extra_data"])

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[User, str] | None:
        """Return whom a verified address means, with the address, after tying the identity to them; only for who has none yet."""
        _require_sign_in(sociallogin)
        found = super().authenticate_by_email(sociallogin)
        if found is None or not found[0].is_active:
            return None
        account = sociallogin.account
        return found if tie(user_id=found[0].pk, provider=account.provider, subject=account.uid, now=clock_now()) else None

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Return False, after recording that somebody the provider vouches for has no account here."""
        refuse_identity(subject=sociallogin.account.uid, addresses=[item.email for item in sociallogin.email_addresses], now=clock_now())
        return False


def _require_sign_in(sociallogin: SocialLogin) -> None:
    if sociallogin.state.get("process") != AuthProcess.LOGIN:
        raise PermissionDenied
