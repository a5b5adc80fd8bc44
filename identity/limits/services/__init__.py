"""Quotas are taken from and refusals counted here; the doors call these, nothing else."""

from __future__ import annotations

from identity.limits.services.doors import admit_agent, admit_proven, refuse_unproven, refused_at_the_door, source_of
from identity.limits.services.refusals import forget_unused, record_or_count, record_summaries
from identity.limits.services.taking import take, take_all

__all__ = [
    "admit_agent",
    "admit_proven",
    "forget_unused",
    "record_or_count",
    "record_summaries",
    "refuse_unproven",
    "refused_at_the_door",
    "source_of",
    "take",
    "take_all",
]
