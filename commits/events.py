"""The kinds of event that the commit engine records."""

from __future__ import annotations

from enum import StrEnum


class CommitEvent(StrEnum):
    """What happens to the single execution of an approved proposal."""

    STARTED = "commit:started"
    SUCCEEDED = "commit:succeeded"
    FAILED = "commit:failed"
    UNKNOWN = "commit:unknown"
    # The call provably never left, or the ERP provably never took it: the commit waits for its next attempt.
    DEFERRED = "commit:deferred"
    # The agent is suspended: the commit waits until it is resumed or decommissioned.
    FROZEN = "commit:frozen"
    # The agent was resumed: the commit is due again and verified like any other.
    RELEASED = "commit:released"
    RETRIED = "commit:retried"
    RESOLVED = "commit:resolved"
    # The ERP lost what had landed: the same key and bytes go out once more.
    RECOMMITTED = "commit:recommitted"


class ErpEvent(StrEnum):
    """What was found in the ERP."""

    DIFFERENCE_FOUND = "erp:difference_found"
    # A refused write left an unposted document behind.
    DRAFT_LEFT = "erp:draft_left"


class BreakerEvent(StrEnum):
    """What the circuit breaker of a connection did."""

    OPENED = "connector:breaker_opened"
    CLOSED = "connector:breaker_closed"
