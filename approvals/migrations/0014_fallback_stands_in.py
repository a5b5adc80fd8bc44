"""A step that wants so many of each group can be satisfied with its fallback group, once that is asked as well.

Whoever approves out of it from then on counts in every subset of the groups of Hall's condition. So it stays what the route says it is, and an escalation
is not taken back.
"""

from __future__ import annotations

from django.db import migrations

FORWARD = """
CREATE OR REPLACE FUNCTION approvals_step_rule_holds(step approvals_routestep) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    groups bigint[];
    chosen bigint[];
    mask integer;
    place integer;
    approvers integer;
BEGIN
    IF (SELECT count(DISTINCT user_id) FROM approvals_decision WHERE step_id = step.id AND kind = 'approve') < step.min_approvals THEN
        RETURN false;
    END IF;
    IF step.rule <> 'per_group' THEN
        RETURN true;
    END IF;
    SELECT array_agg(found.group_id ORDER BY found.group_id) INTO groups FROM (
        SELECT step.group_id UNION SELECT g.group_id FROM approvals_stepgroup g WHERE g.step_id = step.id
    ) AS found (group_id);
    FOR mask IN 1 .. (1 << cardinality(groups)) - 1 LOOP
        chosen := ARRAY[]::bigint[];
        FOR place IN 1 .. cardinality(groups) LOOP
            IF mask & (1 << (place - 1)) <> 0 THEN
                chosen := chosen || groups[place];
            END IF;
        END LOOP;
        CONTINUE WHEN NOT step.is_distinct AND cardinality(chosen) > 1;
        SELECT count(DISTINCT d.user_id) INTO approvers
          FROM approvals_decision d
          JOIN proposals_proposal p ON p.id = d.proposal_id
          JOIN identity_approvalgroupmember m
            ON m.user_id = COALESCE((to_jsonb(d) ->> 'acting_for_id')::bigint, d.user_id) AND p.company = ANY (m.companies)
         WHERE d.step_id = step.id AND d.kind = 'approve'
           AND (m.group_id = ANY (chosen) OR m.group_id = step.fallback_group_id AND d.decided_at >= step.escalated_at);
        IF approvers < step.per_group * cardinality(chosen) THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION approvals_step_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'steps of a route stay' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.id, NEW.route_id, NEW.position, NEW.group_id, NEW.min_approvals, NEW.rule, NEW.per_group, NEW.is_distinct,
        NEW.fallback_group_id)
       IS DISTINCT FROM
       (OLD.id, OLD.route_id, OLD.position, OLD.group_id, OLD.min_approvals, OLD.rule, OLD.per_group, OLD.is_distinct,
        OLD.fallback_group_id)
       OR OLD.state IN ('satisfied', 'ended')
       OR OLD.escalated_at IS NOT NULL AND NEW.escalated_at IS DISTINCT FROM OLD.escalated_at
    THEN
        RAISE EXCEPTION 'a step of a route only moves forward' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state = 'satisfied' AND NOT approvals_step_rule_holds(NEW) THEN
        RAISE EXCEPTION 'the step lacks approvals'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_step_quorum', TABLE = 'approvals_routestep';
    END IF;
    RETURN NEW;
END
$$;
"""
REVERSE = """
CREATE OR REPLACE FUNCTION approvals_step_rule_holds(step approvals_routestep) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    groups bigint[];
    chosen bigint[];
    mask integer;
    place integer;
    approvers integer;
BEGIN
    IF (SELECT count(DISTINCT user_id) FROM approvals_decision WHERE step_id = step.id AND kind = 'approve') < step.min_approvals THEN
        RETURN false;
    END IF;
    IF step.rule <> 'per_group' THEN
        RETURN true;
    END IF;
    SELECT array_agg(found.group_id ORDER BY found.group_id) INTO groups FROM (
        SELECT step.group_id UNION SELECT g.group_id FROM approvals_stepgroup g WHERE g.step_id = step.id
    ) AS found (group_id);
    FOR mask IN 1 .. (1 << cardinality(groups)) - 1 LOOP
        chosen := ARRAY[]::bigint[];
        FOR place IN 1 .. cardinality(groups) LOOP
            IF mask & (1 << (place - 1)) <> 0 THEN
                chosen := chosen || groups[place];
            END IF;
        END LOOP;
        CONTINUE WHEN NOT step.is_distinct AND cardinality(chosen) > 1;
        SELECT count(DISTINCT d.user_id) INTO approvers
          FROM approvals_decision d
          JOIN proposals_proposal p ON p.id = d.proposal_id
          JOIN identity_approvalgroupmember m
            ON m.user_id = COALESCE((to_jsonb(d) ->> 'acting_for_id')::bigint, d.user_id) AND p.company = ANY (m.companies)
         WHERE d.step_id = step.id AND d.kind = 'approve' AND m.group_id = ANY (chosen);
        IF approvers < step.per_group * cardinality(chosen) THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION approvals_step_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'steps of a route stay' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.id, NEW.route_id, NEW.position, NEW.group_id, NEW.min_approvals, NEW.rule, NEW.per_group, NEW.is_distinct)
       IS DISTINCT FROM
       (OLD.id, OLD.route_id, OLD.position, OLD.group_id, OLD.min_approvals, OLD.rule, OLD.per_group, OLD.is_distinct)
       OR OLD.state IN ('satisfied', 'ended')
    THEN
        RAISE EXCEPTION 'a step of a route only moves forward' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state = 'satisfied' AND NOT approvals_step_rule_holds(NEW) THEN
        RAISE EXCEPTION 'the step lacks approvals'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_step_quorum', TABLE = 'approvals_routestep';
    END IF;
    RETURN NEW;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0013_rate_import_guards")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
