"""Closed keys: what was refused after its request had left stays refused, however late the request arrives."""

from __future__ import annotations

from django.db import migrations, models

GUARD = """
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
"""
UNGUARD = """
DROP TRIGGER ledger_key_is_open ON ledger_idempotencyrecord;
DROP FUNCTION ledger_key_stays_open();
DROP TRIGGER ledger_closed_key_never_landed ON ledger_closedkey;
DROP FUNCTION ledger_key_never_landed();
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_duplicates")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.CreateModel(
            name="ClosedKey",
            fields=[
                ("key", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("closed_by", models.CharField(max_length=64)),
                ("recorded_at", models.DateTimeField()),
            ],
            options={"verbose_name": "closed key"},
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
