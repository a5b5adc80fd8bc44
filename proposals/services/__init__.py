"""Every change to proposals and read receipts: one function per mutation."""

from __future__ import annotations

from proposals.services.outcomes import NewOutcome, record_outcome, record_outcomes
from proposals.services.preparation import Request
from proposals.services.reading import Read, read
from proposals.services.renewal import Renewal, renew
from proposals.services.resolution import (
    FeedbackNote,
    Resolution,
    expire_due,
    resolve,
    resolve_many,
    void,
    withdraw,
    withdraw_of_decommissioned,
)
from proposals.services.submission import Submission, propose, propose_many

__all__ = [
    "FeedbackNote",
    "NewOutcome",
    "Read",
    "Renewal",
    "Request",
    "Resolution",
    "Submission",
    "expire_due",
    "propose",
    "propose_many",
    "read",
    "record_outcome",
    "record_outcomes",
    "renew",
    "resolve",
    "resolve_many",
    "void",
    "withdraw",
    "withdraw_of_decommissioned",
]
