"""Events lie in monthly partitions by their own id; the link of each to the one before it lies in a narrow table of its own.

The table of before becomes the first partition as it is, without copying a row: it holds everything up to the end of the month of this
migration. See docs/adr: an event's partition is its id.
"""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

LINKS = """
INSERT INTO audit_link (chain, position, event_id, leaf) SELECT chain, position, event_id, leaf FROM audit_event;

CREATE TRIGGER audit_link_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_link
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

-- Whoever adds an event adds its link, so that no second successor of an event can be stored, in whichever partition.
CREATE FUNCTION audit_link_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_link (chain, position, event_id, leaf) SELECT chain, position, event_id, leaf FROM added;
    RETURN NULL;
END
$$;
"""

PARTITIONS = """
SET LOCAL lock_timeout = '5s';

-- The smallest UUIDv7 of an instant.
CREATE FUNCTION audit_first_id(instant timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM instant) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

ALTER TABLE audit_event DROP CONSTRAINT audit_event_one_successor;
ALTER TABLE audit_event RENAME TO audit_event_first;
ALTER INDEX audit_event_pkey RENAME TO audit_event_first_pkey;
ALTER INDEX audit_event_transaction RENAME TO audit_event_first_transaction;
ALTER INDEX audit_event_recorded_at RENAME TO audit_event_first_recorded_at;
CREATE INDEX audit_event_first_chain ON audit_event_first (chain, position);

CREATE TABLE audit_event (LIKE audit_event_first INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (event_id);
ALTER TABLE audit_event ADD CONSTRAINT audit_event_pkey PRIMARY KEY (event_id);
CREATE INDEX audit_event_transaction ON audit_event (transaction);
CREATE INDEX audit_event_recorded_at ON audit_event USING brin (recorded_at);
CREATE INDEX audit_event_chain ON audit_event (chain, position);
DO $$
BEGIN
    EXECUTE format(
        'ALTER TABLE audit_event ATTACH PARTITION audit_event_first FOR VALUES FROM (MINVALUE) TO (%L)',
        audit_first_id((date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC')
    );
END
$$;
-- Nothing is ever lost for want of a partition: what comes before its month was made waits here.
CREATE TABLE audit_event_other PARTITION OF audit_event DEFAULT;

CREATE TRIGGER audit_event_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_event_linked AFTER INSERT ON audit_event REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION audit_link_events();

-- Statement triggers hold for the table they are on: a partition gets its own.
CREATE FUNCTION audit_guard_partition(partition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE TRIGGER audit_event_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
         FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()', partition
    );
    EXECUTE format(
        'CREATE OR REPLACE TRIGGER audit_event_linked AFTER INSERT ON %I REFERENCING NEW TABLE AS added
         FOR EACH STATEMENT EXECUTE FUNCTION audit_link_events()', partition
    );
END
$$;
SELECT audit_guard_partition('audit_event_first'), audit_guard_partition('audit_event_other');

-- Makes the partition of a month, if it is not there; returns its name, or nothing. The sealer calls it, with the owner's rights and no
-- others: it can make empty partitions, and that is all. ATTACH, unlike CREATE … PARTITION OF, waits for nobody's insert.
CREATE FUNCTION audit_make_partition(month date) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET lock_timeout = '2s' AS $$
DECLARE
    first timestamp := date_trunc('month', month);
    name text := 'audit_event_' || to_char(date_trunc('month', month), 'YYYY_MM');
BEGIN
    IF to_regclass(quote_ident(name)) IS NOT NULL THEN
        RETURN '';
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE audit_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', name);
    BEGIN
        EXECUTE format(
            'ALTER TABLE audit_event ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
            audit_first_id(first AT TIME ZONE 'UTC'), audit_first_id((first + interval '1 month') AT TIME ZONE 'UTC')
        );
    EXCEPTION WHEN invalid_object_definition THEN
        -- The first partition covers this month.
        EXECUTE format('DROP TABLE %I', name);
        RETURN '';
    END;
    PERFORM audit_guard_partition(name);
    RETURN name;
END
$$;
REVOKE ALL ON FUNCTION audit_make_partition(date) FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_retention_guards")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        # A partition that is detached takes its events along; payloads and seals stay. That each has its event, or an archive that
        # holds it, is what verifying checks.
        migrations.AlterField(
            model_name="eventpayload",
            name="event",
            field=models.OneToOneField(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                primary_key=True,
                related_name="payload",
                serialize=False,
                to="audit.event",
            ),
        ),
        migrations.AlterField(
            model_name="seal",
            name="event",
            field=models.OneToOneField(
                db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name="seal", to="audit.event"
            ),
        ),
        migrations.CreateModel(
            name="Link",
            fields=[
                ("pk", models.CompositePrimaryKey("chain", "position", blank=True, editable=False, primary_key=True, serialize=False)),
                ("chain", models.CharField(max_length=200)),
                ("position", models.PositiveBigIntegerField()),
                ("event_id", models.UUIDField(unique=True)),
                ("leaf", models.BinaryField()),
            ],
        ),
        migrations.RunSQL(LINKS, migrations.RunSQL.noop),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint(model_name="event", name="audit_event_one_successor"),
                migrations.AddIndex(model_name="event", index=models.Index(fields=["chain", "position"], name="audit_event_chain")),
            ],
            database_operations=[migrations.RunSQL(PARTITIONS)],
        ),
    ]
