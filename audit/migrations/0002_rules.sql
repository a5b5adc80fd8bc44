-- Evidence is only added; payloads are destroyed by lists of two people; events lie in monthly partitions.

CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER audit_eventpayload_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_eventpayload
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE TRIGGER audit_seal_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seal
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE TRIGGER audit_frontier_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_frontier
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE TRIGGER audit_checkpoint_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoint
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE TRIGGER audit_export_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_export FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

-- The one way to destroy a payload: it stands on a list that two people approved, its time is over, and no hold covers it.
CREATE FUNCTION audit_guard_payload_key() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER audit_payloadkey_guard BEFORE UPDATE ON audit_payloadkey
    FOR EACH ROW EXECUTE FUNCTION audit_guard_payload_key();

CREATE TRIGGER audit_payloadkey_kept BEFORE DELETE OR TRUNCATE ON audit_payloadkey
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

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

CREATE TRIGGER audit_retentionrule_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_retentionrule FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE TRIGGER audit_disposalitem_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_disposalitem FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE TRIGGER audit_disposalapproval_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_disposalapproval FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE TRIGGER audit_archive_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_archive FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE TRIGGER audit_legalhold_kept BEFORE DELETE OR TRUNCATE ON audit_legalhold FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE TRIGGER audit_disposal_kept BEFORE DELETE OR TRUNCATE ON audit_disposal FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE TRIGGER audit_link_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_link
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

-- Whoever adds an event adds its link, so that no second successor of an event can be stored, in whichever partition.
CREATE FUNCTION audit_link_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_link (chain, position, event_id, leaf) SELECT chain, position, event_id, leaf FROM added;
    RETURN NULL;
END
$$;

-- The smallest UUIDv7 of an instant.
CREATE FUNCTION audit_first_id(instant timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM instant) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

-- Django made an ordinary table: it becomes the first partition, of everything up to the end of this month, and the table of events is
-- made like it. See docs/adr: an event's partition is its id.
ALTER TABLE audit_event RENAME TO audit_event_first;

ALTER INDEX audit_event_pkey RENAME TO audit_event_first_pkey;

ALTER INDEX audit_event_transaction RENAME TO audit_event_first_transaction;

ALTER INDEX audit_event_recorded_at RENAME TO audit_event_first_recorded_at;

ALTER INDEX audit_event_chain RENAME TO audit_event_first_chain;

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
