-- A proposal is fixed once it stands; only its state moves.

CREATE FUNCTION proposals_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- Comparing whole rows with the two movable columns taken over means that a column added later is fixed without a new trigger.
CREATE FUNCTION proposals_refuse_alteration() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    expected proposals_proposal := OLD;
BEGIN
    expected.state := NEW.state;
    expected.decided_at := NEW.decided_at;
    IF NEW IS DISTINCT FROM expected THEN
        RAISE EXCEPTION 'proposal % is fixed: only its state may change', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER proposals_readreceipt_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON proposals_readreceipt
FOR EACH STATEMENT EXECUTE FUNCTION proposals_refuse_change();

CREATE TRIGGER proposals_citation_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON proposals_citation
FOR EACH STATEMENT EXECUTE FUNCTION proposals_refuse_change();

CREATE TRIGGER proposals_feedback_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON proposals_feedback
FOR EACH STATEMENT EXECUTE FUNCTION proposals_refuse_change();

CREATE TRIGGER proposals_proposal_stays BEFORE DELETE OR TRUNCATE ON proposals_proposal
FOR EACH STATEMENT EXECUTE FUNCTION proposals_refuse_change();

CREATE TRIGGER proposals_proposal_fixed BEFORE UPDATE ON proposals_proposal
FOR EACH ROW EXECUTE FUNCTION proposals_refuse_alteration();

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
