"""A commit whose document the ERP lost may land once more: each later landing has a receipt of its own."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("commits", "0003_presence_and_breaker")]

    operations = [
        migrations.AddField(
            model_name="commit",
            name="landing_number",
            field=models.PositiveSmallIntegerField(
                default=1, db_default=1, help_text="Which landing counts: 2 after the ERP lost the first"
            ),
        ),
        migrations.CreateModel(
            name="Relanding",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("document", models.CharField(max_length=80)),
                ("answer_bytes", models.BinaryField(help_text="Canonical bytes of the ERP's answer")),
                ("read_back_bytes", models.BinaryField(help_text="Canonical bytes of what was read back")),
                ("differences", models.JSONField(default=list, help_text='[{"field", "approved", "landed"}]; empty when as approved')),
                (
                    "content_digest",
                    models.CharField(
                        blank=True,
                        help_text="Digest of the document as the ERP gave it: another one later means altered after landing",
                        max_length=80,
                    ),
                ),
                ("recorded_at", models.DateTimeField()),
                ("number", models.PositiveSmallIntegerField(help_text="2 for the first one after the receipt")),
                (
                    "commit",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="relandings", to="commits.commit"),
                ),
            ],
            options={
                "ordering": ["number"],
                "constraints": [
                    models.UniqueConstraint(fields=("commit", "number"), name="commits_relanding_number_once"),
                    models.CheckConstraint(condition=Q(number__gte=2), name="commits_relanding_comes_after_the_receipt"),
                ],
            },
        ),
    ]
