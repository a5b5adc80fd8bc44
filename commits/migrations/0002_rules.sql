-- A commit keeps its key, its request and its success.

CREATE FUNCTION commits_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refuses %', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER commits_receipt_is_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON commits_receipt
    FOR EACH STATEMENT EXECUTE FUNCTION commits_refuse_change();

CREATE TRIGGER commits_attempt_stays BEFORE DELETE OR TRUNCATE ON commits_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION commits_refuse_change();

CREATE TRIGGER commits_commit_stays BEFORE DELETE OR TRUNCATE ON commits_commit
    FOR EACH STATEMENT EXECUTE FUNCTION commits_refuse_change();

CREATE FUNCTION commits_check_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.proposal_id, NEW.company, NEW.tool, NEW.connection, NEW.opened_at)
        IS DISTINCT FROM (OLD.id, OLD.proposal_id, OLD.company, OLD.tool, OLD.connection, OLD.opened_at)
    THEN
        RAISE EXCEPTION 'A commit keeps its key and what it is for'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'commits_identity_is_fixed';
    END IF;
    IF (OLD.request_bytes IS NOT NULL AND NEW.request_bytes IS DISTINCT FROM OLD.request_bytes)
        OR (OLD.first_sent_at IS NOT NULL AND NEW.first_sent_at IS DISTINCT FROM OLD.first_sent_at)
    THEN
        RAISE EXCEPTION 'The request of a commit is fixed at its first claim'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'commits_request_is_fixed';
    END IF;
    IF NEW.attempt_number < OLD.attempt_number THEN
        RAISE EXCEPTION 'Attempts are never uncounted'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'commits_attempts_only_grow';
    END IF;
    IF OLD.state = 'succeeded' AND NEW.state <> 'succeeded'
        AND NOT (NEW.state = 'queued' AND NEW.landing_number = OLD.landing_number + 1)
    THEN
        RAISE EXCEPTION 'A commit that succeeded stays so; correct it by a compensating entry'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'commits_success_is_final';
    END IF;
    IF NEW.landing_number <> OLD.landing_number
        AND NOT (OLD.state = 'succeeded' AND NEW.state = 'queued' AND NEW.landing_number = OLD.landing_number + 1)
    THEN
        RAISE EXCEPTION 'A further landing begins where the ERP lost the one before'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'commits_landings_follow_each_other';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER commits_commit_is_guarded BEFORE UPDATE ON commits_commit
    FOR EACH ROW EXECUTE FUNCTION commits_check_commit();

CREATE FUNCTION commits_check_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.commit_id, NEW.number, NEW.worker, NEW.started_at) IS DISTINCT FROM (OLD.commit_id, OLD.number, OLD.worker, OLD.started_at)
        OR OLD.outcome <> 'running'
    THEN
        RAISE EXCEPTION 'An attempt is written once and ended once'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'commits_attempt_is_fixed';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER commits_attempt_is_guarded BEFORE UPDATE ON commits_attempt
    FOR EACH ROW EXECUTE FUNCTION commits_check_attempt();

CREATE TRIGGER commits_relanding_is_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON commits_relanding
    FOR EACH STATEMENT EXECUTE FUNCTION commits_refuse_change();
