"""Wake-ups of the commit engine; the domain rows say what there is to do."""

from __future__ import annotations

from commits import services
from kernel.clock import now


def run_commits(*_ids: str) -> str:
    """Everything approved recently is committed, as far as the time budget reaches; called whenever something is approved."""
    return str(services.run(now=now))


def sweep() -> str:
    """What a lost wake-up, a dead worker or a lost answer left behind is taken up again; called every minute."""
    return str(services.sweep(now=now))
