"""One plan per tool: checks everything, then moves the book; a refusal leaves the book as it was."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from kernel.money import Money, line_amount
from ledger.actions import Action, CustomerAction, EntryAction, OrderAction, ReleaseAction
from ledger.decimals import decimal_text, minor_text
from ledger.refusals import Refusal, RefusalCode
from ledger.services.book import AccountRow, Book, CompanyRow, Original, StockRow
from ledger.services.effects import (
    Effect,
    NewCustomerChange,
    NewEntry,
    NewMovement,
    NewOrder,
    NewOrderLine,
    NewPosting,
)
from ledger.services.lookups import (
    BudgetKey,
    account_in_role,
    account_numbered,
    check_currency,
    company_named,
    consume_budgets,
    cost_centre_id,
    open_period,
)
from ledger.states import AccountKind, AccountRole, EntryKind, MovementKind, VendorStatus


def plan(book: Book, company_code: str, action: Action, *, now: datetime) -> Effect:
    """Return what the action will store; raises Refusal, having changed nothing in the book."""
    company = company_named(book, company_code)
    match action:
        case OrderAction():
            return _plan_order(book, company, action)
        case EntryAction():
            return _plan_entry(book, company, action)
        case ReleaseAction():
            return _plan_release(book, company, action)
        case CustomerAction():
            return _plan_customer(book, company, action, now=now)


def _plan_order(book: Book, company: CompanyRow, action: OrderAction) -> Effect:
    check_currency(company, action.currency)
    period = open_period(book, company, action.ordered_on, "/ordered_on")
    vendor_id = _active_vendor(book, company, action.vendor)
    centre = cost_centre_id(book, company, action.cost_centre, "/cost_centre")
    if centre is None:
        raise Refusal(RefusalCode.COST_CENTRE_UNKNOWN, "An order names its cost centre.", "/cost_centre")
    lines = []
    for index, line in enumerate(action.lines):
        item_id, _ = _item(book, company, line.item, f"/lines/{index}/item")
        lines.append(NewOrderLine(item_id, line.description, line.quantity, line.unit_price, line.amount_minor))
    total = action.total_minor
    if total <= 0:
        raise Refusal(RefusalCode.AMOUNT_NOT_POSITIVE, "The order is worth nothing.", "/lines", "a total above zero")
    Money(total, action.currency)
    commitments = account_in_role(book, company, AccountRole.COMMITMENTS)
    offset = account_in_role(book, company, AccountRole.COMMITMENTS_OFFSET)
    budget_key = (company.id, centre, period.year)
    if budget_key not in book.budgets:
        raise Refusal(
            RefusalCode.BUDGET_MISSING,
            f"Cost centre {action.cost_centre} of {company.code} has no budget for {period.year}.",
            "/cost_centre",
            "a cost centre with a budget for the year",
        )
    (budget,) = consume_budgets(book, company, {budget_key: total}, "/lines")
    entry = NewEntry(
        kind=EntryKind.COMMITMENT,
        period_id=period.id,
        effective_on=action.ordered_on,
        currency=action.currency,
        description=f"Commitment to vendor {action.vendor}",
        postings=[NewPosting(commitments.id, centre, total, 0), NewPosting(offset.id, None, 0, total)],
    )
    order = NewOrder(
        vendor_id=vendor_id,
        cost_centre_id=centre,
        order_reference=action.order_reference,
        ordered_on=action.ordered_on,
        deliver_on=action.deliver_on,
        currency=action.currency,
        total_minor=total,
        note=action.note,
        lines=lines,
    )
    answer: dict[str, object] = {
        "total": minor_text(total, action.currency),
        "currency": action.currency,
        "effective_on": action.ordered_on.isoformat(),
        "budget_remaining": minor_text(budget.amount_minor - budget.consumed_minor, budget.currency),
    }
    return Effect(company.id, period.year, entry=entry, order=order, answer=answer)


def _plan_entry(book: Book, company: CompanyRow, action: EntryAction) -> Effect:
    check_currency(company, action.currency)
    total, credits_minor = action.debit_minor, action.credit_minor
    if total != credits_minor:
        debit, credit = minor_text(total, action.currency), minor_text(credits_minor, action.currency)
        raise Refusal(
            RefusalCode.ENTRY_UNBALANCED,
            f"Debits of {debit} {action.currency} do not equal credits of {credit} {action.currency}.",
            "/lines",
            "equal sums of debits and credits",
            {"debit": debit, "credit": credit, "currency": action.currency},
        )
    Money(total, action.currency)
    period = open_period(book, company, action.effective_on, "/effective_on")
    original = _original(book, company, action) if action.reverses else None
    accounts: list[AccountRow] = []
    postings: list[NewPosting] = []
    consumed: Counter[BudgetKey] = Counter()
    for index, line in enumerate(action.lines):
        account = account_numbered(book, company, line.account, f"/lines/{index}/account")
        centre = cost_centre_id(book, company, line.cost_centre, f"/lines/{index}/cost_centre")
        accounts.append(account)
        postings.append(NewPosting(account.id, centre, line.debit_minor, line.credit_minor, line.text))
        if centre is not None and account.kind == AccountKind.EXPENSE:
            # A reversal gives back to the year from which the original took.
            year = original.year if original else period.year
            consumed[company.id, centre, year] += line.debit_minor - line.credit_minor
    if len({account.kind == AccountKind.STATISTICAL for account in accounts}) > 1:
        raise Refusal(
            RefusalCode.ACCOUNTS_MIXED,
            "One entry mixes statistical accounts with accounts of the balance sheet or profit and loss.",
            "/lines",
            "statistical accounts only, or none",
        )
    stock: StockRow | None = None
    if original is not None:
        if original.order_id is not None:
            centre = cost_centre_id(book, company, original.order_cost_centre, "/reverses")
            consumed[company.id, centre or 0, original.year] -= total
        if original.movement_item:
            stock = book.stock.get((company.id, original.movement_item, original.movement_location))
            if stock is None:
                raise Refusal(RefusalCode.DOCUMENT_NOT_REVERSIBLE, f"The stock behind {action.reverses} is gone.", "/reverses")
    consume_budgets(book, company, consumed, "/lines")
    effect = Effect(
        company.id,
        period.year,
        entry=NewEntry(
            kind=EntryKind.GENERAL,
            period_id=period.id,
            effective_on=action.effective_on,
            currency=action.currency,
            description=action.description,
            postings=postings,
            reverses_id=original.entry_id if original else None,
            reverses_document=action.reverses,
        ),
        answer={
            "total": minor_text(total, action.currency),
            "currency": action.currency,
            "effective_on": action.effective_on.isoformat(),
        },
    )
    if original is not None:
        _reverse(book, company, action, original=original, effect=effect, stock=stock)
    return effect


def _original(book: Book, company: CompanyRow, action: EntryAction) -> Original:
    """Return the entry to reverse, if it can be reversed and the action is its exact mirror."""
    name = action.reverses
    original = book.originals.get((company.id, name))
    if original is None:
        raise Refusal(RefusalCode.DOCUMENT_UNKNOWN, f"{company.code} has no document {name!r} that an entry belongs to.", "/reverses")
    if original.is_reversal:
        raise Refusal(RefusalCode.DOCUMENT_NOT_REVERSIBLE, f"{name} is itself a reversal; write a new document instead.", "/reverses")
    if original.is_reversed:
        raise Refusal(RefusalCode.ALREADY_REVERSED, f"{name} is reversed already.", "/reverses")
    mirror = Counter((posting.account, posting.cost_centre, posting.credit_minor, posting.debit_minor) for posting in original.postings)
    lines = Counter((line.account, line.cost_centre, line.debit_minor, line.credit_minor) for line in action.lines)
    if lines != mirror or action.currency != original.currency:
        raise Refusal(
            RefusalCode.REVERSAL_DIFFERS,
            f"The lines are not the exact opposite of {name}.",
            "/lines",
            "the original's accounts, cost centres and amounts with debit and credit swapped",
        )
    return original


def _reverse(book: Book, company: CompanyRow, action: EntryAction, *, original: Original, effect: Effect, stock: StockRow | None) -> None:
    """Mark the original reversed, and undo what went with it: its order is cancelled, its released stock is back."""
    original.is_reversed = True
    effect.answer["reverses"] = action.reverses
    if original.order_id is not None:
        effect.cancelled_order_id = original.order_id
    if original.movement_item and stock is not None:
        stock.quantity += original.movement_quantity
        stock.version += 1
        stock.is_changed = True
        item_id, _ = book.items[company.id, original.movement_item]
        effect.movement = NewMovement(
            kind=MovementKind.RETURN,
            item_id=item_id,
            location=original.movement_location,
            quantity=original.movement_quantity,
            unit_cost=original.movement_unit_cost,
            order_reference=original.movement_order_reference,
            cost_centre_id=original.movement_cost_centre_id,
            effective_on=action.effective_on,
            currency=action.currency,
            total_minor=action.debit_minor,
        )
        effect.answer["stock_left"] = decimal_text(stock.quantity)


def _plan_release(book: Book, company: CompanyRow, action: ReleaseAction) -> Effect:
    period = open_period(book, company, action.effective_on, "/effective_on")
    item_id, unit_cost = _item(book, company, action.item, "/item")
    centre = cost_centre_id(book, company, action.cost_centre, "/cost_centre")
    stock = book.stock.get((company.id, action.item, action.location))
    on_hand = stock.quantity if stock else Decimal(0)
    if stock is None or on_hand < action.quantity:
        raise Refusal(
            RefusalCode.STOCK_INSUFFICIENT,
            f"{decimal_text(action.quantity)} of item {action.item} are more than the {decimal_text(on_hand)}"
            f" at location {action.location} of {company.code}.",
            "/quantity",
            f"at most {decimal_text(on_hand)}",
            {"on_hand": decimal_text(on_hand), "requested": decimal_text(action.quantity)},
        )
    total = line_amount(action.quantity, unit_cost, company.currency).minor
    entry: NewEntry | None = None
    if total > 0:
        cogs = account_in_role(book, company, AccountRole.COGS)
        inventory = account_in_role(book, company, AccountRole.INVENTORY)
        if centre is not None:
            consume_budgets(book, company, {(company.id, centre, period.year): total}, "/quantity")
        entry = NewEntry(
            kind=EntryKind.RELEASE,
            period_id=period.id,
            effective_on=action.effective_on,
            currency=company.currency,
            description=f"Release of item {action.item}",
            postings=[NewPosting(cogs.id, centre, total, 0), NewPosting(inventory.id, None, 0, total)],
        )
    stock.quantity -= action.quantity
    stock.version += 1
    stock.is_changed = True
    movement = NewMovement(
        kind=MovementKind.RELEASE,
        item_id=item_id,
        location=action.location,
        quantity=action.quantity,
        unit_cost=unit_cost,
        order_reference=action.order,
        cost_centre_id=centre,
        effective_on=action.effective_on,
        currency=company.currency,
        total_minor=total,
    )
    answer: dict[str, object] = {
        "total": minor_text(total, company.currency),
        "currency": company.currency,
        "effective_on": action.effective_on.isoformat(),
        "stock_left": decimal_text(stock.quantity),
    }
    return Effect(company.id, period.year, entry=entry, movement=movement, answer=answer)


def _plan_customer(book: Book, company: CompanyRow, action: CustomerAction, *, now: datetime) -> Effect:
    customer = book.customers.get((company.id, action.customer))
    if customer is None:
        raise Refusal(RefusalCode.CUSTOMER_UNKNOWN, f"{company.code} has no customer {action.customer!r}.", "/customer")
    if customer.version != action.expected_version:
        raise Refusal(
            RefusalCode.CUSTOMER_VERSION_STALE,
            f"Customer {action.customer} is at version {customer.version}, not {action.expected_version}.",
            "/expected_version",
            str(customer.version),
            {"version": customer.version, "expected": action.expected_version},
        )
    limit = terms = status = None
    if action.credit_limit is not None:
        after = Money.parse(action.credit_limit, customer.currency, path="/changes/credit_limit").minor
        limit = (customer.credit_limit_minor, after)
    if action.payment_terms_days is not None:
        terms = (customer.payment_terms_days, action.payment_terms_days)
    if action.status is not None:
        status = (customer.status, action.status)
    today = now.astimezone(ZoneInfo(company.time_zone)).date()
    change = NewCustomerChange(customer.id, customer.version, limit, terms, status, customer.currency, action.reason, today)
    customer.credit_limit_minor = limit[1] if limit else customer.credit_limit_minor
    customer.payment_terms_days = terms[1] if terms else customer.payment_terms_days
    customer.status = status[1] if status else customer.status
    customer.version += 1
    customer.is_changed = True
    answer: dict[str, object] = {
        "total": minor_text(0, customer.currency),
        "currency": customer.currency,
        "effective_on": today.isoformat(),
        "version": customer.version,
    }
    return Effect(company.id, today.year, change=change, answer=answer)


def _active_vendor(book: Book, company: CompanyRow, number: str) -> int:
    found = book.vendors.get((company.id, number))
    if found is None:
        raise Refusal(RefusalCode.VENDOR_UNKNOWN, f"{company.code} has no vendor {number!r}.", "/vendor")
    key, status = found
    if status != VendorStatus.ACTIVE:
        raise Refusal(RefusalCode.VENDOR_BLOCKED, f"Vendor {number} of {company.code} is {status}.", "/vendor", "an active vendor")
    return key


def _item(book: Book, company: CompanyRow, number: str, path: str) -> tuple[int, Decimal]:
    found = book.items.get((company.id, number))
    if found is None:
        raise Refusal(RefusalCode.ITEM_UNKNOWN, f"{company.code} has no item {number!r}.", path)
    return found
