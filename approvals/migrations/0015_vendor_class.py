"""A row of the matrix may be for vendors of a class, as the ERP keeps them."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("approvals", "0014_fallback_stands_in")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.AddField(
            model_name="policyrow",
            name="vendor_class",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Patterns of the classes in which the ERP keeps vendors",
                max_length=120,
            ),
        ),
    ]
