"""Reads of bundles: whose they are, which one a worker takes next."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from identity.permissions import Permission, companies_with
from kernel.errors import NotVisible
from kernel.ids import Prefix, decode
from reconciliation.evidence.models import Bundle
from reconciliation.evidence.states import BundleKind, BundleState

SHOWN_MAX = 5


def visible_bundles(user: User) -> QuerySet[Bundle]:
    """Return the bundles a person may list and download, newest first: those that hold nothing of a company they have no right in."""
    companies = sorted(companies_with(user, Permission.EVIDENCE_EXPORT))
    return Bundle.objects.filter(companies__contained_by=companies).select_related("requested_by").order_by("-requested_at")


def bundles_of_proposal(user: User, proposal: str) -> QuerySet[Bundle]:
    """Return the newest bundles of one proposal, by TypeID, that a person may download."""
    return visible_bundles(user).filter(kind=BundleKind.PROPOSAL, proposal=proposal)[:SHOWN_MAX]


def get_bundle_for(user: User, bundle_id: str) -> Bundle:
    """Return the bundle; raises NotVisible."""
    found = visible_bundles(user).filter(pk=decode(Prefix.BUNDLE, bundle_id)).first()
    if found is None:
        raise NotVisible(detail=f"There is no bundle {bundle_id[:60]} that you may see.")
    return found


def waiting_bundle(now: datetime) -> Bundle | None:
    """Return the oldest bundle that nobody works on."""
    is_free = Q(state=BundleState.QUEUED) | Q(state=BundleState.RUNNING, lease_until__lt=now)
    return Bundle.objects.filter(is_free).order_by("requested_at").first()


def file_of(bundle: Bundle) -> Path:
    """Return where the file of a bundle is kept."""
    return Path(settings.EVIDENCE_DIR) / f"{bundle.public_id}.zip"


def workshop_of(bundle: Bundle) -> Path:
    """Return the directory where a bundle is made."""
    return Path(settings.EVIDENCE_DIR) / "work" / bundle.public_id
