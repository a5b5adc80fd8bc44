"""Posting a journal entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from pydantic import Field

from gateway import facts
from gateway.catalogue.base import Effect, Risk, Tool, WriteTool, refuse, refuse_all
from gateway.catalogue.checks import (
    SpendingFacts,
    budget_bar,
    budget_precondition,
    no_duplicate,
    period_precondition,
    require_company_currency,
    require_open_period,
)
from gateway.catalogue.presentation import Column, Presented, Table, amount_text, clipped
from gateway.catalogue.reversals import reversing_entry
from gateway.catalogue.shapes import (
    LINE_LIMIT,
    AccountNumber,
    CostCentreCode,
    Currency,
    DateText,
    DocumentNumber,
    PositiveDecimal,
    StrictModel,
    Text,
)
from gateway.errors import AccountNotActive, AlreadyReversed, UnbalancedEntry
from gateway.port import Connector, Fact
from gateway.preconditions import Comparator, Precondition, Severity
from kernel.display import counted
from kernel.errors import FieldError, ValidationFailed
from kernel.money import Money


class EntryLine(StrictModel):
    """One line of an entry: an account with either a debit or a credit."""

    account: AccountNumber = Field(description="Account number")
    cost_centre: CostCentreCode | None = Field(default=None, description="Cost centre; its budget is consumed by expenses")
    debit: PositiveDecimal | None = Field(default=None, description='Decimal string above zero, e.g. "12400.00"; or credit')
    credit: PositiveDecimal | None = Field(default=None, description='Decimal string above zero, e.g. "12400.00"; or debit')
    text: Text | None = Field(default=None, description="What this line is for, up to 500 characters")


class PostJournalEntryPayload(StrictModel):
    """Payload of post_journal_entry."""

    effective_on: DateText = Field(description="Accounting date, YYYY-MM-DD; its period must be open")
    currency: Currency = Field(description="ISO 4217 code; the currency of the company's books")
    description: Text = Field(description="What the entry is for, up to 500 characters")
    lines: list[EntryLine] = Field(
        min_length=2, max_length=LINE_LIMIT, description=f"2 to {LINE_LIMIT} lines; debits and credits sum to the same"
    )
    reverses: DocumentNumber | None = Field(
        default=None, description="Document that this entry reverses, e.g. JE-2026-000017: the same lines with sides exchanged"
    )


class LandedEntry(PostJournalEntryPayload):
    """A journal entry as it landed in the ERP."""

    document: DocumentNumber
    total: str


def _sides(payload: PostJournalEntryPayload) -> tuple[Money, Money]:
    debit = credit = Money(0, payload.currency)
    for line in payload.lines:
        debit += Money.parse(line.debit or "0", payload.currency)
        credit += Money.parse(line.credit or "0", payload.currency)
    return debit, credit


def _largest_debit(payload: PostJournalEntryPayload) -> str:
    """Return the account of the largest debit, the first of equals: what the entry is booked to."""
    return _largest([(line.account, line.debit) for line in payload.lines], payload.currency)


def _largest_credit(payload: PostJournalEntryPayload) -> str:
    """Return the account of the largest credit, the first of equals."""
    return _largest([(line.account, line.credit) for line in payload.lines], payload.currency)


def _largest(sides: Sequence[tuple[str, str | None]], currency: str) -> str:
    largest, account = 0, ""
    for number, amount in sides:
        minor = Money.parse(amount or "0", currency).minor
        if minor > largest:
            largest, account = minor, number
    return account


def _same(payload: PostJournalEntryPayload, company: str) -> Fact:
    """Return the question how many entries there are of the same day, total and pair of accounts."""
    on, total = date.fromisoformat(payload.effective_on), _sides(payload)[0]
    return facts.entry_count(company, on, total, _largest_debit(payload), _largest_credit(payload))


def _accounts(payload: PostJournalEntryPayload) -> list[str]:
    return list(dict.fromkeys(line.account for line in payload.lines))


def _cost_centres(payload: PostJournalEntryPayload) -> list[str]:
    return list(dict.fromkeys(line.cost_centre for line in payload.lines if line.cost_centre))


@dataclass(frozen=True, slots=True, kw_only=True)
class PostJournalEntry(WriteTool[PostJournalEntryPayload]):
    """Posts a balanced entry to the general ledger."""

    def check(self, payload: PostJournalEntryPayload) -> None:
        """Refuse lines with both sides or none, amounts finer than the currency, and entries that do not balance."""
        found: list[FieldError] = []
        for index, line in enumerate(payload.lines):
            path = f"/payload/lines/{index}"
            if (line.debit is None) == (line.credit is None):
                given = "neither debit nor credit" if line.debit is None else "both debit and credit"
                found.append(FieldError(path, f"the line has {given}", "exactly one of debit and credit"))
                continue
            side, amount = ("debit", line.debit) if line.debit is not None else ("credit", str(line.credit))
            try:
                Money.parse(amount, payload.currency, path=f"{path}/{side}")
            except ValidationFailed as error:
                found.extend(error.errors or [FieldError(f"{path}/{side}", error.detail.rstrip("."), "a smaller amount")])
        refuse_all(found)
        try:
            debit, credit = _sides(payload)
        except ValidationFailed as error:
            raise refuse("/payload/lines", error.detail.rstrip("."), "entries that are smaller") from error
        if debit != credit:
            off = debit - credit
            message = f"debits sum to {debit} but credits to {credit}"
            side, missing = ("credit", off) if off.minor > 0 else ("debit", -off)
            raise UnbalancedEntry(
                detail=f"The entry does not balance: {message}.",
                errors=(FieldError("/payload/lines", message, f"{missing} more in {side}, or less on the other side"),),
                data={
                    "debit_total": debit.decimal_text(),
                    "credit_total": credit.decimal_text(),
                    "difference": off.decimal_text(),
                    "currency": payload.currency,
                },
            )

    def effect(self, payload: PostJournalEntryPayload, company: str, connector: Connector) -> Effect:
        """Return the sum of the debits, booked to the account of the largest debit; no I/O."""
        cost_centres = _cost_centres(payload)
        return Effect(
            amount=_sides(payload)[0],
            counterparty=_largest_debit(payload),
            cost_centre=cost_centres[0] if len(cost_centres) == 1 else "",
            effective_on=date.fromisoformat(payload.effective_on),
            accounts=tuple(_accounts(payload)),
            reference=payload.reverses or "",
        )

    def present(self, payload: PostJournalEntryPayload, company: str, connector: Connector) -> Presented:
        """Return the lines with account names, both totals, the budgets that expenses consume, and the preconditions."""
        effective_on = date.fromisoformat(payload.effective_on)
        accounts = _accounts(payload)
        spendings = [SpendingFacts(company, code, effective_on.year, f"{code}:") for code in _cost_centres(payload)]
        questions = {
            "currency": facts.company_currency(company),
            "period": facts.period_status(company, effective_on),
            **({"reversed": facts.document_status(company, payload.reverses)} if payload.reverses else {"same": _same(payload, company)}),
        }
        for number in accounts:
            for name in ("name", "status", "kind"):
                questions[f"{name}:{number}"] = facts.account(company, number, name)
        for spending in spendings:
            questions |= spending.questions()
        found = facts.ask(connector, questions)
        self._require_masters(payload, company, found)
        for index, line in enumerate(payload.lines):
            if line.cost_centre:
                spending = next(item for item in spendings if item.cost_centre == line.cost_centre)
                spending.require_cost_centre(found, path=f"/payload/lines/{index}/cost_centre")
        require_company_currency(found["currency"], payload.currency, company)
        require_open_period(found["period"], effective_on, company, path="/payload/effective_on")
        if payload.reverses:
            _require_mirror(payload, payload.reverses, found["reversed"], company, connector)
        total = _sides(payload)[0]
        # A cost centre without a budget for the year is not kept to one.
        kept = [item for item in spendings if item.has_budget(found)]
        consumed = [(item, _expenses(payload, item.cost_centre, found)) for item in kept]
        consuming = [(item, amount) for item, amount in consumed if amount.minor > 0]
        largest = max(consuming, key=lambda pair: pair[1].minor, default=None)
        return Presented(
            headline=_headline(payload, total),
            counterparty_name=clipped(found[f"name:{_largest_debit(payload)}"], 120),
            facts=(
                ("Description", payload.description),
                ("Effective on", payload.effective_on),
                ("Period", f"{effective_on:%Y-%m}, {found['period']}"),
                ("Debits", str(total)),
                ("Credits", f"{total}, balanced"),
                *((("Reverses", payload.reverses),) if payload.reverses else ()),
            ),
            table=_lines_table(payload, total, found),
            preconditions=self._preconditions(payload, company, found, consuming),
            budget=budget_bar(*largest, found) if largest else None,
            warnings=_warnings(payload, total, found),
        )

    def totals(self, payload: PostJournalEntryPayload) -> Mapping[str, str]:
        """Return the sum of the debits."""
        return {"total": _sides(payload)[0].decimal_text()}

    def reversal(self, payload: Mapping[str, object], document: str, landed: Mapping[str, object]) -> tuple[str, dict[str, Any]]:
        """Return the same entry with debit and credit exchanged, naming the document."""
        return reversing_entry(document, landed, effective_on=str(landed["effective_on"]))

    def _require_masters(self, payload: PostJournalEntryPayload, company: str, found: Mapping[str, str]) -> None:
        unknown = [
            FieldError(f"/payload/lines/{index}/account", f"there is no account {line.account} in {company}", "an account of the ERP")
            for index, line in enumerate(payload.lines)
            if found[f"name:{line.account}"] == facts.ABSENT
        ]
        refuse_all(unknown)
        for index, line in enumerate(payload.lines):
            status = found[f"status:{line.account}"]
            if status != "active":
                message = f"account {line.account} {found[f'name:{line.account}']} is {status}"
                raise refuse(f"/payload/lines/{index}/account", message, "an active account", error=AccountNotActive)
        statistical = [line.account for line in payload.lines if found[f"kind:{line.account}"] == "statistical"]
        if statistical and len(statistical) < len(payload.lines):
            message = f"the entry mixes statistical accounts ({', '.join(sorted(set(statistical)))}) with others"
            raise refuse("/payload/lines", message, "statistical accounts only, or none")

    def _preconditions(
        self,
        payload: PostJournalEntryPayload,
        company: str,
        found: Mapping[str, str],
        consuming: Sequence[tuple[SpendingFacts, Money]],
    ) -> tuple[Precondition, ...]:
        result = [period_precondition(company, date.fromisoformat(payload.effective_on), found["period"])]
        result.extend(
            Precondition(
                code=f"account_active:{number}",
                label=f"Account {number} {found[f'name:{number}']} is active",
                fact=facts.account(company, number, "status"),
                comparator=Comparator.EQUALS,
                expected="active",
                severity=Severity.HARD,
                observed=found[f"status:{number}"],
            )
            for number in _accounts(payload)
        )
        if payload.reverses:
            result.append(
                Precondition(
                    code="not_reversed",
                    label=f"{payload.reverses} is not reversed yet",
                    fact=facts.document_status(company, payload.reverses),
                    comparator=Comparator.EQUALS,
                    expected="posted",
                    severity=Severity.HARD,
                    observed=found["reversed"],
                )
            )
        result.extend(budget_precondition(spending, amount, found) for spending, amount in consuming)
        if not payload.reverses:
            pair = f"{_sides(payload)[0]} of {payload.effective_on} from {_largest_credit(payload)} to {_largest_debit(payload)}"
            result.extend(no_duplicate(_same(payload, company), f"Nobody else posted {pair} since", found["same"]))
        return tuple(result)


def _warnings(payload: PostJournalEntryPayload, total: Money, found: Mapping[str, str]) -> tuple[str, ...]:
    """Return that the ERP has such an entry already; nothing for a reversal, of which there can be one only."""
    count = found.get("same", "0")
    if count in {"0", facts.ABSENT}:
        return ()
    many = f"{count} or more entries" if int(count) >= facts.SAME_ENTRIES_MAX else counted(int(count), "entry", "entries")
    what = f"{payload.effective_on} over {total} from {_largest_credit(payload)} to {_largest_debit(payload)}"
    return (f"The ERP has {many} of {what} already.",)


def _require_mirror(payload: PostJournalEntryPayload, document: str, status: str, company: str, connector: Connector) -> None:
    """Refuse a reversal of what does not stand any more, or one that is not the exact opposite of what it reverses."""
    path = "/payload/reverses"
    if status == facts.ABSENT:
        raise refuse(path, f"there is no document {document} in {company} that an entry belongs to", "a posted document")
    if status == "reversed":
        raise refuse(path, f"{document} is reversed already", "a document that stands", error=AlreadyReversed)
    if status != "posted":
        raise refuse(path, f"{document} is a {status}, which can't be reversed", "a document that is no reversal itself")
    _, mirror = reversing_entry(document, connector.read_back_many(company, [document])[document], effective_on=payload.effective_on)
    wanted = Counter(_line_key(EntryLine.model_validate(line), payload.currency) for line in mirror["lines"])
    if wanted != Counter(_line_key(line, payload.currency) for line in payload.lines):
        acceptable = "the same accounts, cost centres and amounts as the original, with debit and credit exchanged"
        raise refuse("/payload/lines", f"the lines are not the exact opposite of {document}", acceptable)


def _line_key(line: EntryLine, currency: str) -> tuple[str, str, int, int]:
    debit, credit = (Money.parse(amount or "0", currency).minor for amount in (line.debit, line.credit))
    return line.account, line.cost_centre or "", debit, credit


def _expenses(payload: PostJournalEntryPayload, cost_centre: str, found: Mapping[str, str]) -> Money:
    """Return what the entry's expense lines take from a cost centre's budget; negative where they give back."""
    result = Money(0, payload.currency)
    for line in payload.lines:
        if line.cost_centre == cost_centre and found[f"kind:{line.account}"] == "expense":
            result += Money.parse(line.debit or "0", payload.currency)
            result -= Money.parse(line.credit or "0", payload.currency)
    return result


def _headline(payload: PostJournalEntryPayload, total: Money) -> str:
    what = f"{len(payload.lines)} lines, {total}, period {payload.effective_on[:7]} open"
    if payload.reverses:
        return f"Reverse {payload.reverses} by a journal entry: {what}"
    return f"Post journal entry: {what}"


def _lines_table(payload: PostJournalEntryPayload, total: Money, found: Mapping[str, str]) -> Table:
    def amount(text: str | None) -> str:
        return amount_text(Money.parse(text, payload.currency)) if text else ""

    rows = tuple(
        {
            "line": str(index),
            "account": line.account,
            "name": found[f"name:{line.account}"],
            "cost_centre": line.cost_centre or "",
            "text": line.text or "",
            "debit": amount(line.debit),
            "credit": amount(line.credit),
        }
        for index, line in enumerate(payload.lines, start=1)
    )
    return Table(
        caption="Journal lines",
        columns=(
            Column("line", "Line", is_numeric=True),
            Column("account", "Account"),
            Column("name", "Name"),
            Column("cost_centre", "Cost centre"),
            Column("text", "Text"),
            Column("debit", f"Debit ({payload.currency})", is_numeric=True),
            Column("credit", f"Credit ({payload.currency})", is_numeric=True),
        ),
        rows=cast("tuple[Mapping[str, str], ...]", rows),
        footer=("", "", "Total", "", "", amount_text(total), amount_text(total)),
    )


TOOLS: tuple[Tool, ...] = (
    PostJournalEntry(
        name="post_journal_entry",
        version=1,
        title="Post a journal entry",
        description=(
            "Proposes one balanced journal entry; people decide, then it is posted once. Each line has exactly one of debit and "
            'credit, a decimal string above zero ("12400.00") with no more places than the currency has; debits and credits must '
            "sum to the same. The effective date (YYYY-MM-DD) must lie in an open period and all accounts must be active. Lines on "
            "expense accounts with a cost centre consume its budget of the year. To reverse a document, name it in `reverses` and "
            "give its lines with sides exchanged. When it has landed you get the entry's document number."
        ),
        risk=Risk.MEDIUM,
        compensation="A second entry with debit and credit exchanged that names the first in `reverses`; the original stays.",
        input_model=PostJournalEntryPayload,
        output_model=LandedEntry,
    ),
)
