"""Reads over the general ledger: balances, and documents that look alike."""

from __future__ import annotations

from pydantic import Field

from gateway.catalogue.base import Risk, Tool, ToolKind
from gateway.catalogue.shapes import AccountNumber, DateText, PositiveDecimal, ResultModel, StrictModel, VendorNumber


class GetAccountBalance(StrictModel):
    """Arguments of get_account_balance."""

    account: AccountNumber = Field(description="Account number")
    until: DateText | None = Field(default=None, description="Last effective date to include, YYYY-MM-DD; all when left out")


class AccountBalance(ResultModel):
    """Result of get_account_balance; amounts are decimal text."""

    company: str
    account: str
    name: str
    kind: str = Field(description="asset, liability, equity, revenue, expense or statistical")
    is_active: bool
    currency: str
    debit: str = Field(description="Sum of the debits")
    credit: str = Field(description="Sum of the credits")
    balance: str = Field(description="debit - credit; negative for a credit balance")
    postings: int = Field(description="How many postings were summed")
    until: str = Field(description="The date asked for; empty for all")


class GetTrialBalance(StrictModel):
    """Arguments of get_trial_balance."""

    until: DateText | None = Field(default=None, description="Last effective date to include, YYYY-MM-DD; all when left out")


class TrialBalanceRow(ResultModel):
    """One account of the trial balance."""

    account: str
    name: str
    kind: str
    currency: str
    debit: str
    credit: str
    balance: str


class SideTotals(ResultModel):
    """Both sides of one set of accounts."""

    debit: str
    credit: str


class TrialBalanceTotals(ResultModel):
    """Statistical accounts (commitments) balance among themselves and are totalled apart."""

    financial: SideTotals
    statistical: SideTotals


class TrialBalance(ResultModel):
    """Result of get_trial_balance; amounts are decimal text."""

    company: str
    currency: str
    until: str = Field(description="The date asked for; empty for all")
    rows: list[TrialBalanceRow] = Field(description="Accounts with postings, by number")
    totals: TrialBalanceTotals
    is_balanced: bool


class FindSimilarEntries(StrictModel):
    """Arguments of find_similar_entries."""

    amount: PositiveDecimal = Field(description='Total in the company\'s currency as a decimal string, e.g. "12400.00"')
    around: DateText = Field(description="Date around which to look, YYYY-MM-DD")
    days: int = Field(default=30, ge=0, le=366, description="How many days before and after, 0 to 366")
    vendor: VendorNumber | None = Field(default=None, description="Only orders placed with this vendor number")
    limit: int = Field(default=20, ge=1, le=50, description="How many documents at most, 1 to 50")


class SimilarEntry(ResultModel):
    """One document of the same total."""

    document: str
    tool: str = Field(description="create_purchase_order or post_journal_entry: how it would have been written")
    effective_on: str
    total: str = Field(description="Decimal text")
    currency: str
    counterparty: str
    state: str
    reversed_by: str = Field(description="Document that reversed it; empty while it stands")
    proposal: str = Field(description="Proposal it came from; empty for what the ERP's staff entered")


class SimilarEntries(ResultModel):
    """Result of find_similar_entries, nearest date first."""

    company: str
    amount: str
    currency: str
    entries: list[SimilarEntry]


TOOLS: tuple[Tool, ...] = (
    Tool(
        name="get_account_balance",
        version=1,
        title="Get an account's balance",
        description=(
            "Returns the sums of debits and credits of one account up to and including a date (YYYY-MM-DD, all when left out), as "
            "decimal strings; `balance` is debit minus credit."
        ),
        kind=ToolKind.READ,
        risk=Risk.LOW,
        input_model=GetAccountBalance,
        output_model=AccountBalance,
    ),
    Tool(
        name="get_trial_balance",
        version=1,
        title="Get the trial balance",
        description=(
            "Returns the sums of debits and credits of every account of one company up to and including a date (YYYY-MM-DD, all "
            "when left out), both totals and whether they are equal. Amounts are decimal strings."
        ),
        kind=ToolKind.READ,
        risk=Risk.MEDIUM,
        input_model=GetTrialBalance,
        output_model=TrialBalance,
        is_sensitive=True,
    ),
    Tool(
        name="find_similar_entries",
        version=1,
        title="Find similar entries",
        description=(
            "Finds purchase orders and journal entries of exactly this total within some days of a date, nearest first. Use it "
            "before you order or post, to see whether the same was written already. The amount is a decimal string in the "
            "company's currency, dates are YYYY-MM-DD."
        ),
        kind=ToolKind.READ,
        risk=Risk.LOW,
        input_model=FindSimilarEntries,
        output_model=SimilarEntries,
    ),
)
