"""A bundle knows which region it is taken to, and why it leaves its own."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("evidence", "0001_initial")]
    operations = [
        migrations.AddField(
            model_name="bundle",
            name="destination",
            field=models.CharField(blank=True, default="", help_text="The region it is taken to; empty: its own", max_length=64),
        ),
        migrations.AddField(
            model_name="bundle",
            name="reason",
            field=models.CharField(blank=True, default="", help_text="Why it leaves its region", max_length=300),
        ),
    ]
