"""What became of each attempt to bring a checkpoint outside the database; rows are only ever added."""

from __future__ import annotations

from django.db import migrations, models

import kernel.ids


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_insert_only")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.CreateModel(
            name="Export",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("exporter", models.CharField(max_length=100)),
                ("size", models.BigIntegerField()),
                ("attempted_at", models.DateTimeField()),
                ("is_done", models.BooleanField()),
                ("place", models.CharField(blank=True, help_text="Where the checkpoint can be found", max_length=1000)),
                ("detail", models.CharField(blank=True, help_text="Why it did not get there", max_length=1000)),
                ("answer", models.BinaryField(default=bytes, help_text="What the other side gave back: cosignatures, a time-stamp")),
            ],
            options={
                "indexes": [models.Index(fields=["exporter", "-id"], name="audit_export_newest")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_done", True)), fields=("exporter", "size"), name="audit_export_arrives_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("detail", ""), ("is_done", True)),
                            models.Q(("is_done", False), models.Q(("detail", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="audit_export_says_what_became_of_it",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            "CREATE TRIGGER audit_export_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_export "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()",
            "DROP TRIGGER audit_export_insert_only ON audit_export",
        ),
    ]
