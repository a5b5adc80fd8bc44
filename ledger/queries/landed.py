"""What landed: found by key, read back by document, streamed for reconciliation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from kernel.canonical import parse_json
from kernel.clock import wire_time
from kernel.money import exponent
from kernel.streaming import streamed
from ledger.contracts import GATE, LandedDocument, Tool, WriteResult, WriteStatus
from ledger.decimals import minor_text
from ledger.queries.common import JsonObject, get_company
from ledger.queries.fields import Fields, customer_fields, entry_fields, order_fields, release_fields
from ledger.sql import LEDGER, fetch


def find_many(keys: Sequence[UUID]) -> dict[UUID, WriteResult]:
    """Return the stored answers by key; keys without an effect are absent."""
    return {key: result for key, (_, result) in find_stored(keys).items()}


def find_stored(keys: Sequence[UUID]) -> dict[UUID, tuple[str, WriteResult]]:
    """Return request digest and stored answer by key."""
    rows = fetch(
        "SELECT key, request_digest, document, result FROM ledger_idempotencyrecord WHERE key = ANY(%s::uuid[])",
        [list(keys)],
    )
    found = {}
    for key, digest, document, result in rows:
        answer = cast("Mapping[str, object]", parse_json(result))
        found[key] = (digest, WriteResult(key, WriteStatus.POSTED, document, answer))
    return found


def extract(*, company: str, since: datetime | None = None, until: datetime | None = None) -> Iterator[LandedDocument]:
    """Stream the documents recorded in [since, until), sorted by reference (bytewise), then document; memory stays flat.

    Accounting effects are not documents of their own: an order stands for its commitment entry, a release for its COGS entry.
    """
    recorded = "AND (%(since)s::timestamptz IS NULL OR landed.recorded_at >= %(since)s::timestamptz)"
    for row in _rows(DOCUMENT + recorded, company=company, since=since, until=until):
        yield LandedDocument(company, *row)


def stream(*, company: str, since: datetime | None, until: datetime, references: Sequence[str] | None = None) -> Iterator[tuple[Any, ...]]:
    """Stream what reconciliation compares, in the order of `gateway.port.Landed`, sorted alike: a million of them must cost little.

    Documents of the ERP's own people count only where they name a proposal. `since` also takes in what was reversed since then;
    with `references` only what names one of these.
    """
    condition = COMPARED + OURS
    if since is not None:
        condition += CHANGED_SINCE
    if references is not None:
        condition += " AND landed.reference = ANY(%(references)s)"
    named = list(references) if references is not None else None
    return _rows(condition, company=company, since=since, until=until, references=named, gate=GATE)


ROWS = """
FROM ledger_landed AS landed
LEFT JOIN ledger_idempotencyrecord AS record
    ON record.company_id = landed.company_id AND record.document = landed.document
WHERE landed.company_id = %(company_id)s AND (%(until)s::timestamptz IS NULL OR landed.recorded_at < %(until)s::timestamptz)
"""
DOCUMENT = f"""
SELECT landed.reference, landed.document, landed.tool, record.key, landed.total_minor, landed.currency,
    landed.effective_on, landed.counterparty, landed.written_by, landed.state, landed.reversed_by,
    landed.recorded_at, landed.content_digest
{ROWS}"""
COMPARED = f"""
SELECT landed.reference, landed.document, landed.tool, landed.total_minor, landed.currency, landed.effective_on,
    landed.counterparty, landed.content_digest, coalesce(record.key::text, ''), landed.written_by, landed.state, landed.reversed_by
{ROWS}"""
OURS = "AND (landed.written_by = %(gate)s OR landed.reference <> '')"
CHANGED_SINCE = """
AND (landed.recorded_at >= %(since)s::timestamptz OR landed.document = ANY(ARRAY(
    SELECT reversal.reverses_document FROM ledger_journalentry AS reversal
    WHERE reversal.company_id = %(company_id)s AND reversal.reverses_id IS NOT NULL AND reversal.recorded_at >= %(since)s::timestamptz)))
"""
SORTED = '\nORDER BY landed.reference COLLATE "C", landed.document COLLATE "C"'


def _rows(statement: str, *, company: str, **values: Any) -> Iterator[tuple[Any, ...]]:
    found = get_company(company)
    for rows in streamed(LEDGER, statement + SORTED, {**values, "company_id": found.pk}):
        yield from rows


def read_back_many(documents: Sequence[tuple[str, str]]) -> dict[tuple[str, str], JsonObject]:
    """Return landed documents by (company, document); absent ones are missing. At most nine statements for any number.

    `fields` speaks the vocabulary of the action payload, as `queries.fields` spells it; the rest tells where, when and by
    whom it was written, and whether it still stands.
    """
    rows = fetch(
        """
        SELECT company.code, landed.document, landed.id, landed.tool, landed.reference, landed.written_by,
            landed.state, landed.reversed_by, landed.recorded_at, landed.content_digest, landed.total_minor, landed.currency
        FROM ledger_landed AS landed JOIN ledger_company AS company ON company.id = landed.company_id
        WHERE landed.document = ANY(%s) AND company.code = ANY(%s)
        """,
        [sorted({document for _, document in documents}), sorted({company for company, _ in documents})],
    )
    wanted = set(documents)
    found = [row for row in rows if (row[0], row[1]) in wanted]
    keys: dict[str, list[UUID]] = defaultdict(list)
    for row in found:
        keys[row[3]].append(row[2])
    fields: dict[UUID, Fields] = {}
    for tool, ids in keys.items():
        fields.update(_READERS[Tool(tool)](ids))
    return {
        (company, document): {
            "company": company,
            "document": document,
            "tool": tool,
            "reference": reference,
            "written_by": written_by,
            "state": state,
            "reversed_by": reversed_by,
            "recorded_at": wire_time(recorded_at),
            "content_digest": content_digest,
            "total": minor_text(total_minor, currency),
            "currency": currency,
            "fields": fields[key],
        }
        for (
            company,
            document,
            key,
            tool,
            reference,
            written_by,
            state,
            reversed_by,
            recorded_at,
            content_digest,
            total_minor,
            currency,
        ) in found
    }


def _grouped(rows: Sequence[tuple[Any, ...]]) -> dict[UUID, list[tuple[Any, ...]]]:
    groups: dict[UUID, list[tuple[Any, ...]]] = defaultdict(list)
    for key, *values in rows:
        groups[key].append(tuple(values))
    return groups


def _read_orders(ids: Sequence[UUID]) -> dict[UUID, Fields]:
    heads = fetch(
        """
        SELECT purchase_order.id, vendor.number, order_reference, ordered_on, deliver_on, cost_centre.code, currency,
            purchase_order.note, total_minor
        FROM ledger_purchaseorder AS purchase_order
        JOIN ledger_vendor AS vendor ON vendor.id = purchase_order.vendor_id
        JOIN ledger_costcentre AS cost_centre ON cost_centre.id = purchase_order.cost_centre_id
        WHERE purchase_order.id = ANY(%s::uuid[])
        """,
        [list(ids)],
    )
    lines = _grouped(
        fetch(
            """
            SELECT line.order_id, item.number, line.description, line.quantity, line.unit_price
            FROM ledger_purchaseorderline AS line JOIN ledger_item AS item ON item.id = line.item_id
            WHERE line.order_id = ANY(%s::uuid[]) ORDER BY line.order_id, line.line_number
            """,
            [list(ids)],
        )
    )
    names = ("vendor", "reference", "ordered_on", "deliver_on", "cost_centre", "currency", "note", "total_minor")
    return {key: order_fields(**dict(zip(names, values, strict=True)), lines=lines[key]) for key, *values in heads}


def _read_entries(ids: Sequence[UUID]) -> dict[UUID, Fields]:
    heads = fetch(
        "SELECT id, effective_on, currency, description, reverses_document, total_minor"
        " FROM ledger_journalentry WHERE id = ANY(%s::uuid[])",
        [list(ids)],
    )
    lines = _grouped(
        fetch(
            """
            SELECT posting.entry_id, account.number, coalesce(cost_centre.code, ''), posting.debit_minor,
                posting.credit_minor, posting.text
            FROM ledger_posting AS posting JOIN ledger_account AS account ON account.id = posting.account_id
            LEFT JOIN ledger_costcentre AS cost_centre ON cost_centre.id = posting.cost_centre_id
            WHERE posting.entry_id = ANY(%s::uuid[]) ORDER BY posting.entry_id, posting.line_number
            """,
            [list(ids)],
        )
    )
    names = ("effective_on", "currency", "description", "reverses", "total_minor")
    return {key: entry_fields(**dict(zip(names, values, strict=True)), lines=lines[key]) for key, *values in heads}


def _read_releases(ids: Sequence[UUID]) -> dict[UUID, Fields]:
    rows = fetch(
        """
        SELECT movement.id, item.number, movement.location, movement.quantity, movement.order_reference,
            movement.effective_on, coalesce(cost_centre.code, '')
        FROM ledger_inventorymovement AS movement JOIN ledger_item AS item ON item.id = movement.item_id
        LEFT JOIN ledger_costcentre AS cost_centre ON cost_centre.id = movement.cost_centre_id
        WHERE movement.id = ANY(%s::uuid[])
        """,
        [list(ids)],
    )
    names = ("item", "location", "quantity", "order", "effective_on", "cost_centre")
    return {key: release_fields(**dict(zip(names, values, strict=True))) for key, *values in rows}


def _read_changes(ids: Sequence[UUID]) -> dict[UUID, Fields]:
    rows = fetch(
        """
        SELECT change.id, customer.number, change.version_before, change.credit_limit_minor_after, change.currency,
            change.payment_terms_days_after, change.status_after, change.reason
        FROM ledger_customerchange AS change JOIN ledger_customer AS customer ON customer.id = change.customer_id
        WHERE change.id = ANY(%s::uuid[])
        """,
        [list(ids)],
    )
    return {
        key: customer_fields(
            customer=customer,
            expected_version=version,
            credit_limit=Decimal(limit).scaleb(-exponent(currency)) if limit is not None else None,
            payment_terms_days=terms,
            status=status,
            reason=reason,
        )
        for key, customer, version, limit, currency, terms, status, reason in rows
    }


_READERS = {
    Tool.CREATE_PURCHASE_ORDER: _read_orders,
    Tool.POST_JOURNAL_ENTRY: _read_entries,
    Tool.RELEASE_INVENTORY: _read_releases,
    Tool.UPDATE_CUSTOMER: _read_changes,
}
