"""The people an agent may act for, and why an agent is suspended."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

REASONS = [
    ("person", "A person suspended it"),
    ("review_overdue", "Its review date has passed"),
    ("unaccountable", "Its owner or sponsor can no longer answer for it"),
]


def acts_for() -> ArrayField:  # type: ignore[type-arg]
    return ArrayField(models.BigIntegerField(), blank=True, default=list, help_text="The people it may name as having asked")


def suspended_because() -> models.CharField:  # type: ignore[type-arg]
    return models.CharField(blank=True, choices=REASONS, default="", max_length=20)


class Migration(migrations.Migration):
    dependencies = [("identity", "0002_guards")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.AddField("agent", "acts_for", acts_for()),
        migrations.AddField("agent", "suspended_because", suspended_because()),
        migrations.AddField("historicalagent", "acts_for", acts_for()),
        migrations.AddField("historicalagent", "suspended_because", suspended_because()),
        # Until now only a person could suspend an agent.
        migrations.RunSQL(
            "UPDATE identity_agent SET suspended_because = 'person', suspended_at = coalesce(suspended_at, now()) WHERE state = 'suspended'",
            migrations.RunSQL.noop,
        ),
        migrations.AddConstraint(
            "agent",
            models.CheckConstraint(
                condition=models.Q(("owner", models.F("sponsor")), _negated=True), name="identity_agent_owner_is_not_sponsor"
            ),
        ),
        migrations.AddConstraint(
            "agent",
            models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("state", "suspended"),
                        ("suspended_at__isnull", False),
                        ("suspended_because__in", ["person", "review_overdue", "unaccountable"]),
                    ),
                    models.Q(("state__in", ["draft", "active"]), ("suspended_at__isnull", True), ("suspended_because", "")),
                    ("state", "decommissioned"),
                    _connector="OR",
                ),
                name="identity_agent_suspension_matches",
            ),
        ),
    ]
