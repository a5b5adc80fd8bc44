"""How accounts are used: how often each was posted to, and which are debited and credited together; for rules about the unusual.

Counting stops at a bound, because only "seldom" matters: an account with a million postings costs no more than one with a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from ledger.queries.common import get_company
from ledger.sql import fetch

# A pair is looked for among the newest entries of the debited account.
RECENT_MAX = 2_000


class AccountUse(NamedTuple):
    """One account: its kind, its role for the ledger, and its postings in the window, up to the bound."""

    number: str
    kind: str
    role: str
    postings: int


class Usage(NamedTuple):
    """The answer for one company: postings of all accounts together, each account asked for, and each pair."""

    postings: int
    accounts: tuple[AccountUse, ...]
    pairs: dict[tuple[str, str], int]


TOTAL = """
SELECT count(*) FROM (
    SELECT FROM ledger_journalentry AS entry JOIN ledger_posting AS posting ON posting.entry_id = entry.id
    WHERE entry.company_id = %(company)s
        AND entry.effective_on >= %(since)s AND entry.effective_on < coalesce(%(until)s::date, 'infinity')
    LIMIT %(bound)s
) AS found
"""
ACCOUNTS = """
SELECT account.number, account.kind, account.role, (
    SELECT count(*) FROM (
        SELECT FROM ledger_posting AS posting JOIN ledger_journalentry AS entry ON entry.id = posting.entry_id
        WHERE posting.account_id = account.id
            AND entry.effective_on >= %(since)s AND entry.effective_on < coalesce(%(until)s::date, 'infinity')
        LIMIT %(bound)s
    ) AS found
)
FROM ledger_account AS account WHERE account.company_id = %(company)s AND account.number = ANY(%(numbers)s)
"""
PAIRS = """
SELECT debited.number, credited.number, (
    SELECT count(*) FROM (
        SELECT FROM (
            SELECT entry_id FROM ledger_posting WHERE account_id = debited.id AND debit_minor > 0 ORDER BY id DESC LIMIT %(recent)s
        ) AS recent
        JOIN ledger_journalentry AS entry ON entry.id = recent.entry_id
            AND entry.effective_on >= %(since)s AND entry.effective_on < coalesce(%(until)s::date, 'infinity')
        WHERE EXISTS (
            SELECT FROM ledger_posting AS other
            WHERE other.entry_id = recent.entry_id AND other.account_id = credited.id AND other.credit_minor > 0
        )
        LIMIT %(bound)s
    ) AS found
)
FROM unnest(%(debits)s::text[], %(credits)s::text[]) AS wanted (debit, credit)
JOIN ledger_account AS debited ON debited.company_id = %(company)s AND debited.number = wanted.debit
JOIN ledger_account AS credited ON credited.company_id = %(company)s AND credited.number = wanted.credit
"""


def account_usage(
    *, company: str, accounts: Sequence[str], pairs: Sequence[tuple[str, str]], since: date, until: date | None, bound: int
) -> Usage:
    """Return how these accounts and pairs (debit, credit) were used from `since`, before `until`; raises NotVisible.

    What the company does not have is left out.
    """
    values = {
        "company": get_company(company).pk,
        "since": since,
        "until": until,
        "bound": bound,
        "recent": RECENT_MAX,
        "numbers": list(accounts),
        "debits": [debit for debit, _ in pairs],
        "credits": [credit for _, credit in pairs],
    }
    ((total,),) = fetch(TOTAL, values)
    return Usage(
        postings=total,
        accounts=tuple(AccountUse(*row) for row in fetch(ACCOUNTS, values)),
        pairs={(debit, credit): count for debit, credit, count in fetch(PAIRS, values)} if pairs else {},
    )
