"""The states of a bundle that was asked for, and what it can be about."""

from __future__ import annotations

from django.db.models import TextChoices

from kernel.transitions import Transitions


class BundleState(TextChoices):
    """Where a bundle stands."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Being made"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"


class BundleKind(TextChoices):
    """What a bundle is about."""

    PROPOSAL = "proposal", "Proposal"
    PERIOD = "period", "Period"


# A running one that nobody works on any more is claimed again: running to running.
BUNDLE_TRANSITIONS: Transitions = {
    BundleState.QUEUED: frozenset({BundleState.RUNNING}),
    BundleState.RUNNING: frozenset({BundleState.RUNNING, BundleState.READY, BundleState.FAILED}),
    BundleState.READY: frozenset(),
    BundleState.FAILED: frozenset(),
}
