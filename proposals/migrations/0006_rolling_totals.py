"""What an agent proposed in each hour is summed as it is proposed, so that a ceiling over 30 days costs the same however full they are."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

# In the order of the key, so that two statements never wait for each other's totals. With the owner's rights: nobody else may write here.
FORWARD = """
SET LOCAL lock_timeout = '5s';

CREATE FUNCTION proposals_add_to_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO proposals_rollingtotal (agent_id, tool, kept_by, value, hour, company, currency, minor)
    SELECT added.agent_id, added.tool, part.kept_by, part.value, date_trunc('hour', added.created_at, 'UTC'), part.company,
        added.currency, sum(added.amount_minor)
    FROM added CROSS JOIN LATERAL (
        VALUES ('agent', '', ''), ('counterparty', added.counterparty, added.company), ('cost_centre', added.cost_centre, added.company)
    ) AS part (kept_by, value, company)
    GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (agent_id, tool, kept_by, value, hour, company, currency)
    DO UPDATE SET minor = proposals_rollingtotal.minor + excluded.minor;
    RETURN NULL;
END
$$;
CREATE TRIGGER proposals_proposal_totals AFTER INSERT ON proposals_proposal
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION proposals_add_to_totals();

INSERT INTO proposals_rollingtotal (agent_id, tool, kept_by, value, hour, company, currency, minor)
SELECT stored.agent_id, stored.tool, part.kept_by, part.value, date_trunc('hour', stored.created_at, 'UTC'), part.company,
    stored.currency, sum(stored.amount_minor)
FROM proposals_proposal AS stored CROSS JOIN LATERAL (
    VALUES ('agent', '', ''), ('counterparty', stored.counterparty, stored.company), ('cost_centre', stored.cost_centre, stored.company)
) AS part (kept_by, value, company)
GROUP BY 1, 2, 3, 4, 5, 6, 7;
"""

REVERSE = """
DROP TRIGGER proposals_proposal_totals ON proposals_proposal;
DROP FUNCTION proposals_add_to_totals();
"""


class Migration(migrations.Migration):
    dependencies = [("proposals", "0005_history_index"), ("identity", "0011_saved_views")]

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
                ("minor", models.BigIntegerField(help_text="Everything submitted in the hour, whatever became of it")),
                (
                    "agent",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.agent", db_index=False),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["agent", "tool", "kept_by", "value", "hour", "company", "currency"], name="proposals_one_total_per_hour"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="proposal",
            index=models.Index(
                condition=models.Q(("state__in", ["approved", "pending"]), _negated=True),
                fields=["agent", "tool", "-created_at"],
                name="proposals_no_longer_counted",
            ),
        ),
        migrations.RunSQL(FORWARD, REVERSE),
    ]
