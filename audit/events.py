"""The kinds of event that the audit log records about itself."""

from __future__ import annotations

from enum import StrEnum


class LogEvent(StrEnum):
    """What happens to the log: it beats, it is verified, it raises an alarm."""

    HEARTBEAT = "log:heartbeat"
    SEALER_STARTED = "log:sealer_started"
    VERIFIED = "log:verified"
    ALARM_RAISED = "log:alarm_raised"


class EvidenceEvent(StrEnum):
    """What happens to evidence that leaves the installation."""

    BUNDLE_EXPORTED = "evidence:bundle_exported"
