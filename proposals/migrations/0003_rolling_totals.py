"""What an agent proposed in each hour is summed as it is proposed, so that a ceiling over 30 days costs the same however full they are."""

from __future__ import annotations

from django.db import migrations

# In the order of the key, so that two statements never wait for each other's totals. With the owner's rights: nobody else may write here.
# What no longer counts has rows of its own, so that a submission never waits for a decision on another proposal of the agent.
ADD = """
    INSERT INTO proposals_rollingtotal AS kept (agent_id, tool, kept_by, value, hour, company, currency, is_released, minor)
    SELECT moved.agent_id, moved.tool, part.kept_by, part.value, date_trunc('hour', moved.created_at, 'UTC'), part.company,
        moved.currency, moved.is_released, sum(moved.amount_minor)
    FROM ({moved}) AS moved CROSS JOIN LATERAL (
        VALUES ('agent', '', ''), ('counterparty', moved.counterparty, moved.company), ('cost_centre', moved.cost_centre, moved.company)
    ) AS part (kept_by, value, company)
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
    ON CONFLICT (agent_id, tool, kept_by, value, hour, company, currency, is_released) DO UPDATE SET minor = kept.minor + excluded.minor;
"""
FIELDS = "agent_id, tool, counterparty, cost_centre, company, currency, created_at, amount_minor"
RELEASED = "state NOT IN ('pending', 'approved')"
NEW_FIELDS = ", ".join(f"new_rows.{name}" for name in FIELDS.split(", ") if name != "amount_minor")
MOVED = f"""
    SELECT {NEW_FIELDS}, CASE WHEN new_rows.{RELEASED} THEN new_rows.amount_minor ELSE -new_rows.amount_minor END AS amount_minor,
        true AS is_released
    FROM new_rows JOIN old_rows ON old_rows.id = new_rows.id WHERE (new_rows.{RELEASED}) <> (old_rows.{RELEASED})
"""  # noqa: S608  constants
SUBMITTED = f"SELECT {FIELDS}, false AS is_released FROM new_rows"  # noqa: S608  constants
NOT_COUNTING = f"SELECT {FIELDS}, true AS is_released FROM new_rows WHERE {RELEASED}"  # noqa: S608  constants

FORWARD = f"""
CREATE FUNCTION proposals_total_submitted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    {ADD.format(moved=SUBMITTED)}
    IF EXISTS (SELECT FROM new_rows WHERE {RELEASED}) THEN
        {ADD.format(moved=NOT_COUNTING)}
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION proposals_total_released() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    {ADD.format(moved=MOVED)}
    RETURN NULL;
END
$$;
CREATE TRIGGER proposals_proposal_total_submitted AFTER INSERT ON proposals_proposal
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION proposals_total_submitted();
CREATE TRIGGER proposals_proposal_total_released AFTER UPDATE ON proposals_proposal
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION proposals_total_released();
"""


class Migration(migrations.Migration):
    dependencies = [("proposals", "0002_rules")]
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("proposals", "0001_initial"),
        ("proposals", "0002_triggers"),
        ("proposals", "0003_acts_for"),
        ("proposals", "0004_webhooks"),
        ("proposals", "0005_history_index"),
        ("proposals", "0006_day_indexes"),
        ("proposals", "0007_rolling_totals"),
    ]

    operations = [migrations.RunSQL(FORWARD)]
