"""Refusals of a bulk approval as a whole; what is wrong with one proposal is that proposal's result."""

from __future__ import annotations

from kernel.errors import StateConflict, ValidationFailed


class NothingToApprove(ValidationFailed):
    """Nothing that was picked may be approved in bulk; `data["excluded"]` says why for each."""

    code = "nothing_to_approve"
    title = "None of these may be approved in bulk"


class BulkOutdated(StateConflict):
    """The set was shown too long ago; pick again and look again."""

    code = "bulk_outdated"
    title = "This was shown too long ago"


class StaleBulk(StateConflict):
    """The digest confirmed is not the digest of the set that was shown."""

    code = "stale_bulk"
    title = "This page shows another set of proposals"
