"""The same entry written twice is found by an index: it is looked for before each commit. The index by date grows by the total."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0006_closed_keys")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="journalentry",
            index=models.Index(fields=["company", "effective_on", "total_minor"], name="ledger_entry_by_date_and_total"),
        ),
        migrations.RemoveIndex(model_name="journalentry", name="ledger_entry_by_date"),
    ]
