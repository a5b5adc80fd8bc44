"""Evidence bundles: one ready, one being made, one that failed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.contrib.auth.models import User

from kernel.clock import now
from reconciliation.evidence.models import Bundle
from reconciliation.evidence.states import BundleState
from tests.browser.sweep import Stop
from tests.builders.console import LARGE_ORDER, Installation


def pages(installation: Installation) -> Iterator[Stop]:
    """Yield the list with something in each state."""
    ruth, instant, digest = User.objects.get(username="ruth"), now(), f"sha256:{'0' * 64}"
    period = {"kind": "period", "since": instant - timedelta(days=30), "until": instant, "companies": ["DE01"], "region": "eu"}
    about = {"requested_by": ruth, "requested_at": instant}
    ready = {"state": BundleState.READY, "sha256": digest, "file_name": "x.zip", "event_count": 48_211, "withheld_count": 12}
    Bundle.objects.create(**period, **about, **ready, file_bytes=91_000_000, purpose="Year-end, asked for by the auditor")
    Bundle.objects.create(**period, **about, state=BundleState.RUNNING, step="events", step_done=31_000, step_total=48_211)
    detail = "No event was recorded in this period."
    Bundle.objects.create(**period, **about, state=BundleState.FAILED, code="empty_period", detail=detail)
    order = {"kind": "proposal", "proposal": installation.proposal(LARGE_ORDER).public_id, "companies": ["DE01"], "region": "eu"}
    Bundle.objects.create(**order, **about)
    yield "samuel", "/audit/bundles/", "evidence-bundles"
