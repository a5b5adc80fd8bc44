"""The standing job: compare what was intended with what landed, and work on what differs."""

from __future__ import annotations

from reconciliation.services.closing import decline_closing, explain_break, needs_second, second, write_off
from reconciliation.services.comparing import compare
from reconciliation.services.handling import propose_compensation, recommit_break
from reconciliation.services.owning import release_break, take_break
from reconciliation.services.runs import companies, reconcile, request_run, resume_run, run_nights, start_run

__all__ = [
    "companies",
    "compare",
    "decline_closing",
    "explain_break",
    "needs_second",
    "propose_compensation",
    "recommit_break",
    "reconcile",
    "release_break",
    "request_run",
    "resume_run",
    "run_nights",
    "second",
    "start_run",
    "take_break",
    "write_off",
]
