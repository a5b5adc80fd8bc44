"""Rows of the log are only ever added: a trigger refuses UPDATE, DELETE and TRUNCATE, whoever asks."""

from __future__ import annotations

from django.db import migrations

TABLES = ("audit_event", "audit_eventpayload", "audit_seal", "audit_frontier", "audit_checkpoint")

CREATE_FUNCTION = """
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
"""
CREATE_TRIGGER = """
CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.RunSQL(CREATE_FUNCTION, "DROP FUNCTION audit_refuse_change()"),
        *[migrations.RunSQL(CREATE_TRIGGER.format(table=table), f"DROP TRIGGER {table}_insert_only ON {table}") for table in TABLES],
    ]
