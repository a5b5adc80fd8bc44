"""The standing job: compare what was intended with what landed, and work on what differs."""

from __future__ import annotations

from reconciliation.services.comparing import compare
from reconciliation.services.handling import explain_break, propose_compensation, write_off
from reconciliation.services.runs import companies, reconcile, request_run, resume_run, run_nights, start_run

__all__ = [
    "companies",
    "compare",
    "explain_break",
    "propose_compensation",
    "reconcile",
    "request_run",
    "resume_run",
    "run_nights",
    "start_run",
    "write_off",
]
