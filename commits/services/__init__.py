"""The exactly-once engine: open, claim, send, settle, recover, and what only a person may do."""

from __future__ import annotations

from commits.services.claiming import claim
from commits.services.freezing import freeze_of_agent, release_of_agent
from commits.services.opening import open_commits
from commits.services.people import resolve_by_person, retry
from commits.services.recommitting import recommit
from commits.services.recovery import expire_leases, resolve_unknown
from commits.services.rounds import recover, run, run_round, sweep
from commits.services.sending import send
from commits.services.settling import settle

__all__ = [
    "claim",
    "expire_leases",
    "freeze_of_agent",
    "open_commits",
    "recommit",
    "recover",
    "release_of_agent",
    "resolve_by_person",
    "resolve_unknown",
    "retry",
    "run",
    "run_round",
    "send",
    "settle",
    "sweep",
]
