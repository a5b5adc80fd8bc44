"""The kinds of event that the audit log records about itself."""

from __future__ import annotations

from enum import StrEnum


class LogEvent(StrEnum):
    """What happens to the log: it beats, it is verified, its checkpoints leave or fail to, it raises an alarm."""

    HEARTBEAT = "log:heartbeat"
    SEALER_STARTED = "log:sealer_started"
    VERIFIED = "log:verified"
    ALARM_RAISED = "log:alarm_raised"
    EXPORT_FAILED = "log:export_failed"
    EXPORT_RESUMED = "log:export_resumed"
    SIGNER_BEGAN_ANEW = "log:signer_began_anew"


class EvidenceEvent(StrEnum):
    """What happens to evidence that leaves the installation."""

    BUNDLE_EXPORTED = "evidence:bundle_exported"
    INCLUSION_ISSUED = "evidence:inclusion_issued"
    BUNDLE_REQUESTED = "evidence:bundle_requested"
    BUNDLE_REFUSED = "evidence:bundle_refused"
    BUNDLE_MADE = "evidence:bundle_made"
    BUNDLE_FAILED = "evidence:bundle_failed"
    BUNDLE_DOWNLOADED = "evidence:bundle_downloaded"
    BUNDLES_VIEWED = "evidence:bundles_viewed"
    EXPORTED_ACROSS_REGIONS = "evidence:exported_across_regions"


class RetentionEvent(StrEnum):
    """What happens to the keeping and the destruction of payloads; `retention:shredded` is the tombstone beside the events it names."""

    RULE_SET = "retention:rule_set"
    LISTED = "retention:listed"
    LOOKED_FOR_EXPIRED = "retention:looked_for_expired"
    ERASURE_LISTED = "retention:erasure_listed"
    APPROVED = "retention:approved"
    DECLINED = "retention:declined"
    SHREDDED = "retention:shredded"
    COMPLETED = "retention:completed"
    ARCHIVED = "retention:archived"
    KEYS_ROTATED = "retention:keys_rotated"
    REFUSED = "retention:refused"


class HoldEvent(StrEnum):
    """What happens to legal holds."""

    PLACED = "hold:placed"
    RELEASED = "hold:released"
    REFUSED = "hold:refused"
