"""An agent has at most two live keys, even against SQL: the one in use and the one it rotates to."""

from __future__ import annotations

from django.db import migrations

FORWARD = """
SET LOCAL lock_timeout = '5s';

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
"""

REVERSE = """
DROP TRIGGER identity_credential_two_live ON identity_credential;
DROP FUNCTION identity_guard_live_keys();
"""


class Migration(migrations.Migration):
    dependencies = [("identity", "0003_lifecycle")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
