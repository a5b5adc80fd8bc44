-- Runs and breaks stay; a second person is never an excluded one.

CREATE FUNCTION reconciliation_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refuses %', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER reconciliation_run_stays BEFORE DELETE OR TRUNCATE ON reconciliation_run
    FOR EACH STATEMENT EXECUTE FUNCTION reconciliation_refuse_change();

CREATE TRIGGER reconciliation_break_stays BEFORE DELETE OR TRUNCATE ON reconciliation_break
    FOR EACH STATEMENT EXECUTE FUNCTION reconciliation_refuse_change();

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

CREATE FUNCTION reconciliation_assurance_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE FUNCTION reconciliation_rule_run_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state <> 'requested'
       OR (NEW.id, NEW.since, NEW.until, NEW.companies, NEW.started_by_id, NEW.started_at)
          IS DISTINCT FROM (OLD.id, OLD.since, OLD.until, OLD.companies, OLD.started_by_id, OLD.started_at)
    THEN
        RAISE EXCEPTION 'a run of the rules stays as it ended' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER reconciliation_rule_run_guard BEFORE UPDATE OR DELETE ON reconciliation_rulerun
FOR EACH ROW EXECUTE FUNCTION reconciliation_rule_run_guard();

CREATE TRIGGER reconciliation_rulehit_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reconciliation_rulehit
FOR EACH STATEMENT EXECUTE FUNCTION reconciliation_assurance_refuse_change();

CREATE TRIGGER reconciliation_sample_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reconciliation_sample
FOR EACH STATEMENT EXECUTE FUNCTION reconciliation_assurance_refuse_change();

CREATE TRIGGER reconciliation_sampleitem_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reconciliation_sampleitem
FOR EACH STATEMENT EXECUTE FUNCTION reconciliation_assurance_refuse_change();
