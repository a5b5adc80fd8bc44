"""Who may not decide on a proposal may not agree either that its break is closed, whoever writes the SQL."""

from __future__ import annotations

from django.db import migrations

FORWARD = """
CREATE FUNCTION reconciliation_refuse_excluded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM approvals_exclusion AS excluded
        WHERE excluded.route_id = NEW.proposal_id AND excluded.user_id = NEW.seconded_by_id
    ) THEN
        RAISE EXCEPTION 'break %: user % is excluded from its proposal', NEW.id, NEW.seconded_by_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reconciliation_break_second_not_excluded BEFORE INSERT OR UPDATE OF seconded_by_id ON reconciliation_break
    FOR EACH ROW WHEN (NEW.seconded_by_id IS NOT NULL AND NEW.proposal_id IS NOT NULL)
    EXECUTE FUNCTION reconciliation_refuse_excluded();
"""


class Migration(migrations.Migration):
    dependencies = [("reconciliation", "0003_work_queue"), ("approvals", "0002_guards")]

    operations = [migrations.RunSQL(FORWARD, "DROP FUNCTION reconciliation_refuse_excluded() CASCADE")]
