"""Numbers and stores the accepted effects of a batch: one statement per table, whatever the size of the batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError
from psycopg.types.json import Jsonb

from kernel.clock import wire_time
from ledger.contracts import WriteRequest
from ledger.services.book import Book
from ledger.services.effects import Effect
from ledger.sql import arrays, execute, fetch, insert
from ledger.states import OrderState

Row = tuple[object, ...]

STAMP = ("reference", "written_by", "recorded_at")
ENTRY = (
    "id",
    "company_id",
    "number",
    "kind",
    "document",
    "period_id",
    "effective_on",
    "currency",
    "total_minor",
    "posting_count",
    "description",
    "reverses_id",
    "reverses_document",
    *STAMP,
)
POSTING = (
    "entry_id",
    "line_number",
    "account_id",
    "cost_centre_id",
    "debit_minor",
    "credit_minor",
    "currency",
    "text",
)
ORDER = (
    "id",
    "company_id",
    "number",
    "state",
    "vendor_id",
    "cost_centre_id",
    "order_reference",
    "ordered_on",
    "deliver_on",
    "currency",
    "total_minor",
    "line_count",
    "note",
    "entry_id",
    *STAMP,
)
ORDER_LINE = (
    "order_id",
    "line_number",
    "item_id",
    "description",
    "quantity",
    "unit_price",
    "amount_minor",
)
MOVEMENT = (
    "id",
    "company_id",
    "number",
    "kind",
    "item_id",
    "location",
    "quantity",
    "unit_cost",
    "order_reference",
    "cost_centre_id",
    "effective_on",
    "currency",
    "total_minor",
    "entry_id",
    *STAMP,
)
CHANGE = (
    "id",
    "company_id",
    "number",
    "customer_id",
    "version_before",
    "version_after",
    "credit_limit_minor_before",
    "credit_limit_minor_after",
    "payment_terms_days_before",
    "payment_terms_days_after",
    "status_before",
    "status_after",
    "currency",
    "reason",
    "effective_on",
    *STAMP,
)
RECORD = (
    "key",
    "request_digest",
    "tool",
    "company_id",
    "reference",
    "document",
    "result",
    "written_by",
    "recorded_at",
)


@dataclass(slots=True)
class Accepted:
    """One request whose plan was accepted, with its effect."""

    request: WriteRequest
    digest: str
    effect: Effect


def store(book: Book, accepted: Sequence[Accepted], *, now: datetime, written_by: str, is_keyed: bool) -> None:
    """Store every effect, the changed masters and the idempotency records; the number sequences are locked last.

    Without `is_keyed` no idempotency record is written: that is how the ERP's own people write.
    """
    if not accepted:
        return
    _update_masters(book)
    _cancel_orders(accepted)
    _assign_numbers([item.effect for item in accepted])
    _insert_entries(accepted, now=now, written_by=written_by)
    _insert_orders(accepted, now=now, written_by=written_by)
    _insert_movements(accepted, now=now, written_by=written_by)
    _insert_changes(accepted, now=now, written_by=written_by)
    for item in accepted:
        _complete_answer(item, now=now)
    if is_keyed:
        insert(
            "ledger_idempotencyrecord",
            RECORD,
            [
                (
                    item.request.key,
                    item.digest,
                    item.request.tool,
                    item.effect.company_id,
                    item.request.reference,
                    item.effect.document,
                    Jsonb(item.effect.answer),
                    written_by,
                    now,
                )
                for item in accepted
            ],
        )


def _complete_answer(item: Accepted, *, now: datetime) -> None:
    effect = item.effect
    effect.answer.update(
        document=effect.document,
        entry=effect.entry.number if effect.entry else "",
        tool=item.request.tool,
        company=item.request.company,
        reference=item.request.reference,
        recorded_at=wire_time(now),
    )
    if effect.movement is not None:
        effect.answer["movement"] = effect.movement.number


def _update_masters(book: Book) -> None:
    budgets = [(row.id, row.consumed_minor) for row in book.budgets.values() if row.is_changed]
    if budgets:
        execute(
            "UPDATE ledger_budget SET consumed_minor = changed.consumed"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS changed (id, consumed) WHERE ledger_budget.id = changed.id",
            arrays(budgets, 2),
        )
    stock = [(row.id, row.quantity, row.version) for row in book.stock.values() if row.is_changed]
    if stock:
        execute(
            "UPDATE ledger_stock SET quantity = changed.quantity, version = changed.version"
            " FROM unnest(%s::bigint[], %s::numeric[], %s::int[]) AS changed (id, quantity, version)"
            " WHERE ledger_stock.id = changed.id",
            arrays(stock, 3),
        )
    customers = [
        (row.id, row.status, row.credit_limit_minor, row.payment_terms_days, row.version)
        for row in book.customers.values()
        if row.is_changed
    ]
    if customers:
        execute(
            "UPDATE ledger_customer SET status = changed.status, credit_limit_minor = changed.credit_limit,"
            " payment_terms_days = changed.terms, version = changed.version"
            " FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::int[], %s::int[])"
            " AS changed (id, status, credit_limit, terms, version) WHERE ledger_customer.id = changed.id",
            arrays(customers, 5),
        )


def _cancel_orders(accepted: Sequence[Accepted]) -> None:
    """Move the orders whose commitments are reversed from open to cancelled; each must have been open."""
    keys = sorted(item.effect.cancelled_order_id for item in accepted if item.effect.cancelled_order_id is not None)
    if not keys:
        return
    changed = execute(
        "UPDATE ledger_purchaseorder SET state = %s WHERE id = ANY(%s) AND state = %s",
        [OrderState.CANCELLED.value, keys, OrderState.OPEN.value],
    )
    if changed != len(keys):
        raise IntegrityError("an order to cancel is no longer open")


def _assign_numbers(effects: Sequence[Effect]) -> None:
    """Give each row the next number of its series; one statement moves all sequences, in sorted order."""
    needed = Counter((effect.company_id, series.value, effect.year) for effect in effects for series in effect.series())
    rows = [(*key, count) for key, count in sorted(needed.items())]
    moved = fetch(
        "INSERT INTO ledger_documentsequence AS sequence (company_id, series, year, last_number)"
        " SELECT * FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::int[])"
        " ON CONFLICT (company_id, series, year)"
        " DO UPDATE SET last_number = sequence.last_number + EXCLUDED.last_number"
        " RETURNING company_id, series, year, last_number",
        arrays(rows, 4),
    )
    last = {(company_id, series, year): number for company_id, series, year, number in moved}
    upcoming = {key: last[key] - count for key, count in needed.items()}
    for effect in effects:
        for series in effect.series():
            key = (effect.company_id, series.value, effect.year)
            upcoming[key] += 1
            effect.number(series, f"{series.value}-{effect.year:04d}-{upcoming[key]:06d}")


def _insert_entries(accepted: Sequence[Accepted], *, now: datetime, written_by: str) -> None:
    entries: list[Row] = []
    postings: list[Row] = []
    for item in accepted:
        entry = item.effect.entry
        if entry is None:
            continue
        document = item.effect.document
        entries.append(
            (
                entry.id,
                item.effect.company_id,
                entry.number,
                entry.kind.value,
                "" if document == entry.number else document,
                entry.period_id,
                entry.effective_on,
                entry.currency,
                entry.total_minor,
                len(entry.postings),
                entry.description,
                entry.reverses_id,
                entry.reverses_document,
                item.request.reference,
                written_by,
                now,
            )
        )
        postings.extend(
            (
                entry.id,
                line_number,
                posting.account_id,
                posting.cost_centre_id,
                posting.debit_minor,
                posting.credit_minor,
                entry.currency,
                posting.text,
            )
            for line_number, posting in enumerate(entry.postings, start=1)
        )
    insert("ledger_journalentry", ENTRY, entries)
    insert("ledger_posting", POSTING, postings)


def _insert_orders(accepted: Sequence[Accepted], *, now: datetime, written_by: str) -> None:
    orders: list[Row] = []
    lines: list[Row] = []
    for item in accepted:
        order, entry = item.effect.order, item.effect.entry
        if order is None or entry is None:
            continue
        orders.append(
            (
                order.id,
                item.effect.company_id,
                order.number,
                OrderState.OPEN.value,
                order.vendor_id,
                order.cost_centre_id,
                order.order_reference,
                order.ordered_on,
                order.deliver_on,
                order.currency,
                order.total_minor,
                len(order.lines),
                order.note,
                entry.id,
                item.request.reference,
                written_by,
                now,
            )
        )
        lines.extend(
            (
                order.id,
                line_number,
                line.item_id,
                line.description,
                line.quantity,
                line.unit_price,
                line.amount_minor,
            )
            for line_number, line in enumerate(order.lines, start=1)
        )
    insert("ledger_purchaseorder", ORDER, orders)
    insert("ledger_purchaseorderline", ORDER_LINE, lines)


def _insert_movements(accepted: Sequence[Accepted], *, now: datetime, written_by: str) -> None:
    rows = []
    for item in accepted:
        movement, entry = item.effect.movement, item.effect.entry
        if movement is None:
            continue
        rows.append(
            (
                movement.id,
                item.effect.company_id,
                movement.number,
                movement.kind.value,
                movement.item_id,
                movement.location,
                movement.quantity,
                movement.unit_cost,
                movement.order_reference,
                movement.cost_centre_id,
                movement.effective_on,
                movement.currency,
                movement.total_minor,
                entry.id if entry else None,
                item.request.reference,
                written_by,
                now,
            )
        )
    insert("ledger_inventorymovement", MOVEMENT, rows)


def _insert_changes(accepted: Sequence[Accepted], *, now: datetime, written_by: str) -> None:
    nothing: tuple[None, None] = (None, None)
    rows = []
    for item in accepted:
        change = item.effect.change
        if change is None:
            continue
        rows.append(
            (
                change.id,
                item.effect.company_id,
                change.number,
                change.customer_id,
                change.version_before,
                change.version_before + 1,
                *(change.credit_limit_minor or nothing),
                *(change.payment_terms_days or nothing),
                *(change.status or nothing),
                change.currency,
                change.reason,
                change.effective_on,
                item.request.reference,
                written_by,
                now,
            )
        )
    insert("ledger_customerchange", CHANGE, rows)
