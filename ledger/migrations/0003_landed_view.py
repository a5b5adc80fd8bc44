"""One view over everything that landed: what reconciliation compares, in one place, with a digest of each content."""

from __future__ import annotations

from django.db import migrations

# Fields are joined with the unit separator and lines with the record separator, so that no text can imitate a boundary.
# The counterparty is the vendor, the account of the largest debit, the item or the customer. Decimals are trimmed, so that 3 and 3.0000000000 have one digest.
VIEW = r"""
CREATE VIEW ledger_landed AS
SELECT purchase_order.id, purchase_order.company_id, purchase_order.number AS document,
    'create_purchase_order'::text AS tool, purchase_order.reference, purchase_order.written_by,
    purchase_order.total_minor, purchase_order.currency, purchase_order.ordered_on AS effective_on,
    vendor.number AS counterparty, purchase_order.state,
    coalesce((SELECT reversal.number FROM ledger_journalentry AS reversal
        WHERE reversal.reverses_id = purchase_order.entry_id), '') AS reversed_by,
    purchase_order.recorded_at,
    encode(sha256(convert_to(concat_ws(E'\x1f', vendor.number, purchase_order.order_reference,
        purchase_order.ordered_on::text, coalesce(purchase_order.deliver_on::text, ''), cost_centre.code,
        purchase_order.currency, purchase_order.note, purchase_order.total_minor::text,
        (SELECT string_agg(concat_ws(E'\x1f', item.number, line.description, trim_scale(line.quantity)::text,
                trim_scale(line.unit_price)::text, line.amount_minor::text), E'\x1e' ORDER BY line.line_number)
            FROM ledger_purchaseorderline AS line JOIN ledger_item AS item ON item.id = line.item_id
            WHERE line.order_id = purchase_order.id)), 'UTF8')), 'hex') AS content_digest
FROM ledger_purchaseorder AS purchase_order
JOIN ledger_vendor AS vendor ON vendor.id = purchase_order.vendor_id
JOIN ledger_costcentre AS cost_centre ON cost_centre.id = purchase_order.cost_centre_id
UNION ALL
SELECT entry.id, entry.company_id, entry.number, 'post_journal_entry', entry.reference, entry.written_by,
    entry.total_minor, entry.currency, entry.effective_on,
    (SELECT account.number FROM ledger_posting AS posting JOIN ledger_account AS account ON account.id = posting.account_id
        WHERE posting.entry_id = entry.id ORDER BY posting.debit_minor DESC, posting.line_number LIMIT 1),
    'posted',
    coalesce((SELECT reversal.number FROM ledger_journalentry AS reversal
        WHERE reversal.reverses_id = entry.id), ''),
    entry.recorded_at,
    encode(sha256(convert_to(concat_ws(E'\x1f', entry.effective_on::text, entry.currency, entry.description,
        entry.reverses_document, entry.total_minor::text,
        (SELECT string_agg(concat_ws(E'\x1f', account.number, coalesce(cost_centre.code, ''),
                posting.debit_minor::text, posting.credit_minor::text, posting.currency, posting.text),
                E'\x1e' ORDER BY posting.line_number)
            FROM ledger_posting AS posting JOIN ledger_account AS account ON account.id = posting.account_id
            LEFT JOIN ledger_costcentre AS cost_centre ON cost_centre.id = posting.cost_centre_id
            WHERE posting.entry_id = entry.id)), 'UTF8')), 'hex')
FROM ledger_journalentry AS entry
WHERE entry.kind = 'general'
UNION ALL
SELECT movement.id, movement.company_id, movement.number, 'release_inventory', movement.reference,
    movement.written_by, movement.total_minor, movement.currency, movement.effective_on, item.number, movement.kind,
    coalesce((SELECT reversal.number FROM ledger_journalentry AS reversal
        WHERE reversal.reverses_id = movement.entry_id), ''),
    movement.recorded_at,
    encode(sha256(convert_to(concat_ws(E'\x1f', movement.kind, item.number, movement.location,
        trim_scale(movement.quantity)::text, trim_scale(movement.unit_cost)::text, movement.order_reference,
        movement.effective_on::text, coalesce(cost_centre.code, ''), movement.total_minor::text), 'UTF8')), 'hex')
FROM ledger_inventorymovement AS movement
JOIN ledger_item AS item ON item.id = movement.item_id
LEFT JOIN ledger_costcentre AS cost_centre ON cost_centre.id = movement.cost_centre_id
WHERE movement.kind = 'release'
UNION ALL
SELECT change.id, change.company_id, change.number, 'update_customer', change.reference, change.written_by,
    abs(coalesce(change.credit_limit_minor_after - change.credit_limit_minor_before, 0)), change.currency,
    change.effective_on, customer.number, 'changed', '', change.recorded_at,
    encode(sha256(convert_to(concat_ws(E'\x1f', customer.number, change.version_before::text,
        coalesce(change.credit_limit_minor_after::text, ''), coalesce(change.payment_terms_days_after::text, ''),
        coalesce(change.status_after, ''), change.reason), 'UTF8')), 'hex')
FROM ledger_customerchange AS change
JOIN ledger_customer AS customer ON customer.id = change.customer_id
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_triggers")]

    operations = [migrations.RunSQL(VIEW, "DROP VIEW ledger_landed")]
