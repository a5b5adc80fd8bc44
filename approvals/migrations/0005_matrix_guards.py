"""What the grown matrix promises holds in the database too: rules of steps, second persons, segregation of duties everywhere."""

from __future__ import annotations

from django.db import migrations

# Why somebody may not decide on a proposal, from the rows as they stand: NULL when nothing speaks against it. There is no
# exemption for anybody. What was found at routing (approvals_exclusion) counts for ever; what came to be since counts as well.
EXCLUSION_REASON = """
CREATE FUNCTION approvals_exclusion_reason(proposal_key uuid, person bigint, at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    WITH RECURSIVE subject AS (
        SELECT p.id, p.agent_id, p.tool, p.credential_thumbprint, p.supersedes_id, p.on_behalf_of_id
          FROM proposals_proposal p WHERE p.id = proposal_key
    ), revision AS (
        SELECT s.supersedes_id, s.on_behalf_of_id FROM subject s
        UNION ALL
        SELECT p.supersedes_id, p.on_behalf_of_id FROM proposals_proposal p JOIN revision r ON p.id = r.supersedes_id
    ), found (rank, reason) AS (
        SELECT 1, e.reason::text FROM approvals_exclusion e WHERE e.route_id = proposal_key AND e.user_id = person
        UNION ALL SELECT 2, 'owner' FROM subject s JOIN identity_agent a ON a.id = s.agent_id WHERE a.owner_id = person
        UNION ALL SELECT 3, 'sponsor' FROM subject s JOIN identity_agent a ON a.id = s.agent_id WHERE a.sponsor_id = person
        UNION ALL SELECT 4, 'asked' FROM revision r WHERE r.on_behalf_of_id = person
        UNION ALL SELECT 5, 'issued_credential' FROM subject s
            JOIN identity_credential c ON c.agent_id = s.agent_id AND c.thumbprint = s.credential_thumbprint
            WHERE c.issued_by_id = person
        UNION ALL SELECT 6, 'issued_grant' FROM subject s
            JOIN identity_grant g ON g.agent_id = s.agent_id AND g.tool = s.tool AND g.revoked_at IS NULL AND g.valid_until > at
            WHERE person IN (g.issued_by_id, g.activated_by_id)
        UNION ALL SELECT 7, 'last_editor' FROM subject s JOIN identity_agent a ON a.id = s.agent_id
            WHERE person IN (a.last_edited_by_id, a.created_by_id)
        UNION ALL SELECT 8, 'policy_author' FROM approvals_route r
            JOIN approvals_policy p ON p.id = r.policy_id JOIN approvals_policyrow w ON w.id = r.row_id
            WHERE r.proposal_id = proposal_key AND person IN (p.author_id, w.author_id)
    )
    SELECT reason FROM found ORDER BY rank LIMIT 1
$$;
"""

# Once more after the row stands, for whoever gets past the guard before it; a delegate answers for both people.
DECISION_SEGREGATION = """
CREATE FUNCTION approvals_decision_segregation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    person bigint;
    why text;
BEGIN
    FOREACH person IN ARRAY ARRAY[NEW.user_id::bigint, (to_jsonb(NEW) ->> 'acting_for_id')::bigint] LOOP
        why := approvals_exclusion_reason(NEW.proposal_id, person, NEW.decided_at);
        IF person IS NOT NULL AND why IS NOT NULL THEN
            PERFORM approvals_refuse('approvals_guard_excluded', format('segregation of duties excludes this person: %s', why));
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER approvals_decision_segregation AFTER INSERT ON approvals_decision
DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW EXECUTE FUNCTION approvals_decision_segregation();
"""

# A routed proposal is approved only when every step is satisfied, nobody refused, and nobody who approved is excluded now.
APPROVAL_SEGREGATION = """
CREATE FUNCTION approvals_approval_segregation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    routed record;
    decided record;
    person bigint;
    why text;
BEGIN
    SELECT r.is_automatic, w.is_automatic AS is_row_automatic INTO routed
      FROM approvals_route r JOIN approvals_policyrow w ON w.id = r.row_id WHERE r.proposal_id = NEW.id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF routed.is_automatic AND routed.is_row_automatic THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM approvals_routestep WHERE route_id = NEW.id AND state <> 'satisfied';
    IF FOUND OR NOT EXISTS (SELECT 1 FROM approvals_routestep WHERE route_id = NEW.id) THEN
        PERFORM approvals_refuse('approvals_approval_incomplete', 'a step of the route is not satisfied');
    END IF;
    FOR decided IN SELECT d.kind, d.user_id, d.decided_at, (to_jsonb(d) ->> 'acting_for_id')::bigint AS acting_for_id
                     FROM approvals_decision d WHERE d.proposal_id = NEW.id LOOP
        IF decided.kind <> 'approve' THEN
            PERFORM approvals_refuse('approvals_approval_incomplete', 'one of the people refused');
        END IF;
        FOREACH person IN ARRAY ARRAY[decided.user_id::bigint, decided.acting_for_id] LOOP
            why := approvals_exclusion_reason(NEW.id, person, COALESCE(NEW.decided_at, decided.decided_at));
            IF person IS NOT NULL AND why IS NOT NULL THEN
                PERFORM approvals_refuse('approvals_approval_excluded', format('somebody who approved is excluded now: %s', why));
            END IF;
        END LOOP;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER approvals_approval_segregation AFTER UPDATE OF state ON proposals_proposal
DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW WHEN (NEW.state = 'approved' AND OLD.state <> 'approved')
EXECUTE FUNCTION approvals_approval_segregation();
"""
DROP_SEGREGATION = """
DROP TRIGGER approvals_approval_segregation ON proposals_proposal;
DROP FUNCTION approvals_approval_segregation();
DROP TRIGGER approvals_decision_segregation ON approvals_decision;
DROP FUNCTION approvals_decision_segregation();
DROP FUNCTION approvals_exclusion_reason(uuid, bigint, timestamptz);
"""

# A step that asks several groups is satisfied when its rule is; `per_group` with distinct people is Hall's condition: every
# subset of the groups has approvers enough between them.
STEP_GUARD = """
CREATE FUNCTION approvals_step_rule_holds(step approvals_routestep) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
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
FORMER_STEP_GUARD = """
CREATE OR REPLACE FUNCTION approvals_step_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
DROP FUNCTION approvals_step_rule_holds(approvals_routestep);
"""

# A further group belongs to a step only when the route's snapshot, whose digest everybody decided on, says so.
STEP_GROUP_GUARD = """
CREATE FUNCTION approvals_stepgroup_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1
      FROM approvals_routestep s
      JOIN approvals_route r ON r.proposal_id = s.route_id
      JOIN identity_approvalgroup g ON g.id = NEW.group_id
     CROSS JOIN LATERAL jsonb_array_elements(convert_from(r.snapshot_bytes, 'UTF8')::jsonb -> 'steps') AS step
     WHERE s.id = NEW.step_id AND (step ->> 'position')::integer = s.position AND step -> 'further_groups' ? g.code::text;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the route does not ask this group in this step'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_stepgroup_of_route', TABLE = 'approvals_stepgroup';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER approvals_stepgroup_guard BEFORE INSERT ON approvals_stepgroup
FOR EACH ROW EXECUTE FUNCTION approvals_stepgroup_guard();
"""
DROP_STEP_GROUP_GUARD = """
DROP TRIGGER approvals_stepgroup_guard ON approvals_stepgroup;
DROP FUNCTION approvals_stepgroup_guard();
"""

SECOND_PERSON = """
CREATE FUNCTION approvals_policy_second_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The author is refused by a CHECK of the table; here everybody else who changed the version while it was a draft.
    IF NEW.activated_by_id <> NEW.author_id
       AND EXISTS (SELECT 1 FROM approvals_policyeditor WHERE policy_id = NEW.id AND user_id = NEW.activated_by_id)
    THEN
        RAISE EXCEPTION 'somebody who changed the policy does not activate it'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_editor_never_activates', TABLE = 'approvals_policy';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER approvals_policy_second_person BEFORE UPDATE ON approvals_policy
FOR EACH ROW WHEN (NEW.state = 'active' AND OLD.state <> 'active') EXECUTE FUNCTION approvals_policy_second_person();
"""
DROP_SECOND_PERSON = """
DROP TRIGGER approvals_policy_second_person ON approvals_policy;
DROP FUNCTION approvals_policy_second_person();
"""

INSERT_ONLY_TABLES = ("approvals_stepgroup", "approvals_policyeditor", "approvals_exchangerate")
INSERT_ONLY_TRIGGER = """
CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
"""

# The guard of 0002 with two changes: the further groups of a step count, and limits are held against the routed currency.
DECISION_GUARD = """
CREATE OR REPLACE FUNCTION approvals_decision_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    proposal record;
    step record;
    route record;
    member record;
BEGIN
    SELECT p.state, p.expires_at, p.payload_digest, p.company, p.currency INTO proposal
      FROM proposals_proposal p
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

    SELECT s.id, s.route_id, s.state, s.group_id INTO step FROM approvals_routestep s WHERE s.id = NEW.step_id;
    IF NOT FOUND OR step.route_id <> NEW.proposal_id OR step.state <> 'open' THEN
        PERFORM approvals_refuse('approvals_guard_step', 'the step is not the open step of this proposal');
    END IF;
    IF approvals_exclusion_reason(NEW.proposal_id, NEW.user_id, NEW.decided_at) IS NOT NULL THEN
        PERFORM approvals_refuse('approvals_guard_excluded', 'segregation of duties excludes this person');
    END IF;

    SELECT r.routed_minor, COALESCE(NULLIF(r.routed_currency, ''), proposal.currency) AS currency INTO route
      FROM approvals_route r WHERE r.proposal_id = NEW.proposal_id;
    SELECT m.limit_minor IS NULL OR (m.limit_currency = route.currency AND m.limit_minor >= route.routed_minor) AS is_within
      INTO member
      FROM identity_approvalgroupmember m JOIN auth_user u ON u.id = m.user_id
     WHERE (m.group_id = step.group_id OR m.group_id IN (SELECT g.group_id FROM approvals_stepgroup g WHERE g.step_id = step.id))
       AND m.user_id = NEW.user_id AND u.is_active AND proposal.company = ANY (m.companies)
     ORDER BY 1 DESC LIMIT 1;
    IF NOT FOUND THEN
        PERFORM approvals_refuse('approvals_guard_member', 'the person is not an active member of the groups of this step');
    END IF;
    IF NOT member.is_within THEN
        PERFORM approvals_refuse('approvals_guard_limit', 'the amount is above the limit of the person');
    END IF;
    RETURN NEW;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0004_matrix")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.RunSQL(EXCLUSION_REASON + DECISION_SEGREGATION + APPROVAL_SEGREGATION, DROP_SEGREGATION),
        migrations.RunSQL(STEP_GUARD, FORMER_STEP_GUARD),
        migrations.RunSQL(STEP_GROUP_GUARD, DROP_STEP_GROUP_GUARD),
        migrations.RunSQL(SECOND_PERSON, DROP_SECOND_PERSON),
        *[
            migrations.RunSQL(INSERT_ONLY_TRIGGER.format(table=table), f"DROP TRIGGER {table}_insert_only ON {table}")
            for table in INSERT_ONLY_TABLES
        ],
        migrations.RunSQL(DECISION_GUARD, migrations.RunSQL.noop),
    ]
