"""What an agent proposed in each hour is summed as it is proposed, so that a ceiling over 30 days costs the same however full they are."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

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


def submitted(rows: str) -> str:
    """Return the statement that adds rows to what was submitted."""
    return ADD.format(moved=f"SELECT {FIELDS}, false AS is_released FROM {rows}")  # noqa: S608  constants


def released(rows: str) -> str:
    """Return the statement that adds those of the rows that do not count to what was released."""
    return ADD.format(moved=f"SELECT {FIELDS}, true AS is_released FROM {rows} WHERE {RELEASED}")  # noqa: S608  constants


FORWARD = f"""
SET LOCAL lock_timeout = '5s';

CREATE FUNCTION proposals_total_submitted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    {submitted("new_rows")}
    IF EXISTS (SELECT FROM new_rows WHERE {RELEASED}) THEN
        {released("new_rows")}
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

{submitted("proposals_proposal")}
{released("proposals_proposal")}
"""

REVERSE = """
DROP TRIGGER proposals_proposal_total_submitted ON proposals_proposal;
DROP TRIGGER proposals_proposal_total_released ON proposals_proposal;
DROP FUNCTION proposals_total_submitted();
DROP FUNCTION proposals_total_released();
"""


class Migration(migrations.Migration):
    dependencies = [("proposals", "0006_day_indexes"), ("identity", "0011_saved_views")]

    operations = [
        migrations.CreateModel(
            name="RollingTotal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tool", models.CharField(max_length=64)),
                ("kept_by", models.CharField(help_text="agent, counterparty or cost_centre", max_length=12)),
                ("value", models.CharField(blank=True, help_text="Of what it is kept by; empty for all of the agent", max_length=40)),
                ("hour", models.DateTimeField(help_text="Beginning of the hour, in UTC")),
                ("company", models.CharField(blank=True, max_length=12)),
                ("currency", models.CharField(max_length=3)),
                ("is_released", models.BooleanField(help_text="What no longer counts: refused, lapsed, taken back")),
                ("minor", models.BigIntegerField()),
                (
                    "agent",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.agent", db_index=False),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["agent", "tool", "kept_by", "value", "hour", "company", "currency", "is_released"],
                        name="proposals_one_total_per_hour",
                    )
                ],
            },
        ),
        migrations.RunSQL(FORWARD, REVERSE),
    ]
