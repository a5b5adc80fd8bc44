"""What the rules look at. A group of facts that nobody could gather is None, and the rules that need it are not tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from kernel.money import Money


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an entry: an account with its debit or its credit."""

    account: str
    is_debit: bool
    minor: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One write. `description` is None where the tool has none, `lines` are empty where it posts nothing by itself.

    With `is_asked_again` the gate entered it, in place of a version that drifted.
    """

    tool: str
    company: str
    agent: str
    amount: Money
    counterparty: str
    effective_on: date
    entered_at: datetime
    description: str | None = None
    lines: tuple[Line, ...] = ()
    reverses: str = ""
    is_asked_again: bool = False

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return each debited account with each credited one, once, in the order of the lines."""
        debited = dict.fromkeys(line.account for line in self.lines if line.is_debit)
        credited = dict.fromkeys(line.account for line in self.lines if not line.is_debit)
        return tuple((debit, credit) for debit in debited for credit in credited if debit != credit)

    @property
    def accounts(self) -> tuple[str, ...]:
        """Return the accounts, once each, in the order of the lines."""
        return tuple(dict.fromkeys(line.account for line in self.lines))


@dataclass(frozen=True, slots=True)
class Seen:
    """An earlier write that is pending or approved, as the history rules remember it."""

    id: str
    agent: str
    minor: int
    entered_at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """What was proposed before with the same tool in the same company.

    `observations`, `median_minor` and `deviation_minor` (the median absolute deviation) are over the newest amounts of the same
    counterparty and currency; `limit_minor` is the limit of the matrix that the amount stays just below, 0 where there is none.
    """

    agent_writes: int
    agent_writes_here: int
    alike: tuple[str, ...]
    limit_minor: int
    near_limit: int
    observations: int
    median_minor: int
    deviation_minor: int


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """One account as the ERP tells it: its kind, what the ERP uses it for, and how often it was posted to in the window."""

    kind: str
    role: str
    postings: int


@dataclass(frozen=True, slots=True)
class Usage:
    """How accounts were used in the ERP over the window; counts stop at a bound, because only "seldom" matters."""

    postings: int
    accounts: Mapping[str, AccountFacts]
    pairs: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class People:
    """Who asked for the write, and what each person around it does for its agent: user id → roles such as owner or sponsor."""

    asked: str
    involved: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class DecisionFacts:
    """One decision: who, what, when shown and when decided, and how many the same person made in the window that ends here."""

    user: str
    kind: str
    shown_at: datetime
    decided_at: datetime
    in_window: int = 1
    step: int = 1


@dataclass(frozen=True, slots=True)
class Reversal:
    """What the write reverses: the date of the original (None where the ERP does not tell), and who else reverses it."""

    document: str
    original_on: date | None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Landing:
    """What came back from the ERP: the document, and the fields in which it differs from what was approved."""

    document: str
    differing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """Everything known about one write at the moment it is tested."""

    entry: Entry
    history: History | None = None
    usage: Usage | None = None
    people: People | None = None
    decisions: tuple[DecisionFacts, ...] | None = None
    reversal: Reversal | None = None
    landing: Landing | None = None
    # Why a group of facts is missing, by the name of the group: what "not tested" says.
    missing: Mapping[str, str] = field(default_factory=dict)
