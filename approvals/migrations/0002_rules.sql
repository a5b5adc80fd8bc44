-- Segregation of duties, quorum and what was decided hold in the database too.

-- The service checks all of this and says it better; this is for whoever writes past it. Expiry is held against the decision's
-- own instant, because `now` enters once and is passed down.
CREATE FUNCTION approvals_refuse(guard text, message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', message USING ERRCODE = 'check_violation', CONSTRAINT = guard, TABLE = 'approvals_decision';
END
$$;

-- A delegate uses the right of the delegator within the delegation's bounds; the fallback group of a step that was escalated counts as one
-- of its groups.
CREATE FUNCTION approvals_decision_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER approvals_decision_guard BEFORE INSERT ON approvals_decision
FOR EACH ROW EXECUTE FUNCTION approvals_decision_guard();

CREATE FUNCTION approvals_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER approvals_decision_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_decision
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

CREATE TRIGGER approvals_presentation_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_presentation
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

CREATE TRIGGER approvals_opening_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_opening
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

CREATE TRIGGER approvals_exclusion_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_exclusion
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

CREATE TRIGGER approvals_route_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_route
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

-- A step moves forward only, and is satisfied only by enough approvals of different people.
CREATE FUNCTION approvals_step_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER approvals_step_guard BEFORE UPDATE OR DELETE ON approvals_routestep
FOR EACH ROW EXECUTE FUNCTION approvals_step_guard();

-- The text of a policy is fixed from review on; FOR SHARE makes a row wait for a submission that is running.
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

CREATE TRIGGER approvals_stepup_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_stepup
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

CREATE TRIGGER approvals_signature_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_signature
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

CREATE TRIGGER approvals_comment_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_comment
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

CREATE TRIGGER approvals_attachment_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_attachment
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

-- A challenge is used once, and what it was made for stays what it was.
CREATE FUNCTION approvals_ceremony_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.used_at IS NOT NULL OR NEW.used_at IS NULL
       OR (NEW.id, NEW.user_id, NEW.salt, NEW.digest, NEW.nonce, NEW.state, NEW.created_at)
          IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.salt, OLD.digest, OLD.nonce, OLD.state, OLD.created_at)
    THEN
        RAISE EXCEPTION 'a challenge is used once and stays as it was made' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER approvals_ceremony_guard BEFORE UPDATE OR DELETE ON approvals_ceremony
FOR EACH ROW EXECUTE FUNCTION approvals_ceremony_guard();

-- Content and digest belong together, whoever writes; PostgreSQL computes the same SHA-256.
ALTER TABLE approvals_attachment ADD CONSTRAINT approvals_attachment_digest
CHECK (octet_length(content) = size AND digest = 'sha256:' || encode(sha256(content), 'hex'));

-- What is said and attached belongs to an open proposal, and there is an end to it. The service says it better.
CREATE FUNCTION approvals_discussion_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found_state text;
    found_count integer;
BEGIN
    SELECT state INTO found_state FROM proposals_proposal WHERE id = NEW.proposal_id FOR SHARE;
    IF found_state IS DISTINCT FROM 'pending' THEN
        RAISE EXCEPTION 'the proposal is not pending'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_guard_discussion', TABLE = TG_TABLE_NAME;
    END IF;
    EXECUTE format('SELECT count(*) FROM %I WHERE proposal_id = $1', TG_TABLE_NAME) INTO found_count USING NEW.proposal_id;
    IF found_count >= TG_ARGV[0]::integer THEN
        RAISE EXCEPTION 'the proposal has % of these already', found_count
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_guard_discussion_full', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER approvals_comment_guard BEFORE INSERT ON approvals_comment
FOR EACH ROW EXECUTE FUNCTION approvals_discussion_guard(200);

CREATE TRIGGER approvals_attachment_guard BEFORE INSERT ON approvals_attachment
FOR EACH ROW EXECUTE FUNCTION approvals_discussion_guard(20);

-- Why somebody may not decide on a proposal, from the rows as they stand: NULL when nothing speaks against it. There is no
-- exemption for anybody. What was found at routing (approvals_exclusion) counts for ever; what came to be since counts as well.
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

-- Once more after the row stands, for whoever gets past the guard before it; a delegate answers for both people.
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

-- A routed proposal is approved only when every step is satisfied, nobody refused, and nobody who approved is excluded now.
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

-- A step that asks several groups is satisfied when its rule is; `per_group` with distinct people is Hall's condition: every
-- subset of the groups has approvers enough between them.
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
         WHERE d.step_id = step.id AND d.kind = 'approve'
           AND (m.group_id = ANY (chosen) OR m.group_id = step.fallback_group_id AND d.decided_at >= step.escalated_at);
        IF approvers < step.per_group * cardinality(chosen) THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END
$$;

-- A further group belongs to a step only when the route's snapshot, whose digest everybody decided on, says so.
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

CREATE TRIGGER approvals_stepgroup_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_stepgroup
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

CREATE TRIGGER approvals_policyeditor_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_policyeditor
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

CREATE TRIGGER approvals_exchangerate_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_exchangerate
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

-- A delegation stays as it was made and ends early once; whoever held one cannot hand it on, because it gives no membership.
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

-- Nobody takes care of what they may not decide on, and no more people than the step asks for.
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

-- What was picked stays as it was shown; only the results come to be, once.
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

-- The second person is none of the first, is excluded from nothing, and says it once.
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

CREATE TRIGGER approvals_draw_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_draw
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

CREATE TRIGGER approvals_evidenceopening_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_evidenceopening
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();

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

-- A trigger of its own beside approvals_decision_guard: what stands behind a decision, not who may make it.
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

CREATE TRIGGER approvals_rateimport_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_rateimport
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
