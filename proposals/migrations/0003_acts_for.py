"""A proposal names as the one who asked only a person that its agent is registered to act for, even against SQL.

Compensating entries are proposed by the product itself on behalf of whoever asked for them.
"""

from __future__ import annotations

from django.db import migrations

FORWARD = """
SET LOCAL lock_timeout = '5s';

CREATE FUNCTION proposals_require_acts_for() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM identity_agent WHERE id = NEW.agent_id AND NEW.on_behalf_of_id = ANY(acts_for)) THEN
        RAISE EXCEPTION 'agent % does not act for person %', NEW.agent_id, NEW.on_behalf_of_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER proposals_proposal_acts_for BEFORE INSERT ON proposals_proposal
    FOR EACH ROW WHEN (NEW.on_behalf_of_id IS NOT NULL AND NEW.compensates = '') EXECUTE FUNCTION proposals_require_acts_for();
"""

REVERSE = """
DROP TRIGGER proposals_proposal_acts_for ON proposals_proposal;
DROP FUNCTION proposals_require_acts_for();
"""


class Migration(migrations.Migration):
    dependencies = [("proposals", "0002_triggers"), ("identity", "0003_lifecycle")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
