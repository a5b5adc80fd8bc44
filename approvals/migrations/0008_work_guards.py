"""Delegation, claims, bulk and reviews keep their promises in the database too."""

from __future__ import annotations

from django.db import migrations

# The guard of 0005 with two changes: a delegate uses the right of the delegator within the delegation's bounds, and the fallback group
# of a step that was escalated counts as one of its groups.
DECISION_GUARD = """
CREATE OR REPLACE FUNCTION approvals_decision_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    proposal record;
    step record;
    route record;
    member record;
    given_groups text[] := ARRAY[]::text[];
BEGIN
    SELECT p.state, p.expires_at, p.payload_digest, p.company, p.currency, p.tool INTO proposal
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

    SELECT s.id, s.route_id, s.state, s.group_id, s.fallback_group_id, s.escalated_at INTO step
      FROM approvals_routestep s WHERE s.id = NEW.step_id;
    IF NOT FOUND OR step.route_id <> NEW.proposal_id OR step.state <> 'open' THEN
        PERFORM approvals_refuse('approvals_guard_step', 'the step is not the open step of this proposal');
    END IF;
    IF approvals_exclusion_reason(NEW.proposal_id, NEW.user_id, NEW.decided_at) IS NOT NULL
       OR approvals_exclusion_reason(NEW.proposal_id, NEW.acting_for_id, NEW.decided_at) IS NOT NULL
    THEN
        PERFORM approvals_refuse('approvals_guard_excluded', 'segregation of duties excludes this person');
    END IF;

    SELECT r.routed_minor, COALESCE(NULLIF(r.routed_currency, ''), proposal.currency) AS currency INTO route
      FROM approvals_route r WHERE r.proposal_id = NEW.proposal_id;
    IF NEW.acting_for_id IS NOT NULL THEN
        SELECT d.groups INTO given_groups
          FROM approvals_delegation d JOIN auth_user u ON u.id = d.delegate_id
         WHERE d.id = NEW.delegation_id AND d.delegate_id = NEW.user_id AND d.delegator_id = NEW.acting_for_id AND u.is_active
           AND d.starts_at <= NEW.decided_at AND d.ends_at > NEW.decided_at AND d.ended_at IS NULL
           AND proposal.company = ANY (d.companies) AND (d.tools = '{}' OR proposal.tool = ANY (d.tools))
           AND (d.limit_minor IS NULL OR (d.limit_currency = route.currency AND d.limit_minor >= route.routed_minor))
           FOR SHARE OF d;
        IF NOT FOUND THEN
            PERFORM approvals_refuse('approvals_guard_delegation', 'no delegation in force lets this person decide for the other');
        END IF;
    END IF;
    SELECT m.limit_minor IS NULL OR (m.limit_currency = route.currency AND m.limit_minor >= route.routed_minor) AS is_within
      INTO member
      FROM identity_approvalgroupmember m
      JOIN auth_user u ON u.id = m.user_id
      JOIN identity_approvalgroup named ON named.id = m.group_id
     WHERE (m.group_id = step.group_id
            OR (step.escalated_at IS NOT NULL AND m.group_id = step.fallback_group_id)
            OR m.group_id IN (SELECT g.group_id FROM approvals_stepgroup g WHERE g.step_id = step.id))
       AND m.user_id = COALESCE(NEW.acting_for_id, NEW.user_id) AND u.is_active AND proposal.company = ANY (m.companies)
       AND (given_groups = '{}' OR named.code = ANY (given_groups))
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

# A delegation stays as it was made and ends early once; whoever held one cannot hand it on, because it gives no membership.
DELEGATION_GUARD = """
CREATE FUNCTION approvals_delegation_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.ended_at IS NOT NULL
       OR to_jsonb(NEW) - 'ended_at' - 'ended_by_id' IS DISTINCT FROM to_jsonb(OLD) - 'ended_at' - 'ended_by_id'
    THEN
        RAISE EXCEPTION 'a delegation stays as it was made; it can only end early, once' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER approvals_delegation_guard BEFORE UPDATE OR DELETE ON approvals_delegation
FOR EACH ROW EXECUTE FUNCTION approvals_delegation_guard();
"""

# Nobody takes care of what they may not decide on, and no more people than the step asks for.
CLAIM_GUARD = """
CREATE FUNCTION approvals_claim_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    step record;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        IF TG_OP = 'DELETE' OR OLD.ended_at IS NOT NULL
           OR to_jsonb(NEW) - 'ended_at' - 'ended_because' IS DISTINCT FROM to_jsonb(OLD) - 'ended_at' - 'ended_because'
        THEN
            RAISE EXCEPTION 'a claim stays as it was made; it only ends, once' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END IF;
    SELECT s.state, s.min_approvals, s.route_id, p.state AS proposal_state, p.expires_at INTO step
      FROM approvals_routestep s JOIN proposals_proposal p ON p.id = s.route_id WHERE s.id = NEW.step_id;
    IF NOT FOUND OR step.state <> 'open' OR step.proposal_state <> 'pending' OR step.expires_at <= NEW.claimed_at THEN
        RAISE EXCEPTION 'the step is not open'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_claim_of_open_step', TABLE = 'approvals_claim';
    END IF;
    IF NEW.place NOT BETWEEN 1 AND step.min_approvals THEN
        RAISE EXCEPTION 'the step asks for fewer people'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_claim_has_place', TABLE = 'approvals_claim';
    END IF;
    IF approvals_exclusion_reason(step.route_id, NEW.user_id, NEW.claimed_at) IS NOT NULL THEN
        RAISE EXCEPTION 'segregation of duties excludes this person'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_claim_not_excluded', TABLE = 'approvals_claim';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER approvals_claim_guard BEFORE INSERT OR UPDATE OR DELETE ON approvals_claim
FOR EACH ROW EXECUTE FUNCTION approvals_claim_guard();
"""

# What was picked stays as it was shown; only the results come to be, once.
BULK_GUARD = """
CREATE FUNCTION approvals_bulk_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    results text[] := CASE TG_TABLE_NAME
        WHEN 'approvals_bulk' THEN ARRAY['state', 'authentication', 'signature_id', 'confirmed_at']
        ELSE ARRAY['state', 'code', 'detail', 'decision_id', 'settled_at'] END;
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state NOT IN ('prepared', 'pending') OR to_jsonb(NEW) - results IS DISTINCT FROM to_jsonb(OLD) - results THEN
        RAISE EXCEPTION 'a set of proposals stays as it was shown' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER approvals_bulk_guard BEFORE UPDATE OR DELETE ON approvals_bulk
FOR EACH ROW EXECUTE FUNCTION approvals_bulk_guard();
CREATE TRIGGER approvals_bulkitem_guard BEFORE UPDATE OR DELETE ON approvals_bulkitem
FOR EACH ROW EXECUTE FUNCTION approvals_bulk_guard();

CREATE FUNCTION approvals_bulkitem_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM approvals_decision d JOIN approvals_bulk b ON b.id = NEW.bulk_id
      WHERE d.id = NEW.decision_id AND d.proposal_id = NEW.proposal_id AND d.user_id = b.user_id AND d.kind = 'approve'
        AND d.payload_digest = NEW.payload_digest AND d.presentation_id = NEW.presentation_id AND b.state = 'confirmed';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the decision is not the one on this item'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_bulk_item_decided', TABLE = 'approvals_bulkitem';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER approvals_bulkitem_decision BEFORE UPDATE ON approvals_bulkitem
FOR EACH ROW WHEN (NEW.state = 'approved' AND OLD.state <> 'approved') EXECUTE FUNCTION approvals_bulkitem_decision();
"""

# The second person is none of the first, is excluded from nothing, and says it once.
REVIEW_GUARD = """
CREATE FUNCTION approvals_review_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND (
        OLD.verdict <> '' OR OLD.reviewer_id IS DISTINCT FROM NEW.reviewer_id
        OR (OLD.shown_at IS NOT NULL AND OLD.shown_at IS DISTINCT FROM NEW.shown_at)
        OR (NEW.id, NEW.draw_id, NEW.proposal_id, NEW.presentation_id, NEW.created_at)
           IS DISTINCT FROM (OLD.id, OLD.draw_id, OLD.proposal_id, OLD.presentation_id, OLD.created_at)
    )) THEN
        RAISE EXCEPTION 'a review stays as it was drawn, and is given once' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_OP = 'INSERT' AND EXISTS (
        SELECT 1 FROM approvals_decision d WHERE d.proposal_id = NEW.proposal_id AND NEW.reviewer_id IN (d.user_id, d.acting_for_id)
    ) THEN
        RAISE EXCEPTION 'the second person is another one'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_review_by_another', TABLE = 'approvals_review';
    END IF;
    IF TG_OP = 'INSERT' AND approvals_exclusion_reason(NEW.proposal_id, NEW.reviewer_id, NEW.created_at) IS NOT NULL THEN
        RAISE EXCEPTION 'segregation of duties excludes this person'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_review_not_excluded', TABLE = 'approvals_review';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER approvals_review_guard BEFORE INSERT OR UPDATE OR DELETE ON approvals_review
FOR EACH ROW EXECUTE FUNCTION approvals_review_guard();
"""

DROPS = """
DROP TRIGGER approvals_review_guard ON approvals_review;
DROP FUNCTION approvals_review_guard();
DROP TRIGGER approvals_bulkitem_decision ON approvals_bulkitem;
DROP FUNCTION approvals_bulkitem_decision();
DROP TRIGGER approvals_bulkitem_guard ON approvals_bulkitem;
DROP TRIGGER approvals_bulk_guard ON approvals_bulk;
DROP FUNCTION approvals_bulk_guard();
DROP TRIGGER approvals_claim_guard ON approvals_claim;
DROP FUNCTION approvals_claim_guard();
DROP TRIGGER approvals_delegation_guard ON approvals_delegation;
DROP FUNCTION approvals_delegation_guard();
"""

INSERT_ONLY_TABLES = ("approvals_draw", "approvals_evidenceopening")
INSERT_ONLY_TRIGGER = """
CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0007_work_mail_bulk_oversight")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.RunSQL(DECISION_GUARD, migrations.RunSQL.noop),
        migrations.RunSQL(DELEGATION_GUARD + CLAIM_GUARD + BULK_GUARD + REVIEW_GUARD, DROPS),
        *[
            migrations.RunSQL(INSERT_ONLY_TRIGGER.format(table=table), f"DROP TRIGGER {table}_insert_only ON {table}")
            for table in INSERT_ONLY_TABLES
        ],
    ]
