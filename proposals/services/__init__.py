"""Every change to proposals and read receipts: one function per mutation."""

from __future__ import annotations

from proposals.services.outcomes import NewOutcome, record_outcome, record_outcomes
from proposals.services.reading import Read, read
from proposals.services.resolution import (
    FeedbackNote,
    expire_due,
    resolve,
    void,
    withdraw,
    withdraw_of_decommissioned,
)
from proposals.services.submission import Submission, propose

__all__ = [
    "FeedbackNote",
    "NewOutcome",
    "Read",
    "Submission",
    "expire_due",
    "propose",
    "read",
    "record_outcome",
    "record_outcomes",
    "resolve",
    "void",
    "withdraw",
    "withdraw_of_decommissioned",
]
