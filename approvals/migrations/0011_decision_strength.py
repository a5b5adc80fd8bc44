"""A decision from the step-up amount on has a strong second factor, and approving over a warning has a reason: in the database too."""

from __future__ import annotations

from django.db import migrations

# A trigger of its own beside approvals_decision_guard: what stands behind a decision, not who may make it.
FORWARD = """
CREATE FUNCTION approvals_decision_strength_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    threshold bigint;
    routed bigint;
    signer integer;
BEGIN
    SELECT row.step_up_from_minor, route.routed_minor INTO threshold, routed
      FROM approvals_route route JOIN approvals_policyrow row ON row.id = route.row_id
     WHERE route.proposal_id = NEW.proposal_id;
    IF threshold IS NOT NULL AND routed >= threshold AND NEW.second_factor_at IS NULL THEN
        PERFORM approvals_refuse('approvals_guard_step_up', 'the amount asks for a strong second factor newer than the page');
    END IF;
    IF NEW.kind = 'approve' AND (btrim(NEW.reason_code) = '' OR btrim(NEW.comment) = '') THEN
        PERFORM 1 FROM approvals_presentation WHERE id = NEW.presentation_id AND needs_reason;
        IF FOUND THEN
            PERFORM approvals_refuse('approvals_guard_reason', 'approving over a warning asks for a reason and a comment');
        END IF;
    END IF;
    IF NEW.signature_id IS NOT NULL THEN
        SELECT user_id INTO signer FROM approvals_signature WHERE id = NEW.signature_id;
        IF signer IS DISTINCT FROM NEW.user_id OR NEW.second_factor_at IS NULL THEN
            PERFORM approvals_refuse('approvals_guard_signature', 'the signature is another person''s');
        END IF;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER approvals_decision_strength_guard BEFORE INSERT ON approvals_decision
FOR EACH ROW EXECUTE FUNCTION approvals_decision_strength_guard();
"""
REVERSE = """
DROP TRIGGER approvals_decision_strength_guard ON approvals_decision;
DROP FUNCTION approvals_decision_strength_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0010_flag_guards")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.RunSQL(FORWARD, REVERSE),
    ]
