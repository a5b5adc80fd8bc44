"""Fetches the rows of a batch in a fixed number of statements, however many items the batch has.

Locks are taken in one global order, and within a table by primary key, so that two batches can wait for each other but
never in a circle: idempotency keys, customers, stock, budgets, number sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from ledger.actions import Action, CustomerAction, EntryAction, OrderAction, ReleaseAction
from ledger.services.book import (
    AccountRow,
    Book,
    BudgetRow,
    CompanyRow,
    CustomerRow,
    Original,
    OriginalPosting,
    PeriodRow,
    StockRow,
)
from ledger.sql import arrays, fetch
from ledger.states import AccountKind

Wanted = tuple[str, Action]


def open_book(wanted: Sequence[Wanted]) -> Book:
    """Return everything that the actions name; what does not exist is absent from the book."""
    book = Book()
    _fetch_companies(book, wanted)
    known = [(book.companies[code], action) for code, action in wanted if code in book.companies]
    if not known:
        return book
    actions = [action for _, action in known]
    company_ids = sorted({company.id for company, _ in known})
    _fetch_originals(book, company_ids, actions)
    _fetch_accounts(book, company_ids, actions)
    _fetch_periods(book, company_ids, actions)
    _fetch_cost_centres(book, company_ids, actions)
    _fetch_vendors(book, company_ids, actions)
    _fetch_items(book, company_ids, actions)
    _lock_customers(book, known)
    _lock_stock(book, known)
    _lock_budgets(book, known)
    return book


def effective_date(action: Action) -> date | None:
    """Return the accounting date of an action; customer changes have none."""
    match action:
        case OrderAction():
            return action.ordered_on
        case EntryAction() | ReleaseAction():
            return action.effective_on
        case CustomerAction():
            return None


def _fetch_companies(book: Book, wanted: Sequence[Wanted]) -> None:
    rows = fetch(
        "SELECT code, id, currency, time_zone FROM ledger_company WHERE code = ANY(%s)",
        [sorted({code for code, _ in wanted})],
    )
    for code, key, currency, time_zone in rows:
        book.companies[code] = CompanyRow(key, code, currency, time_zone)


def _fetch_originals(book: Book, company_ids: list[int], actions: Sequence[Action]) -> None:
    documents = sorted({action.reverses for action in actions if isinstance(action, EntryAction) and action.reverses})
    if not documents:
        return
    rows = fetch(
        """
        SELECT entry.id, entry.company_id, entry.number, entry.document, entry.kind, entry.currency, period.year,
            entry.reverses_id IS NOT NULL, reversal.id IS NOT NULL, purchase_order.id, coalesce(order_centre.code, ''),
            coalesce(item.number, ''), coalesce(movement.location, ''), coalesce(movement.quantity, 0),
            coalesce(movement.unit_cost, 0), coalesce(movement.order_reference, ''), movement.cost_centre_id
        FROM ledger_journalentry AS entry
        JOIN ledger_period AS period ON period.id = entry.period_id
        LEFT JOIN ledger_journalentry AS reversal ON reversal.reverses_id = entry.id
        LEFT JOIN ledger_purchaseorder AS purchase_order ON purchase_order.entry_id = entry.id
        LEFT JOIN ledger_costcentre AS order_centre ON order_centre.id = purchase_order.cost_centre_id
        LEFT JOIN ledger_inventorymovement AS movement ON movement.entry_id = entry.id AND movement.kind = 'release'
        LEFT JOIN ledger_item AS item ON item.id = movement.item_id
        WHERE entry.company_id = ANY(%s) AND (entry.number = ANY(%s) OR (entry.document <> '' AND entry.document = ANY(%s)))
        """,
        [company_ids, documents, documents],
    )
    by_entry = {}
    for entry_id, company_id, number, document, *rest in rows:
        original = Original(entry_id, *rest)
        by_entry[entry_id] = original
        for name in filter(None, (number, document)):
            book.originals[company_id, name] = original
    postings = fetch(
        """
        SELECT posting.entry_id, account.number, account.kind, coalesce(cost_centre.code, ''),
            posting.debit_minor, posting.credit_minor
        FROM ledger_posting AS posting JOIN ledger_account AS account ON account.id = posting.account_id
        LEFT JOIN ledger_costcentre AS cost_centre ON cost_centre.id = posting.cost_centre_id
        WHERE posting.entry_id = ANY(%s) ORDER BY posting.entry_id, posting.line_number
        """,
        [list(by_entry)],
    )
    for entry_id, *posting in postings:
        by_entry[entry_id].postings.append(OriginalPosting(*posting))


def _fetch_accounts(book: Book, company_ids: list[int], actions: Sequence[Action]) -> None:
    numbers = {line.account for action in actions if isinstance(action, EntryAction) for line in action.lines}
    rows = fetch(
        "SELECT company_id, id, number, kind, role, is_active FROM ledger_account"
        " WHERE company_id = ANY(%s) AND (role <> '' OR number = ANY(%s))",
        [company_ids, sorted(numbers)],
    )
    for company_id, *values in rows:
        account = AccountRow(*values)
        book.accounts[company_id, account.number] = account
        if account.role:
            book.roles[company_id, account.role] = account


def _fetch_periods(book: Book, company_ids: list[int], actions: Sequence[Action]) -> None:
    days = [day for action in actions if (day := effective_date(action)) is not None]
    if not days:
        return
    rows = fetch(
        "SELECT company_id, id, year, month, state FROM ledger_period WHERE company_id = ANY(%s) AND starts_on = ANY(%s::date[])",
        [company_ids, sorted({day.replace(day=1) for day in days})],
    )
    for company_id, *values in rows:
        period = PeriodRow(*values)
        book.periods[company_id, period.year, period.month] = period


def _fetch_cost_centres(book: Book, company_ids: list[int], actions: Sequence[Action]) -> None:
    codes: set[str] = set()
    for action in actions:
        match action:
            case OrderAction() | ReleaseAction():
                codes.add(action.cost_centre)
            case EntryAction():
                codes.update(line.cost_centre for line in action.lines)
    for original in book.originals.values():
        codes.add(original.order_cost_centre)
        codes.update(posting.cost_centre for posting in original.postings)
    codes.discard("")
    if codes:
        rows = fetch(
            "SELECT company_id, code, id FROM ledger_costcentre WHERE company_id = ANY(%s) AND code = ANY(%s)",
            [company_ids, sorted(codes)],
        )
        book.cost_centres.update({(company_id, code): key for company_id, code, key in rows})


def _fetch_vendors(book: Book, company_ids: list[int], actions: Sequence[Action]) -> None:
    numbers = {action.vendor for action in actions if isinstance(action, OrderAction)}
    if numbers:
        rows = fetch(
            "SELECT company_id, number, id, status FROM ledger_vendor WHERE company_id = ANY(%s) AND number = ANY(%s)",
            [company_ids, sorted(numbers)],
        )
        book.vendors.update({(company_id, number): (key, status) for company_id, number, key, status in rows})


def _fetch_items(book: Book, company_ids: list[int], actions: Sequence[Action]) -> None:
    numbers = {original.movement_item for original in book.originals.values() if original.movement_item}
    for action in actions:
        match action:
            case OrderAction():
                numbers.update(line.item for line in action.lines)
            case ReleaseAction():
                numbers.add(action.item)
    if numbers:
        rows = fetch(
            "SELECT company_id, number, id, standard_cost FROM ledger_item WHERE company_id = ANY(%s) AND number = ANY(%s)",
            [company_ids, sorted(numbers)],
        )
        book.items.update({(company_id, number): (key, cost) for company_id, number, key, cost in rows})


def _lock_customers(book: Book, known: Sequence[tuple[CompanyRow, Action]]) -> None:
    wanted = sorted({(company.id, action.customer) for company, action in known if isinstance(action, CustomerAction)})
    if wanted:
        rows = fetch(
            "SELECT company_id, number, customer.id, status, currency, credit_limit_minor, payment_terms_days, version"
            " FROM ledger_customer AS customer JOIN unnest(%s::bigint[], %s::text[]) AS wanted (owner, name)"
            " ON customer.company_id = wanted.owner AND customer.number = wanted.name ORDER BY customer.id FOR UPDATE OF customer",
            arrays(wanted, 2),
        )
        book.customers.update({(row[0], row[1]): CustomerRow(*row[2:]) for row in rows})


def _lock_stock(book: Book, known: Sequence[tuple[CompanyRow, Action]]) -> None:
    wanted: set[tuple[int, str, str]] = set()
    for company, action in known:
        if isinstance(action, ReleaseAction):
            wanted.add((company.id, action.item, action.location))
    for (company_id, _), original in book.originals.items():
        if original.movement_item:
            wanted.add((company_id, original.movement_item, original.movement_location))
    if wanted:
        rows = fetch(
            "SELECT stock.company_id, item.number, stock.location, stock.id, stock.quantity, stock.version"
            " FROM ledger_stock AS stock JOIN ledger_item AS item ON item.id = stock.item_id"
            " JOIN unnest(%s::bigint[], %s::text[], %s::text[]) AS wanted (owner, name, place)"
            " ON stock.company_id = wanted.owner AND item.number = wanted.name AND stock.location = wanted.place"
            " ORDER BY stock.id FOR UPDATE OF stock",
            arrays(sorted(wanted), 3),
        )
        book.stock.update({(row[0], row[1], row[2]): StockRow(row[3], Decimal(row[4]), row[5]) for row in rows})


def _lock_budgets(book: Book, known: Sequence[tuple[CompanyRow, Action]]) -> None:
    wanted: set[tuple[int, int, int]] = set()

    def want(company_id: int, cost_centre: str, year: int) -> None:
        key = book.cost_centres.get((company_id, cost_centre))
        if key is not None:
            wanted.add((company_id, key, year))

    for company, action in known:
        match action:
            case OrderAction():
                want(company.id, action.cost_centre, action.ordered_on.year)
            case ReleaseAction():
                want(company.id, action.cost_centre, action.effective_on.year)
            case EntryAction():
                for line in action.lines:
                    account = book.accounts.get((company.id, line.account))
                    if account is not None and account.kind == AccountKind.EXPENSE:
                        want(company.id, line.cost_centre, action.effective_on.year)
    for (company_id, _), original in book.originals.items():
        want(company_id, original.order_cost_centre, original.year)
        for posting in original.postings:
            want(company_id, posting.cost_centre, original.year)
    if wanted:
        rows = fetch(
            "SELECT budget.company_id, budget.cost_centre_id, budget.year, budget.id, amount_minor, consumed_minor, currency"
            " FROM ledger_budget AS budget"
            " JOIN unnest(%s::bigint[], %s::bigint[], %s::int[]) AS wanted (owner, cost_centre, wanted_year)"
            " ON budget.company_id = owner AND budget.cost_centre_id = cost_centre AND budget.year = wanted_year"
            " ORDER BY budget.id FOR UPDATE OF budget",
            arrays(sorted(wanted), 3),
        )
        book.budgets.update({(row[0], row[1], row[2]): BudgetRow(*row[3:]) for row in rows})
