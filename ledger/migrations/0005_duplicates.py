"""The same order written twice is found by an index: it is looked for before each commit."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_drafts")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="purchaseorder",
            index=models.Index(fields=["vendor", "order_reference"], name="ledger_order_by_own_reference"),
        ),
        migrations.AddIndex(
            model_name="inventorymovement",
            index=models.Index(fields=["item", "order_reference"], name="ledger_movement_by_order"),
        ),
    ]
