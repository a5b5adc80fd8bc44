"""Success stays final but for one way: the ERP lost the document, and a further landing is counted."""

from __future__ import annotations

from django.db import migrations

CHECK_COMMIT = """
CREATE OR REPLACE FUNCTION commits_check_commit() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""

CHECK_COMMIT_BEFORE = """
CREATE OR REPLACE FUNCTION commits_check_commit() RETURNS trigger LANGUAGE plpgsql AS $$
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
    IF OLD.state = 'succeeded' AND NEW.state <> 'succeeded' THEN
        RAISE EXCEPTION 'A commit that succeeded stays so; correct it by a compensating entry'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'commits_success_is_final';
    END IF;
    RETURN NEW;
END $$;
"""

INSERT_ONLY = """
CREATE TRIGGER commits_relanding_is_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON commits_relanding
    FOR EACH STATEMENT EXECUTE FUNCTION commits_refuse_change();
"""
NOT_INSERT_ONLY = "DROP TRIGGER commits_relanding_is_insert_only ON commits_relanding"


class Migration(migrations.Migration):
    dependencies = [("commits", "0004_relandings")]

    operations = [
        migrations.RunSQL(CHECK_COMMIT, CHECK_COMMIT_BEFORE),
        migrations.RunSQL(INSERT_ONLY, NOT_INSERT_ONLY),
    ]
