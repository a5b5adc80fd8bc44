"""What holds for agents, keys, grants and assertions even against SQL: what is registered stays as it was registered.

Row triggers, owned by the migration's role. Errors are raised as check_violation (23514), which Django shows as IntegrityError.
"""

from __future__ import annotations

from django.db import migrations

FORWARD = """
SET LOCAL lock_timeout = '5s';

CREATE FUNCTION identity_refuse(message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', message USING ERRCODE = 'check_violation';
END $$;

-- An agent keeps its id, its name's owner and its companies; decommissioned is the end; nothing is ever deleted.
CREATE FUNCTION identity_guard_agent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM identity_refuse('an agent is decommissioned, never deleted');
    END IF;
    IF (NEW.id, NEW.name, NEW.companies, NEW.owner_id, NEW.sponsor_id, NEW.created_by_id, NEW.created_at)
       IS DISTINCT FROM
       (OLD.id, OLD.name, OLD.companies, OLD.owner_id, OLD.sponsor_id, OLD.created_by_id, OLD.created_at) THEN
        PERFORM identity_refuse('id, name, companies, owner, sponsor and registration of an agent do not change');
    END IF;
    IF OLD.state = 'decommissioned' THEN
        PERFORM identity_refuse('a decommissioned agent does not change');
    END IF;
    IF NEW.state <> OLD.state AND NOT (
        (OLD.state = 'draft' AND NEW.state IN ('active', 'decommissioned'))
        OR (OLD.state = 'active' AND NEW.state IN ('suspended', 'decommissioned'))
        OR (OLD.state = 'suspended' AND NEW.state IN ('active', 'decommissioned'))
    ) THEN
        PERFORM identity_refuse(format('an agent cannot go from %s to %s', OLD.state, NEW.state));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER identity_agent_guard BEFORE UPDATE OR DELETE ON identity_agent
    FOR EACH ROW EXECUTE FUNCTION identity_guard_agent();

-- The agent's row is locked, so that a key or grant and a decommissioning can't pass each other.
CREATE FUNCTION identity_guard_belonging() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    agent_state text;
    agent_companies text[];
BEGIN
    SELECT state, companies::text[] INTO agent_state, agent_companies FROM identity_agent WHERE id = NEW.agent_id FOR SHARE;
    IF agent_state = 'decommissioned' THEN
        PERFORM identity_refuse('a decommissioned agent gets no keys and no grants');
    END IF;
    IF TG_TABLE_NAME = 'identity_grant' THEN
        IF cardinality(NEW.companies) = 0 OR NOT (NEW.companies::text[] <@ agent_companies) THEN
            PERFORM identity_refuse('a grant covers one or more companies of its agent, and no others');
        END IF;
        IF NEW.tool_kind = 'write' AND NEW.state <> 'log_only' THEN
            PERFORM identity_refuse('a write grant begins log-only');
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER identity_credential_belonging BEFORE INSERT ON identity_credential
    FOR EACH ROW EXECUTE FUNCTION identity_guard_belonging();
CREATE TRIGGER identity_grant_belonging BEFORE INSERT ON identity_grant
    FOR EACH ROW EXECUTE FUNCTION identity_guard_belonging();

-- A key is revoked once; everything else about it but its last use is fixed.
CREATE FUNCTION identity_guard_credential() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM identity_refuse('a key is revoked, never deleted');
    END IF;
    IF (NEW.id, NEW.agent_id, NEW.jwk, NEW.thumbprint, NEW.algorithm, NEW.not_after, NEW.issued_by_id, NEW.created_at)
       IS DISTINCT FROM
       (OLD.id, OLD.agent_id, OLD.jwk, OLD.thumbprint, OLD.algorithm, OLD.not_after, OLD.issued_by_id, OLD.created_at)
       OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at) THEN
        PERFORM identity_refuse('a key does not change; register another one');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER identity_credential_guard BEFORE UPDATE OR DELETE ON identity_credential
    FOR EACH ROW EXECUTE FUNCTION identity_guard_credential();

-- Bounds of a grant are what somebody issued: other bounds are another grant. Only its state moves, and only forward.
CREATE FUNCTION identity_guard_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM identity_refuse('a grant is revoked, never deleted');
    END IF;
    IF (to_jsonb(NEW) - '{state,revoked_at,activated_by_id,activated_at}'::text[])
       IS DISTINCT FROM (to_jsonb(OLD) - '{state,revoked_at,activated_by_id,activated_at}'::text[]) THEN
        PERFORM identity_refuse('the bounds of a grant do not change; revoke it and issue another');
    END IF;
    IF OLD.activated_by_id IS NOT NULL
       AND (NEW.activated_by_id, NEW.activated_at) IS DISTINCT FROM (OLD.activated_by_id, OLD.activated_at) THEN
        PERFORM identity_refuse('who activated a grant does not change');
    END IF;
    IF OLD.state = 'revoked' OR (NEW.state <> OLD.state AND NOT (
        (OLD.state = 'log_only' AND NEW.state IN ('active', 'revoked')) OR (OLD.state = 'active' AND NEW.state = 'revoked')
    )) THEN
        PERFORM identity_refuse(format('a grant cannot go from %s to %s', OLD.state, NEW.state));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER identity_grant_guard BEFORE UPDATE OR DELETE ON identity_grant
    FOR EACH ROW EXECUTE FUNCTION identity_guard_grant();

-- A used assertion stays used until it has ended by itself.
CREATE FUNCTION identity_guard_assertion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.expires_at < clock_timestamp() THEN
        RETURN OLD;
    END IF;
    PERFORM identity_refuse('a used assertion stays used until it has expired');
    RETURN NULL;
END $$;
CREATE TRIGGER identity_assertion_guard BEFORE UPDATE OR DELETE ON identity_assertionuse
    FOR EACH ROW EXECUTE FUNCTION identity_guard_assertion();
"""

REVERSE = """
DROP TRIGGER identity_assertion_guard ON identity_assertionuse;
DROP TRIGGER identity_grant_guard ON identity_grant;
DROP TRIGGER identity_credential_guard ON identity_credential;
DROP TRIGGER identity_grant_belonging ON identity_grant;
DROP TRIGGER identity_credential_belonging ON identity_credential;
DROP TRIGGER identity_agent_guard ON identity_agent;
DROP FUNCTION identity_guard_assertion();
DROP FUNCTION identity_guard_grant();
DROP FUNCTION identity_guard_credential();
DROP FUNCTION identity_guard_belonging();
DROP FUNCTION identity_guard_agent();
DROP FUNCTION identity_refuse(text);
"""


class Migration(migrations.Migration):
    dependencies = [("identity", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
