"""What holds for trusted issuers and federated credentials even against SQL: who may not do both halves, and what a claim must say.

Row triggers, owned by the migration's role. Errors are raised as check_violation (23514), which Django shows as IntegrityError.
"""

from __future__ import annotations

from django.db import migrations

FORWARD = """
SET LOCAL lock_timeout = '5s';

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
"""

REVERSE = """
DROP TRIGGER identity_foreign_use_guard ON identity_foreignuse;
DROP TRIGGER identity_federated_guard ON identity_federatedcredential;
DROP TRIGGER identity_issuer_guard ON identity_trustedissuer;
DROP FUNCTION identity_guard_federated();
DROP FUNCTION identity_are_claims_enough(text, text, text, jsonb);
DROP FUNCTION identity_guard_issuer();
"""


class Migration(migrations.Migration):
    dependencies = [("identity", "0008_federation")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
