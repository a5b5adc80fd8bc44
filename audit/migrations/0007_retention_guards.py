"""What holds for retention even against SQL: floors, holds, two people, and one single way to destroy a payload.

Row triggers, owned by the migration's role. Errors are raised as check_violation (23514), which Django shows as IntegrityError.
"""

from __future__ import annotations

from django.db import migrations

FORWARD = """
SET LOCAL lock_timeout = '5s';

CREATE FUNCTION audit_refuse(reason text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', reason USING ERRCODE = 'check_violation';
END
$$;

-- Whether a hold that is in force covers an event; asked by the service's lists and by the trigger below alike.
CREATE FUNCTION audit_is_held(
    company text, proposal text, actor_kind text, actor_id text, subject_kind text, subject_id text, recorded_at timestamptz
) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM audit_legalhold h WHERE h.state = 'placed'
            AND (h.since IS NULL OR $7 >= h.since) AND (h.until IS NULL OR $7 < h.until)
            AND CASE h.scope
                WHEN 'everything' THEN true
                WHEN 'company' THEN h.value = $1
                WHEN 'proposal' THEN h.value = $2
                WHEN 'agent' THEN ($3 = 'agent' AND $4 = h.value) OR ($5 = 'agent' AND $6 = h.value)
                WHEN 'person' THEN ($3 = 'human' AND $4 = h.value) OR ($5 = 'user' AND $6 = h.value)
                ELSE true
            END
    )
$$;

-- The one way to destroy a payload: it stands on a list that two people approved, its time is over, and no hold covers it.
CREATE OR REPLACE FUNCTION audit_guard_payload_key() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    event record;
    item record;
BEGIN
    IF OLD.wrapped IS NULL THEN
        PERFORM audit_refuse(format('the key of %s was shredded: that is final', OLD.event_id));
    END IF;
    IF NEW.event_id <> OLD.event_id THEN
        PERFORM audit_refuse('a payload key belongs to one event');
    END IF;
    IF NEW.shredded_at IS NULL AND NEW.disposal_id IS NULL AND NEW.tombstone_id IS NULL AND NEW.wrapped IS NOT NULL THEN
        RETURN NEW;  -- wrapped anew, by the owner: nobody else may write the column
    END IF;
    SELECT e.* INTO event FROM audit_event e WHERE e.event_id = OLD.event_id;
    IF event.recorded_at > clock_timestamp() - interval '183 days' THEN
        PERFORM audit_refuse(format('the payload of %s is younger than 183 days', OLD.event_id));
    END IF;
    SELECT i.* INTO item FROM audit_disposalitem i WHERE i.disposal_id = NEW.disposal_id AND i.event_id = OLD.event_id AND i.exempt = '';
    IF NOT FOUND OR item.kept_until > clock_timestamp() THEN
        PERFORM audit_refuse(format('the payload of %s is on no list, or its retention has not ended', OLD.event_id));
    END IF;
    IF NOT EXISTS (SELECT FROM audit_disposal d WHERE d.id = NEW.disposal_id AND d.state = 'approved')
       OR (SELECT count(DISTINCT a.person) FROM audit_disposalapproval a WHERE a.disposal_id = NEW.disposal_id) < 2 THEN
        PERFORM audit_refuse('two people have to approve the list');
    END IF;
    IF audit_is_held(event.company, event.proposal, event.actor_kind, event.actor_id, event.subject_kind, event.subject_id, event.recorded_at) THEN
        PERFORM audit_refuse(format('a hold keeps the payload of %s', OLD.event_id));
    END IF;
    NEW.wrapped := NULL;
    NEW.shredded_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE FUNCTION audit_guard_disposal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'listed' THEN
            PERFORM audit_refuse('a list begins as listed');
        END IF;
        RETURN NEW;
    END IF;
    IF (to_jsonb(NEW) - '{state,declined_by,shredded,held_back,completed_at,certificate}'::text[])
       IS DISTINCT FROM (to_jsonb(OLD) - '{state,declined_by,shredded,held_back,completed_at,certificate}'::text[]) THEN
        PERFORM audit_refuse('what was listed does not change; make another list');
    END IF;
    IF NEW.state <> OLD.state AND NOT (
        (OLD.state = 'listed' AND NEW.state IN ('approved', 'declined')) OR (OLD.state = 'approved' AND NEW.state = 'completed')
    ) THEN
        PERFORM audit_refuse(format('a list cannot go from %s to %s', OLD.state, NEW.state));
    END IF;
    IF NEW.state = 'approved' AND OLD.state = 'listed'
       AND (SELECT count(DISTINCT a.person) FROM audit_disposalapproval a WHERE a.disposal_id = NEW.id AND a.list_digest = NEW.list_digest) < 2 THEN
        PERFORM audit_refuse('two people have to approve the list');
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_disposal_guard BEFORE INSERT OR UPDATE ON audit_disposal FOR EACH ROW EXECUTE FUNCTION audit_guard_disposal();

-- What people approved is what is destroyed: nothing joins a list once somebody has approved it.
CREATE FUNCTION audit_guard_disposal_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added a JOIN audit_disposal d ON d.id = a.disposal_id WHERE d.state <> 'listed')
       OR EXISTS (SELECT FROM added a JOIN audit_disposalapproval p ON p.disposal_id = a.disposal_id) THEN
        PERFORM audit_refuse('a list that was approved does not grow');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_disposalitem_guard AFTER INSERT ON audit_disposalitem REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION audit_guard_disposal_item();

CREATE FUNCTION audit_guard_disposal_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM audit_disposal d WHERE d.id = NEW.disposal_id AND d.state = 'listed' AND d.list_digest = NEW.list_digest) THEN
        PERFORM audit_refuse('this list is not waiting for approval, or it is another one');
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_disposalapproval_guard BEFORE INSERT ON audit_disposalapproval
    FOR EACH ROW EXECUTE FUNCTION audit_guard_disposal_approval();

-- A hold is placed and released; what it covers is not rewritten.
CREATE FUNCTION audit_guard_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'placed' THEN
            PERFORM audit_refuse('a hold begins in force');
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.state <> 'placed' OR (to_jsonb(NEW) - '{state,released_by,released_at,release_reason}'::text[])
       IS DISTINCT FROM (to_jsonb(OLD) - '{state,released_by,released_at,release_reason}'::text[]) THEN
        PERFORM audit_refuse('a hold is released, never rewritten');
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_legalhold_guard BEFORE INSERT OR UPDATE ON audit_legalhold FOR EACH ROW EXECUTE FUNCTION audit_guard_hold();
"""

BACKWARD = """
DROP TRIGGER audit_legalhold_guard ON audit_legalhold;
DROP TRIGGER audit_disposalapproval_guard ON audit_disposalapproval;
DROP TRIGGER audit_disposalitem_guard ON audit_disposalitem;
DROP TRIGGER audit_disposal_guard ON audit_disposal;
DROP FUNCTION audit_guard_hold();
DROP FUNCTION audit_guard_disposal_approval();
DROP FUNCTION audit_guard_disposal_item();
DROP FUNCTION audit_guard_disposal();
CREATE OR REPLACE FUNCTION audit_guard_payload_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payload keys are not changed' USING ERRCODE = 'check_violation';
END
$$;
DROP FUNCTION audit_is_held(text, text, text, text, text, text, timestamptz);
DROP FUNCTION audit_refuse(text);
"""

INSERT_ONLY = ("audit_retentionrule", "audit_disposalitem", "audit_disposalapproval", "audit_archive")
KEPT = ("audit_legalhold", "audit_disposal")


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_retention")]

    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        *[
            migrations.RunSQL(
                f"CREATE TRIGGER {table}_kept BEFORE {events} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();",
                f"DROP TRIGGER {table}_kept ON {table};",
            )
            for tables, events in ((INSERT_ONLY, "UPDATE OR DELETE OR TRUNCATE"), (KEPT, "DELETE OR TRUNCATE"))
            for table in tables
        ],
    ]
