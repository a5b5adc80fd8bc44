-- The ledger keeps its promises whoever writes: insert-only, balanced, complete, in open periods, one landing per key.

CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is insert-only: % is refused; correct it by a compensating entry', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER ledger_journalentry_is_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_journalentry FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE TRIGGER ledger_posting_is_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_posting FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE TRIGGER ledger_purchaseorderline_is_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_purchaseorderline FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE TRIGGER ledger_inventorymovement_is_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_inventorymovement FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE TRIGGER ledger_customerchange_is_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_customerchange FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE TRIGGER ledger_idempotencyrecord_is_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_idempotencyrecord FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- Entries: dated into an open period of their own company. The row lock makes a period that is being closed wait for the
-- entries under way, and the other way round. Locking takes the owner's rights: writers may not change periods.
CREATE FUNCTION ledger_check_period() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM 1 FROM public.ledger_period WHERE id IN (SELECT period_id FROM fresh) ORDER BY id FOR SHARE;
    IF EXISTS (
        SELECT 1 FROM fresh JOIN public.ledger_period AS period ON period.id = fresh.period_id
        WHERE period.state <> 'open' OR period.company_id <> fresh.company_id
            OR fresh.effective_on NOT BETWEEN period.starts_on AND period.ends_on
    ) THEN
        RAISE EXCEPTION 'A journal entry must be dated into an open period of its company'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_in_open_period';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER ledger_entry_in_open_period AFTER INSERT ON ledger_journalentry
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_period();

-- Postings: within the count their entry declared (so a finished entry cannot be extended), accounts of the same company.
CREATE FUNCTION ledger_check_postings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM fresh
        JOIN ledger_journalentry AS entry ON entry.id = fresh.entry_id
        JOIN ledger_account AS account ON account.id = fresh.account_id
        LEFT JOIN ledger_costcentre AS cost_centre ON cost_centre.id = fresh.cost_centre_id
        WHERE fresh.line_number > entry.posting_count OR account.company_id <> entry.company_id
            OR cost_centre.company_id <> entry.company_id
    ) THEN
        RAISE EXCEPTION 'A posting must be one of those its entry declared, on an account of the same company'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_posting_within_entry';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER ledger_posting_within_entry AFTER INSERT ON ledger_posting
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_postings();

-- At commit: all declared postings are there, debits equal credits in each currency, the total is the sum of debits.
CREATE FUNCTION ledger_check_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found_count bigint;
    is_balanced boolean;
    found_total numeric;
BEGIN
    SELECT sum(side.postings), bool_and(side.debit = side.credit),
            coalesce(sum(side.debit) FILTER (WHERE side.currency = NEW.currency), 0)
        INTO found_count, is_balanced, found_total
        FROM (
            SELECT currency, count(*) AS postings, sum(debit_minor) AS debit, sum(credit_minor) AS credit
            FROM ledger_posting WHERE entry_id = NEW.id GROUP BY currency
        ) AS side;
    IF found_count IS DISTINCT FROM NEW.posting_count::bigint THEN
        RAISE EXCEPTION 'Journal entry % has % of the % postings it declares', NEW.number,
            coalesce(found_count, 0), NEW.posting_count
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_is_complete';
    END IF;
    IF NOT is_balanced OR found_total <> NEW.total_minor THEN
        RAISE EXCEPTION 'Journal entry % is not balanced in each currency at the total it states', NEW.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_is_balanced';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER ledger_entry_is_balanced AFTER INSERT ON ledger_journalentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_balance();

-- The same for orders: lines within the declared count, items of the same company, total = sum of the lines.
CREATE FUNCTION ledger_check_order_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM fresh
        JOIN ledger_purchaseorder AS purchase_order ON purchase_order.id = fresh.order_id
        JOIN ledger_item AS item ON item.id = fresh.item_id
        WHERE fresh.line_number > purchase_order.line_count OR item.company_id <> purchase_order.company_id
    ) THEN
        RAISE EXCEPTION 'An order line must be one of those its order declared, for an item of the same company'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_order_line_within_order';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER ledger_order_line_within_order AFTER INSERT ON ledger_purchaseorderline
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_order_lines();

CREATE FUNCTION ledger_check_order_total() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found_count bigint;
    found_total numeric;
BEGIN
    SELECT count(*), sum(amount_minor) INTO found_count, found_total
        FROM ledger_purchaseorderline WHERE order_id = NEW.id;
    IF found_count <> NEW.line_count OR found_total IS DISTINCT FROM NEW.total_minor::numeric THEN
        RAISE EXCEPTION 'Purchase order % has % lines worth %, but declares % worth %', NEW.number,
            found_count, coalesce(found_total, 0), NEW.line_count, NEW.total_minor
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_order_total_is_sum';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER ledger_order_total_is_sum AFTER INSERT ON ledger_purchaseorder
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_order_total();

CREATE FUNCTION ledger_check_order_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - 'state' <> to_jsonb(OLD) - 'state' OR NOT (OLD.state = 'open' AND NEW.state = 'cancelled') THEN
        RAISE EXCEPTION 'A purchase order changes only from open to cancelled'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'ledger_order_changes_state_only';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER ledger_order_changes_state_only BEFORE UPDATE ON ledger_purchaseorder
    FOR EACH ROW EXECUTE FUNCTION ledger_check_order_update();

CREATE TRIGGER ledger_purchaseorder_stays BEFORE DELETE OR TRUNCATE ON ledger_purchaseorder
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- Fields are joined with the unit separator and lines with the record separator, so that no text can imitate a boundary.
-- The counterparty is the vendor, the account of the largest debit, the item or the customer. Decimals are trimmed, so that 3 and 3.0000000000 have one digest.
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
JOIN ledger_customer AS customer ON customer.id = change.customer_id;

CREATE FUNCTION ledger_key_stays_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM ledger_closedkey AS closed WHERE closed.key = NEW.key) THEN
        RAISE EXCEPTION 'The key % is closed: nothing may land under it', NEW.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_key_is_open';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER ledger_key_is_open BEFORE INSERT ON ledger_idempotencyrecord
    FOR EACH ROW EXECUTE FUNCTION ledger_key_stays_open();

CREATE FUNCTION ledger_key_never_landed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM ledger_idempotencyrecord AS landed WHERE landed.key = NEW.key) THEN
        RAISE EXCEPTION 'Something has landed under the key %, so it cannot be closed', NEW.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_closed_key_never_landed';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER ledger_closed_key_never_landed BEFORE INSERT ON ledger_closedkey
    FOR EACH ROW EXECUTE FUNCTION ledger_key_never_landed();
