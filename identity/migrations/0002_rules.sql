-- Agents, keys, grants and issuers move forward only, whoever writes.

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

CREATE FUNCTION identity_guard_live_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Two insertions at once would count one key each; the agent's row makes them take turns.
    PERFORM 1 FROM identity_agent WHERE id = NEW.agent_id FOR NO KEY UPDATE;
    IF NEW.revoked_at IS NULL AND (
        SELECT count(*) FROM identity_credential
        WHERE agent_id = NEW.agent_id AND revoked_at IS NULL AND not_after > NEW.created_at
    ) >= 2 THEN
        PERFORM identity_refuse('an agent has at most two live keys');
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER identity_credential_two_live BEFORE INSERT ON identity_credential
    FOR EACH ROW EXECUTE FUNCTION identity_guard_live_keys();

-- An agent whose tokens are for one thing has at most one registered default. A subquery-free form of "is an array of so many".
ALTER TABLE identity_agent ADD CONSTRAINT identity_agent_default_details_fit CHECK (
    jsonb_typeof(default_details) = 'array'
    AND jsonb_array_length(default_details) <= CASE token_shape WHEN 'set' THEN 20 ELSE 1 END
);

-- A spent proof and a revoked token stay so until they have ended by themselves.
CREATE FUNCTION identity_guard_spent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.expires_at < clock_timestamp() THEN
        RETURN OLD;
    END IF;
    PERFORM identity_refuse('what is spent or revoked stays so until it has expired');
    RETURN NULL;
END $$;

CREATE TRIGGER identity_proof_guard BEFORE UPDATE OR DELETE ON identity_proofuse
    FOR EACH ROW EXECUTE FUNCTION identity_guard_spent();

CREATE TRIGGER identity_revoked_token_guard BEFORE UPDATE OR DELETE ON identity_revokedtoken
    FOR EACH ROW EXECUTE FUNCTION identity_guard_spent();

-- A counter is written at every request: no write-ahead log, and room on the page for the new version of its row.
ALTER TABLE identity_ratecounter SET UNLOGGED;
ALTER TABLE identity_ratecounter SET (fillfactor = 50);

-- An issuer is what somebody entered and somebody else looked at: other words are another issuer. Only its state moves.
CREATE FUNCTION identity_guard_issuer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM identity_refuse('a trusted issuer is suspended, never deleted');
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF cardinality(NEW.companies) = 0 OR NEW.state <> 'proposed' THEN
            PERFORM identity_refuse('an issuer begins as proposed, for one company or more');
        END IF;
        RETURN NEW;
    END IF;
    IF (to_jsonb(NEW) - '{state,activated_by_id,activated_at,suspended_by_id,suspended_at}'::text[])
       IS DISTINCT FROM (to_jsonb(OLD) - '{state,activated_by_id,activated_at,suspended_by_id,suspended_at}'::text[]) THEN
        PERFORM identity_refuse('what is trusted does not change; enter another issuer');
    END IF;
    IF NEW.state <> OLD.state AND NOT (
        (OLD.state = 'proposed' AND NEW.state IN ('active', 'suspended'))
        OR (OLD.state = 'active' AND NEW.state = 'suspended')
        OR (OLD.state = 'suspended' AND NEW.state = 'active')
    ) THEN
        PERFORM identity_refuse(format('an issuer cannot go from %s to %s', OLD.state, NEW.state));
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER identity_issuer_guard BEFORE INSERT OR UPDATE OR DELETE ON identity_trustedissuer
    FOR EACH ROW EXECUTE FUNCTION identity_guard_issuer();

-- The claims without which a subject of this kind of issuer is nobody in particular (identity/federation/kinds.py says why).
CREATE FUNCTION identity_are_claims_enough(kind text, subject text, issuer text, claims jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_typeof(claims) = 'object' AND NOT claims ?| ARRAY['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti'] AND CASE kind
        WHEN 'entra' THEN claims ? 'tid' AND claims ? 'oid' AND claims ?| ARRAY['azp', 'appid']
            AND claims ?| ARRAY['xms_par_app_azp', 'xms_act_fct', 'xms_sub_fct'] AND coalesce(claims -> 'idtyp' = '"app"', false)
        WHEN 'aws_sts' THEN subject LIKE 'arn:aws%:iam::%' AND claims #> '{https://sts.amazonaws.com/,aws_account}' IS NOT NULL
            AND claims #> '{https://sts.amazonaws.com/,request_tags}' IS NULL
        WHEN 'gcp_agent' THEN subject LIKE 'spiffe://agents.global.%'
        WHEN 'gcp_service_account' THEN claims ? 'email' AND coalesce(claims -> 'email_verified' = 'true', false) AND NOT claims ? 'azp'
        WHEN 'kubernetes' THEN subject LIKE 'system:serviceaccount:%'
            AND claims #> '{kubernetes.io,serviceaccount,uid}' IS NOT NULL AND claims #> '{kubernetes.io,warnafter}' IS NULL
        WHEN 'spiffe' THEN starts_with(subject, 'spiffe://' || issuer || '/')
        WHEN 'generic' THEN true
        ELSE false
    END
$$;

-- The agent's row first, as everywhere: two insertions at once take turns, and none passes a decommissioning.
CREATE FUNCTION identity_guard_federated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    agent identity_agent%ROWTYPE;
    trusted identity_trustedissuer%ROWTYPE;
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM identity_refuse('a federated credential is revoked, never deleted');
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF (to_jsonb(NEW) - '{revoked_at,last_used_at}'::text[]) IS DISTINCT FROM (to_jsonb(OLD) - '{revoked_at,last_used_at}'::text[])
           OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at) THEN
            PERFORM identity_refuse('a federated credential does not change; register another one');
        END IF;
        RETURN NEW;
    END IF;
    SELECT * INTO agent FROM identity_agent WHERE id = NEW.agent_id FOR NO KEY UPDATE;
    SELECT * INTO trusted FROM identity_trustedissuer WHERE id = NEW.issuer_id FOR SHARE;
    IF agent.state = 'decommissioned' THEN
        PERFORM identity_refuse('a decommissioned agent gets no credentials');
    END IF;
    IF trusted.state <> 'active' OR NOT (agent.companies::text[] <@ trusted.companies::text[]) THEN
        PERFORM identity_refuse('a federated credential rests on an active issuer, trusted for all companies of its agent');
    END IF;
    IF NOT identity_are_claims_enough(trusted.kind, NEW.subject, trusted.issuer, NEW.claims) THEN
        PERFORM identity_refuse('subject and claims do not name one workload of this kind of issuer');
    END IF;
    IF NEW.revoked_at IS NULL AND (
        SELECT count(*) FROM identity_federatedcredential
        WHERE agent_id = NEW.agent_id AND revoked_at IS NULL AND not_after > NEW.created_at
    ) >= 4 THEN
        PERFORM identity_refuse('an agent has at most four live federated credentials');
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER identity_federated_guard BEFORE INSERT OR UPDATE OR DELETE ON identity_federatedcredential
    FOR EACH ROW EXECUTE FUNCTION identity_guard_federated();

CREATE TRIGGER identity_foreign_use_guard BEFORE UPDATE OR DELETE ON identity_foreignuse
    FOR EACH ROW EXECUTE FUNCTION identity_guard_spent();
