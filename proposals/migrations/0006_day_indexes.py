"""The page of today counts by day, and the inbox orders by amount, without walking through every proposal."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("proposals", "0005_history_index")]

    operations = [
        migrations.AddIndex(
            model_name="proposal",
            index=models.Index(fields=["created_at"], include=["id", "company", "state"], name="proposals_by_day"),
        ),
        migrations.AddIndex(
            model_name="proposal",
            index=models.Index(
                condition=~models.Q(state="approved") & models.Q(decided_at__isnull=False),
                fields=["decided_at"],
                include=["company", "state"],
                name="proposals_ended",
            ),
        ),
        migrations.AddIndex(
            model_name="proposal",
            index=models.Index(condition=models.Q(state="pending"), fields=["amount_minor"], name="proposals_pending_by_amount"),
        ),
    ]
