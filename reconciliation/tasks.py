"""Wake-ups of reconciliation; the runs in the database say what there is to do."""

from __future__ import annotations

from kernel.clock import now
from kernel.ids import Prefix, decode
from reconciliation import services
from reconciliation.errors import RunInProgress
from reconciliation.models import Run


def run_nightly() -> str:
    """Every company has its nightly run up to yesterday; called every hour, harmless when there is nothing to do."""
    runs = services.run_nights(now=now())
    return f"compared {len(runs)}"


def run_requested(run_id: str) -> str:
    """The run that a person asked for is compared; one that another worker holds back is taken up by the next hourly wake-up."""
    run = Run.objects.get(pk=decode(Prefix.RUN, run_id))
    try:
        run = services.resume_run(run=run, now=now())
    except RunInProgress:
        return f"{run_id} waits"
    return f"{run_id} {run.state}"
