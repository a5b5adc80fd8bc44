"""A person keeps views of lists: filters and order under a name."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import kernel.ids


class Migration(migrations.Migration):
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL), ("identity", "0010_role_expiry")]

    operations = [
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("path", models.CharField(help_text="Address of the list", max_length=120)),
                ("query", models.CharField(blank=True, help_text="Its filters, as they stand in the address", max_length=500)),
                ("title", models.CharField(max_length=40)),
                ("created_at", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="saved_views", to=settings.AUTH_USER_MODEL),
                ),
            ],
            options={
                "ordering": ["title"],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "path", "title"), name="identity_view_title_once_per_list"),
                    models.CheckConstraint(condition=models.Q(("title", ""), _negated=True), name="identity_view_has_title"),
                    models.CheckConstraint(condition=models.Q(("path__startswith", "/")), name="identity_view_is_of_this_console"),
                ],
            },
        ),
    ]
