"""An auditor's role ends on a date of its own."""

from __future__ import annotations

from django.db import migrations, models

HELP = "An auditor's last day, in UTC; empty: until it is taken back"


class Migration(migrations.Migration):
    dependencies = [("identity", "0009_federation_guards")]

    operations = [
        migrations.AddField(model_name="roleassignment", name="expires_on", field=models.DateField(blank=True, help_text=HELP, null=True)),
        migrations.AddField(
            model_name="historicalroleassignment", name="expires_on", field=models.DateField(blank=True, help_text=HELP, null=True)
        ),
        migrations.AddConstraint(
            model_name="roleassignment",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_on__isnull", True), ("role", "auditor"), _connector="OR"),
                name="identity_only_auditors_expire",
            ),
        ),
    ]
