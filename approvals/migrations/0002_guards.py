"""Segregation of duties and quorum hold in the database too: a guard on every decision, and rows that are only ever added."""

from __future__ import annotations

from django.db import migrations

# The service checks all of this and says it better; this is for whoever writes past it. Expiry is held against the decision's
# own instant, because `now` enters once and is passed down.
DECISION_GUARD = """
CREATE FUNCTION approvals_refuse(guard text, message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', message USING ERRCODE = 'check_violation', CONSTRAINT = guard, TABLE = 'approvals_decision';
END
$$;

CREATE FUNCTION approvals_decision_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    proposal record;
    step record;
    route record;
    member record;
BEGIN
    SELECT p.state, p.expires_at, p.payload_digest, p.company, p.currency, p.on_behalf_of_id,
           a.owner_id, a.sponsor_id, a.last_edited_by_id, a.created_by_id
      INTO proposal
      FROM proposals_proposal p JOIN identity_agent a ON a.id = p.agent_id
     WHERE p.id = NEW.proposal_id
       FOR SHARE OF p;
    IF NOT FOUND OR proposal.state <> 'pending' THEN
        PERFORM approvals_refuse('approvals_guard_pending', 'the proposal is not pending');
    END IF;
    IF proposal.expires_at <= NEW.decided_at THEN
        PERFORM approvals_refuse('approvals_guard_expired', 'the proposal has expired');
    END IF;
    IF proposal.payload_digest <> NEW.payload_digest THEN
        PERFORM approvals_refuse('approvals_guard_digest', 'the payload digest is not the one of the proposal');
    END IF;
    PERFORM 1 FROM approvals_presentation WHERE id = NEW.presentation_id AND proposal_id = NEW.proposal_id;
    IF NOT FOUND THEN
        PERFORM approvals_refuse('approvals_guard_page', 'the page is one of another proposal');
    END IF;

    SELECT s.route_id, s.state, s.group_id INTO step FROM approvals_routestep s WHERE s.id = NEW.step_id;
    IF NOT FOUND OR step.route_id <> NEW.proposal_id OR step.state <> 'open' THEN
        PERFORM approvals_refuse('approvals_guard_step', 'the step is not the open step of this proposal');
    END IF;

    SELECT r.routed_minor, policy.author_id INTO route
      FROM approvals_route r JOIN approvals_policy policy ON policy.id = r.policy_id
     WHERE r.proposal_id = NEW.proposal_id;
    PERFORM 1 FROM approvals_exclusion WHERE route_id = NEW.proposal_id AND user_id = NEW.user_id;
    IF FOUND
       OR NEW.user_id IN (proposal.owner_id, proposal.sponsor_id, proposal.last_edited_by_id, proposal.created_by_id)
       OR NEW.user_id IS NOT DISTINCT FROM proposal.on_behalf_of_id
       OR NEW.user_id = route.author_id
    THEN
        PERFORM approvals_refuse('approvals_guard_excluded', 'segregation of duties excludes this person');
    END IF;

    SELECT m.limit_minor, m.limit_currency INTO member
      FROM identity_approvalgroupmember m JOIN auth_user u ON u.id = m.user_id
     WHERE m.group_id = step.group_id AND m.user_id = NEW.user_id AND u.is_active AND proposal.company = ANY (m.companies);
    IF NOT FOUND THEN
        PERFORM approvals_refuse('approvals_guard_member', 'the person is not an active member of the group of this step');
    END IF;
    IF member.limit_minor IS NOT NULL
       AND (member.limit_currency <> proposal.currency OR member.limit_minor < route.routed_minor)
    THEN
        PERFORM approvals_refuse('approvals_guard_limit', 'the amount is above the limit of the person');
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER approvals_decision_guard BEFORE INSERT ON approvals_decision
FOR EACH ROW EXECUTE FUNCTION approvals_decision_guard();
"""
DROP_DECISION_GUARD = """
DROP TRIGGER approvals_decision_guard ON approvals_decision;
DROP FUNCTION approvals_decision_guard();
DROP FUNCTION approvals_refuse(text, text);
"""

INSERT_ONLY_TABLES = (
    "approvals_decision",
    "approvals_presentation",
    "approvals_opening",
    "approvals_exclusion",
    "approvals_route",
)
INSERT_ONLY = """
CREATE FUNCTION approvals_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
"""
INSERT_ONLY_TRIGGER = """
CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
"""

# A step moves forward only, and is satisfied only by enough approvals of different people.
STEP_GUARD = """
CREATE FUNCTION approvals_step_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'steps of a route stay' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.id, NEW.route_id, NEW.position, NEW.group_id, NEW.min_approvals)
       IS DISTINCT FROM (OLD.id, OLD.route_id, OLD.position, OLD.group_id, OLD.min_approvals)
       OR OLD.state IN ('satisfied', 'ended')
    THEN
        RAISE EXCEPTION 'a step of a route only moves forward' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state = 'satisfied' AND (
        SELECT count(DISTINCT user_id) FROM approvals_decision WHERE step_id = NEW.id AND kind = 'approve'
    ) < NEW.min_approvals THEN
        RAISE EXCEPTION 'the step lacks approvals'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_step_quorum', TABLE = 'approvals_routestep';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER approvals_step_guard BEFORE UPDATE OR DELETE ON approvals_routestep
FOR EACH ROW EXECUTE FUNCTION approvals_step_guard();
"""
DROP_STEP_GUARD = """
DROP TRIGGER approvals_step_guard ON approvals_routestep;
DROP FUNCTION approvals_step_guard();
"""

# The text of a policy is fixed from review on; FOR SHARE makes a row wait for a submission that is running.
POLICY_GUARD = """
CREATE FUNCTION approvals_policy_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.state = 'draft' THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'a policy that left draft stays' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.id, NEW.version, NEW.author_id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.version, OLD.author_id, OLD.created_at) THEN
        RAISE EXCEPTION 'version and author of a policy stay' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('draft', 'review'), ('review', 'draft'), ('review', 'active'), ('active', 'retired')
    ) THEN
        RAISE EXCEPTION 'a policy cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state <> 'draft' AND NEW.state <> 'draft'
       AND (NEW.title, NEW.text_bytes, NEW.digest) IS DISTINCT FROM (OLD.title, OLD.text_bytes, OLD.digest)
    THEN
        RAISE EXCEPTION 'the text of a policy is fixed once it left draft' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state IN ('active', 'retired')
       AND (NEW.activated_by_id, NEW.activated_at) IS DISTINCT FROM (OLD.activated_by_id, OLD.activated_at)
    THEN
        RAISE EXCEPTION 'who activated a policy stays' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION approvals_policyrow_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM 1 FROM approvals_policy WHERE id = OLD.policy_id AND state = 'draft' FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'rows of a policy are fixed once it left draft' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM 1 FROM approvals_policy WHERE id = NEW.policy_id AND state = 'draft' FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'rows of a policy are fixed once it left draft' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END IF;
    RETURN OLD;
END
$$;

CREATE TRIGGER approvals_policy_guard BEFORE UPDATE OR DELETE ON approvals_policy
FOR EACH ROW EXECUTE FUNCTION approvals_policy_guard();
CREATE TRIGGER approvals_policyrow_guard BEFORE INSERT OR UPDATE OR DELETE ON approvals_policyrow
FOR EACH ROW EXECUTE FUNCTION approvals_policyrow_guard();
"""
DROP_POLICY_GUARD = """
DROP TRIGGER approvals_policyrow_guard ON approvals_policyrow;
DROP TRIGGER approvals_policy_guard ON approvals_policy;
DROP FUNCTION approvals_policyrow_guard();
DROP FUNCTION approvals_policy_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0001_initial")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.RunSQL(DECISION_GUARD, DROP_DECISION_GUARD),
        migrations.RunSQL(INSERT_ONLY, "DROP FUNCTION approvals_refuse_change()"),
        *[
            migrations.RunSQL(INSERT_ONLY_TRIGGER.format(table=table), f"DROP TRIGGER {table}_insert_only ON {table}")
            for table in INSERT_ONLY_TABLES
        ],
        migrations.RunSQL(STEP_GUARD, DROP_STEP_GUARD),
        migrations.RunSQL(POLICY_GUARD, DROP_POLICY_GUARD),
    ]
