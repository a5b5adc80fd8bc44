"""Flags are only ever added; a version of thresholds changes once, when a second person activates it."""

from __future__ import annotations

from django.db import migrations

FORWARD = """
CREATE TRIGGER approvals_flag_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_flag
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

CREATE FUNCTION approvals_thresholds_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
       OR (NEW.id, NEW.company, NEW.version, NEW.values, NEW.digest, NEW.reason, NEW.author_id, NEW.created_at)
          IS DISTINCT FROM (OLD.id, OLD.company, OLD.version, OLD.values, OLD.digest, OLD.reason, OLD.author_id, OLD.created_at)
       OR OLD.activated_at IS NOT NULL
    THEN
        RAISE EXCEPTION 'a version of thresholds stays as it is' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER approvals_thresholds_guard BEFORE UPDATE OR DELETE ON approvals_thresholdset
FOR EACH ROW EXECUTE FUNCTION approvals_thresholds_guard();
"""
REVERSE = """
DROP TRIGGER approvals_thresholds_guard ON approvals_thresholdset;
DROP FUNCTION approvals_thresholds_guard();
DROP TRIGGER approvals_flag_insert_only ON approvals_flag;
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0009_flags")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
