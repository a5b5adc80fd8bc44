"""What was proposed before for the same counterparty is found without walking through all of it."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("proposals", "0004_webhooks")]

    operations = [
        migrations.AddIndex(
            model_name="proposal",
            index=models.Index(fields=["company", "tool", "counterparty", "-created_at"], name="proposals_history"),
        )
    ]
