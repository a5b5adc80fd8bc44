"""How people sign in: accounts are made by an administrator, never by whoever finds the login page."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class ClosedSignupAdapter(DefaultAccountAdapter):
    """Closes self-registration."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: nobody signs themself up at an approval gate."""
        return False
