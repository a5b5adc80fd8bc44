"""Tables of the embedded ERP under the names of the AICPA Audit Data Standards (General Ledger, July 2015), with control totals.

Where the ERP is another product, its own export takes their place: these hold what the embedded ledger recorded in the period,
whoever wrote it, so that what went past the gate is in them too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import F, Q, QuerySet, Sum

from approvals.models import Decision
from approvals.states import DecisionKind
from audit.bundle_parts import Column, Scope, Table
from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode, encode
from ledger.models import Account, JournalEntry, Posting
from reconciliation.evidence.tables.gate import amount_text
from reconciliation.evidence.tables.pieces import in_pieces, texts

# The standard's words for kinds of account.
ACCOUNT_TYPES = {
    "asset": "Assets",
    "liability": "Liabilities",
    "equity": "Equity",
    "revenue": "Revenue",
    "expense": "Expenses",
    "statistical": "Statistical",
}


def _scoped(scope: Scope) -> Q:
    """Return what selects the entries of a scope: those that name its proposal, or those recorded in its period."""
    if scope.proposal:
        return Q(reference=scope.proposal)
    within = Q(recorded_at__gte=scope.since, recorded_at__lt=scope.until)
    return within if scope.companies is None else within & Q(company__code__in=scope.companies)


def _postings(scope: Scope) -> QuerySet[Posting]:
    entries = JournalEntry.objects.filter(_scoped(scope))
    rows = Posting.objects.filter(entry__in=entries).select_related(
        "entry__company", "entry__period", "entry__reverses", "account", "cost_centre"
    )
    return rows.order_by("entry__company__code", "entry__number", "line_number")


def _detail(scope: Scope) -> Iterator[Sequence[str]]:
    for piece in in_pieces(_postings(scope).iterator(chunk_size=500)):
        approved = _approvals({row.entry.reference for row in piece})
        for row in piece:
            entry = row.entry
            by, at = approved.get(entry.reference, ("", ""))
            yield texts(
                entry.number,
                row.line_number,
                entry.description,
                row.text,
                "Countersign" if entry.reference else "Staff",
                entry.company.code,
                entry.effective_on.isoformat(),
                entry.period.year,
                f"{entry.period.month:02d}",
                row.account.number,
                amount_text(row.debit_minor or row.credit_minor, row.currency),
                "D" if row.debit_minor else "C",
                row.currency,
                entry.kind,
                entry.document,
                entry.written_by,
                f"{entry.recorded_at:%Y-%m-%d}",
                f"{entry.recorded_at:%H:%M:%S}",
                by,
                at[:10],
                at[11:19],
                "1" if entry.reverses else "",
                entry.reverses.number if entry.reverses else "",
                row.cost_centre.code if row.cost_centre else "",
                entry.reference,
            )


def _approvals(references: set[str]) -> dict[str, tuple[str, str]]:
    """Return for each proposal the ids of who approved, and the instant of the last approval."""
    keys = []
    for reference in references:
        try:
            keys.append(decode(Prefix.PROPOSAL, reference))
        except InvalidIdentifier:
            continue  # a document of the ERP's own people
    found: dict[str, tuple[str, str]] = {}
    rows = Decision.objects.filter(proposal_id__in=keys, kind=DecisionKind.APPROVE).order_by("decided_at")
    for proposal_id, user_id, decided_at in rows.values_list("proposal_id", "user_id", "decided_at"):
        reference = encode(Prefix.PROPOSAL, proposal_id)
        before = found.get(reference, ("", ""))[0]
        found[reference] = (f"{before} {user_id}".strip(), f"{decided_at:%Y-%m-%dT%H:%M:%S}")
    return found


def _accounts(scope: Scope) -> Iterator[Sequence[str]]:
    rows = Account.objects.select_related("company").order_by("company__code", "number")
    if scope.proposal:
        rows = rows.filter(pk__in=_postings(scope).order_by().values("account_id"))
    for row in rows.iterator(chunk_size=500):
        if scope.proposal or scope.shows_company(row.company.code):
            yield texts(
                row.number,
                row.name,
                ACCOUNT_TYPES.get(str(row.kind), str(row.kind)),
                row.role,
                row.company.code,
                "1" if row.is_active else "0",
            )


def _balances(scope: Scope) -> Iterator[Sequence[str]]:
    """Yield the balance of each account before and after what was recorded in the period, by accounting period and currency."""
    rows = Posting.objects.filter(entry__recorded_at__lt=scope.until)
    if scope.companies is not None:
        rows = rows.filter(entry__company__code__in=scope.companies)
    within = Q(entry__recorded_at__gte=scope.since)
    net = F("debit_minor") - F("credit_minor")
    grouped = (
        rows.values("entry__company__code", "account__number", "currency", "entry__period__year", "entry__period__month")
        .annotate(before=Sum(net, filter=~within, default=0), moved=Sum(net, filter=within, default=0))
        .order_by("entry__company__code", "account__number", "currency", "entry__period__year", "entry__period__month")
    )
    for row in grouped.iterator(chunk_size=500):
        currency = row["currency"]
        yield texts(
            row["account__number"],
            row["entry__company__code"],
            row["entry__period__year"],
            f"{row['entry__period__month']:02d}",
            currency,
            amount_text(row["before"], currency),
            amount_text(row["moved"], currency),
            amount_text(row["before"] + row["moved"], currency),
        )


DETAIL = (
    ("Journal_ID", "number of the journal entry"),
    ("Journal_ID_Line_Number", "number of the line within it"),
    ("JE_Header_Description", "description of the entry"),
    ("JE_Line_Description", "description of the line"),
    ("Source", "Countersign where the entry names a proposal, Staff where it does not"),
    ("Business_Unit_Code", "the company's code"),
    ("Effective_Date", "accounting date"),
    ("Fiscal_Year", "year of the accounting period"),
    ("Period", "month of the accounting period"),
    ("GL_Account_Number", "account"),
    ("Amount", "amount of the line, always positive"),
    ("Amount_Credit_Debit_Indicator", "D or C"),
    ("Amount_Currency", "ISO 4217"),
    ("Document_Type", "general, commitment or release"),
    ("Document_Number", "the order or movement whose effect this is"),
    ("Entered_By", "database writer that entered it"),
    ("Entered_Date", "day it was recorded, UTC"),
    ("Entered_Time", "time it was recorded, UTC"),
    ("Approved_By", "ids of the people who approved the proposal"),
    ("Approved_Date", "day of the last approval, UTC"),
    ("Approved_Time", "time of the last approval, UTC"),
    ("Reversal_Indicator", "1 where the entry reverses another one"),
    ("Reversal_Journal_ID", "the entry it reverses"),
    ("Segment01", "cost centre"),
    ("Segment02", "the proposal's id (this product's own)"),
)
FREE_TEXT = frozenset({"JE_Header_Description", "JE_Line_Description", "GL_Account_Name"})


def _columns(*pairs: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, meaning, is_exact=name not in FREE_TEXT) for name, meaning in pairs)


TABLES = (
    Table(
        "ledgers/ads_gl_detail.csv",
        "AICPA ADS General Ledger: GL_Detail of the embedded ledger, one row for each line of a journal entry recorded in the period.",
        _columns(*DETAIL),
        _detail,
        totals=(("Amount", "Amount_Credit_Debit_Indicator"),),
    ),
    Table(
        "ledgers/ads_chart_of_accounts.csv",
        "AICPA ADS General Ledger: Chart_Of_Accounts of the embedded ledger, as it stands today.",
        _columns(
            ("GL_Account_Number", "account"),
            ("GL_Account_Name", "its name"),
            ("Account_Type", "Assets, Liabilities, Equity, Revenue, Expenses, or Statistical for commitment accounts"),
            ("Account_Subtype", "what the account is used for"),
            ("Business_Unit_Code", "the company's code"),
            ("Active_Flag", "1 where it can be posted to (this product's own)"),
        ),
        _accounts,
    ),
    Table(
        "ledgers/ads_trial_balance.csv",
        "AICPA ADS General Ledger: Trial_Balance of the embedded ledger; debits positive, credits negative.",
        _columns(
            ("GL_Account_Number", "account"),
            ("Business_Unit_Code", "the company's code"),
            ("Fiscal_Year", "year of the accounting period"),
            ("Period", "month of the accounting period"),
            ("Amount_Currency", "ISO 4217"),
            ("Amount_Beginning", "what was recorded before the period of this bundle"),
            ("Amount_Activity", "what was recorded in it (this product's own)"),
            ("Amount_Ending", "both together"),
        ),
        _balances,
        totals=(("Amount_Beginning", "Amount_Currency"), ("Amount_Activity", "Amount_Currency"), ("Amount_Ending", "Amount_Currency")),
        is_for_proposals=False,
    ),
)
