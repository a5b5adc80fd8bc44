"""Reads about trusted issuers and federated credentials."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet

from identity.federation.models import FederatedCredential, TrustedIssuer
from identity.models import Agent
from identity.queries import companies_of
from identity.states import IssuerState
from kernel.errors import NotVisible
from kernel.ids import Prefix, decode


def visible_issuers(user: User | AnonymousUser) -> QuerySet[TrustedIssuer]:
    """Return the issuers that are trusted for one of the person's companies, by name."""
    rows = TrustedIssuer.objects.select_related("trusted_by", "activated_by", "suspended_by").order_by("name")
    if not user.is_active or user.pk is None:
        return rows.none()
    return rows.filter(companies__overlap=sorted(companies_of(user)))


def get_issuer_for(user: User, public_id: str) -> TrustedIssuer:
    """Return the issuer behind a TypeID; raises InvalidIdentifier, or NotVisible when the person may not know of it."""
    found = visible_issuers(user).filter(pk=decode(Prefix.ISSUER, public_id)).first()
    if found is None:
        raise NotVisible(detail="There is no such issuer among those you can see.")
    return found


def issuers_for(agent: Agent) -> QuerySet[TrustedIssuer]:
    """Return the active issuers that are trusted for all companies of the agent, by name."""
    return TrustedIssuer.objects.filter(state=IssuerState.ACTIVE, companies__contains=agent.companies).order_by("name")


def live_federated(agent_id: UUID, now: datetime) -> QuerySet[FederatedCredential]:
    """Return the agent's federated credentials that are neither revoked nor past their end."""
    return FederatedCredential.objects.filter(agent_id=agent_id, revoked_at__isnull=True, not_after__gt=now).order_by("created_at")
