"""An attachment that somebody fetched counts as evidence opened, like a read whose answer they looked at."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("approvals", "0015_vendor_class")]

    operations = [
        migrations.AddField(
            model_name="evidenceopening",
            name="attachment",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="approvals.attachment"
            ),
        ),
        migrations.AlterField(
            model_name="evidenceopening",
            name="read",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.readreceipt"
            ),
        ),
        migrations.AddConstraint(
            model_name="evidenceopening",
            constraint=models.UniqueConstraint(fields=("proposal", "user", "attachment"), name="approvals_attachment_opened_once"),
        ),
        migrations.AddConstraint(
            model_name="evidenceopening",
            constraint=models.CheckConstraint(
                condition=models.Q(("attachment__isnull", True), ("read__isnull", False))
                | models.Q(("attachment__isnull", False), ("read__isnull", True)),
                name="approvals_opened_one_thing",
            ),
        ),
    ]
