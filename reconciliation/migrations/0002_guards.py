"""The history of every run and break is kept, whoever writes the SQL."""

from __future__ import annotations

from django.db import migrations

FORWARD = """
CREATE FUNCTION reconciliation_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refuses %', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER reconciliation_run_stays BEFORE DELETE OR TRUNCATE ON reconciliation_run
    FOR EACH STATEMENT EXECUTE FUNCTION reconciliation_refuse_change();
CREATE TRIGGER reconciliation_break_stays BEFORE DELETE OR TRUNCATE ON reconciliation_break
    FOR EACH STATEMENT EXECUTE FUNCTION reconciliation_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("reconciliation", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, "DROP FUNCTION reconciliation_refuse_change() CASCADE")]
