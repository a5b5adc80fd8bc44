"""Wake-ups of evidence; the bundles in the database say what there is to do."""

from __future__ import annotations

from kernel.clock import now
from kernel.errors import StateConflict
from kernel.ids import Prefix, decode
from reconciliation.evidence.models import Bundle
from reconciliation.evidence.queries import waiting_bundle
from reconciliation.evidence.services import make_bundle


def make_requested(bundle_id: str) -> str:
    """The bundle that a person asked for is made; harmless when another worker has it."""
    return _made(Bundle.objects.get(pk=decode(Prefix.BUNDLE, bundle_id)))


def make_waiting() -> str:
    """Bundles whose wake-up was lost, or whose worker died, are made; called every minute."""
    made = []
    while (bundle := waiting_bundle(now())) is not None:
        made.append(_made(bundle))
    return ", ".join(made)


def _made(bundle: Bundle) -> str:
    try:
        bundle = make_bundle(bundle=bundle, clock=now)
    except StateConflict:
        return f"{bundle.public_id} is somebody else's"
    return f"{bundle.public_id} {bundle.state}"
