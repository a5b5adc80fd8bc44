"""Wake-ups of assurance; the rows in the database say what there is to do."""

from __future__ import annotations

from kernel.clock import now
from kernel.ids import Prefix, decode
from reconciliation.assurance.rule_runs import perform


def run_requested(run_id: str) -> str:
    """The run of the rules that a person asked for is done; one that is done already stays as it is."""
    run = perform(key=decode(Prefix.RULE_RUN, run_id), now=now())
    return f"{run_id} {run.state}"
