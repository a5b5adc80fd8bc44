"""The approvers' daily work for tests: delegations, second factors, calendars' usual instants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from allauth.account.internal.flows.login import (
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase

from approvals.delegation.models import Delegation
from approvals.delegation.services import Scope, delegate
from approvals.services import RowDraft
from kernel.clock import now as clock_now
from tests.builders.approvals import a_row
from tests.builders.identity import COMPANY, actor


def delegated(delegator: User, to: User, *, now: datetime | None = None, days: int = 5, **changes: Any) -> Delegation:
    """Return a delegation from now on for some days; keyword arguments of the scope, or its dates, replace the usual."""
    at = now or clock_now()
    dates = {"starts_at": changes.pop("starts_at", at), "ends_at": changes.pop("ends_at", at + timedelta(days=days))}
    scope = Scope(**{"companies": (COMPANY,), **changes})
    return delegate(user=delegator, to_user_id=to.pk, scope=scope, actor=actor(delegator), now=at, **dates)


def factors(at: datetime | None = None) -> Sequence[dict[str, object]]:
    """Return what a login records about a code of an authenticator app, used at this instant."""
    return [{"method": "mfa", "type": "totp", "id": 1, "at": (at or clock_now()).timestamp()}]


def remember_factor(session: SessionBase, user: User) -> None:
    """The session holds what a login records when its person has just used an authenticator app."""
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [dict(item) for item in factors()]
    session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(user.pk)


def bulk_row(priority: int = 10, **changes: Any) -> RowDraft:
    """Return a row whose orders may be approved in bulk up to 10,000.00 EUR each."""
    return a_row(priority, **{"bulk_up_to_minor": 10_000_00, **changes})
