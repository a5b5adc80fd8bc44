"""The rules no writer can get around, whichever program or person it is: held by triggers, tried by tests/ledger."""

from __future__ import annotations

from django.db import migrations

INSERT_ONLY_TABLES = (
    "ledger_journalentry",
    "ledger_posting",
    "ledger_purchaseorderline",
    "ledger_inventorymovement",
    "ledger_customerchange",
    "ledger_idempotencyrecord",
)

REFUSE_CHANGE = """
CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is insert-only: % is refused; correct it by a compensating entry', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
"""

# Entries: dated into an open period of their own company. The row lock makes a period that is being closed wait for the
# entries under way, and the other way round. Locking takes the owner's rights: writers may not change periods.
CHECK_PERIOD = """
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
"""

# Postings: within the count their entry declared (so a finished entry cannot be extended), accounts of the same company.
CHECK_POSTINGS = """
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
"""

# At commit: all declared postings are there, debits equal credits in each currency, the total is the sum of debits.
CHECK_BALANCE = """
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
"""

# The same for orders: lines within the declared count, items of the same company, total = sum of the lines.
CHECK_ORDERS = """
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
"""


def forward_sql() -> list[str]:
    """Return the statements in order of dependence."""
    guards = [
        f"CREATE TRIGGER {table}_is_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()"
        for table in INSERT_ONLY_TABLES
    ]
    return [REFUSE_CHANGE, *guards, CHECK_PERIOD, CHECK_POSTINGS, CHECK_BALANCE, CHECK_ORDERS]


def reverse_sql() -> list[str]:
    """Return the statements that drop every function; the triggers go with them."""
    functions = (
        "ledger_check_order_update",
        "ledger_check_order_total",
        "ledger_check_order_lines",
        "ledger_check_balance",
        "ledger_check_postings",
        "ledger_check_period",
        "ledger_refuse_change",
    )
    return [f"DROP FUNCTION {function}() CASCADE" for function in functions]


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [migrations.RunSQL(forward_sql(), reverse_sql())]
