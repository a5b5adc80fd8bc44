"""What holds for token terms, spent proofs and revoked tokens even against SQL.

Errors are raised as check_violation (23514), which Django shows as IntegrityError.
"""

from __future__ import annotations

from django.db import migrations

FORWARD = """
SET LOCAL lock_timeout = '5s';

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
"""

REVERSE = """
DROP TRIGGER identity_revoked_token_guard ON identity_revokedtoken;
DROP TRIGGER identity_proof_guard ON identity_proofuse;
DROP FUNCTION identity_guard_spent();
ALTER TABLE identity_agent DROP CONSTRAINT identity_agent_default_details_fit;
"""


class Migration(migrations.Migration):
    dependencies = [("identity", "0005_token_terms")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
