"""A proposal is fixed at submission but for its state; receipts, citations and feedback are only ever added."""

from __future__ import annotations

from django.db import migrations

INSERT_ONLY = ("proposals_readreceipt", "proposals_citation", "proposals_feedback")

REFUSE_CHANGE = """
CREATE FUNCTION proposals_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
"""
INSERT_ONLY_TRIGGER = """
CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION proposals_refuse_change();
"""
NO_REMOVAL_TRIGGER = """
CREATE TRIGGER proposals_proposal_stays BEFORE DELETE OR TRUNCATE ON proposals_proposal
FOR EACH STATEMENT EXECUTE FUNCTION proposals_refuse_change();
"""
# Comparing whole rows with the two movable columns taken over means that a column added later is fixed without a new trigger.
REFUSE_ALTERATION = """
CREATE FUNCTION proposals_refuse_alteration() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    expected proposals_proposal := OLD;
BEGIN
    expected.state := NEW.state;
    expected.decided_at := NEW.decided_at;
    IF NEW IS DISTINCT FROM expected THEN
        RAISE EXCEPTION 'proposal % is fixed: only its state may change', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
"""
FIXED_TRIGGER = """
CREATE TRIGGER proposals_proposal_fixed BEFORE UPDATE ON proposals_proposal
FOR EACH ROW EXECUTE FUNCTION proposals_refuse_alteration();
"""


class Migration(migrations.Migration):
    dependencies = [("proposals", "0001_initial")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.RunSQL(REFUSE_CHANGE, "DROP FUNCTION proposals_refuse_change()"),
        migrations.RunSQL(REFUSE_ALTERATION, "DROP FUNCTION proposals_refuse_alteration()"),
        *[
            migrations.RunSQL(INSERT_ONLY_TRIGGER.format(table=table), f"DROP TRIGGER {table}_insert_only ON {table}")
            for table in INSERT_ONLY
        ],
        migrations.RunSQL(NO_REMOVAL_TRIGGER, "DROP TRIGGER proposals_proposal_stays ON proposals_proposal"),
        migrations.RunSQL(FIXED_TRIGGER, "DROP TRIGGER proposals_proposal_fixed ON proposals_proposal"),
    ]
