"""What an auditor drew and what the rules found is only ever added; a run of the rules changes once, when it ends."""

from __future__ import annotations

from django.db import migrations

TABLES = ("reconciliation_rulehit", "reconciliation_sample", "reconciliation_sampleitem")
FUNCTIONS = """
CREATE FUNCTION reconciliation_assurance_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE FUNCTION reconciliation_rule_run_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state <> 'requested'
       OR (NEW.id, NEW.since, NEW.until, NEW.companies, NEW.started_by_id, NEW.started_at)
          IS DISTINCT FROM (OLD.id, OLD.since, OLD.until, OLD.companies, OLD.started_by_id, OLD.started_at)
    THEN
        RAISE EXCEPTION 'a run of the rules stays as it ended' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER reconciliation_rule_run_guard BEFORE UPDATE OR DELETE ON reconciliation_rulerun
FOR EACH ROW EXECUTE FUNCTION reconciliation_rule_run_guard();
"""
TRIGGER = """
CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION reconciliation_assurance_refuse_change();
"""
REVERSE = """
DROP TRIGGER reconciliation_rule_run_guard ON reconciliation_rulerun;
DROP FUNCTION reconciliation_rule_run_guard();
DROP FUNCTION reconciliation_assurance_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("reconciliation", "0005_assurance")]

    operations = [
        migrations.RunSQL(FUNCTIONS, REVERSE),
        *(migrations.RunSQL(TRIGGER.format(table=table), f"DROP TRIGGER {table}_insert_only ON {table};") for table in TABLES),
    ]
