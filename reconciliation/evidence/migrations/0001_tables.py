"""The tables of evidence: bundles asked for."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import kernel.ids
from kernel.tables import CreateTables


class Migration(migrations.Migration):
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("evidence", "0001_initial"),
        ("evidence", "0002_destination"),
    ]

    initial = True

    dependencies = [
        ("auth", "__first__"),
    ]

    operations = [
        CreateTables(
            [
                migrations.CreateModel(
                    name="Bundle",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        ("kind", models.CharField(choices=[("proposal", "Proposal"), ("period", "Period")], max_length=8)),
                        ("proposal", models.CharField(blank=True, max_length=64)),
                        ("since", models.DateTimeField(blank=True, null=True)),
                        ("until", models.DateTimeField(blank=True, null=True)),
                        (
                            "companies",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=64),
                                help_text="What the person who asked may see; the rest is withheld",
                                size=None,
                            ),
                        ),
                        (
                            "purpose",
                            models.CharField(blank=True, help_text="What it is for, in the words of the person who asked", max_length=300),
                        ),
                        ("region", models.CharField(max_length=64)),
                        (
                            "destination",
                            models.CharField(blank=True, default="", help_text="The region it is taken to; empty: its own", max_length=64),
                        ),
                        ("reason", models.CharField(blank=True, default="", help_text="Why it leaves its region", max_length=300)),
                        (
                            "state",
                            models.CharField(
                                choices=[("queued", "Queued"), ("running", "Being made"), ("ready", "Ready"), ("failed", "Failed")],
                                default="queued",
                                max_length=8,
                            ),
                        ),
                        ("step", models.CharField(blank=True, help_text="What is being written", max_length=20)),
                        ("step_done", models.PositiveBigIntegerField(default=0)),
                        ("step_total", models.PositiveBigIntegerField(default=0)),
                        ("lease_until", models.DateTimeField(blank=True, help_text="Whoever makes it has said so until then", null=True)),
                        ("file_name", models.CharField(blank=True, max_length=160)),
                        ("file_bytes", models.PositiveBigIntegerField(default=0)),
                        ("sha256", models.CharField(blank=True, max_length=71)),
                        ("event_count", models.PositiveBigIntegerField(default=0)),
                        ("withheld_count", models.PositiveBigIntegerField(default=0)),
                        ("checkpoint_size", models.PositiveBigIntegerField(default=0)),
                        ("code", models.CharField(blank=True, max_length=64)),
                        ("detail", models.TextField(blank=True)),
                        (
                            "requested_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="bundles", to=settings.AUTH_USER_MODEL
                            ),
                        ),
                        ("requested_at", models.DateTimeField()),
                        ("started_at", models.DateTimeField(blank=True, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "verbose_name": "evidence bundle",
                        "indexes": [
                            models.Index(fields=["-requested_at"], name="evidence_bundles_newest"),
                            models.Index(
                                condition=models.Q(("state__in", ["queued", "running"])),
                                fields=["requested_at"],
                                name="evidence_bundles_to_make",
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["queued", "running", "ready", "failed"])),
                                name="evidence_bundle_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("kind", "proposal"),
                                        ("since__isnull", True),
                                        ("until__isnull", True),
                                        models.Q(("proposal", ""), _negated=True),
                                    ),
                                    models.Q(
                                        ("kind", "period"),
                                        ("proposal", ""),
                                        ("since__isnull", False),
                                        ("since__lt", models.F("until")),
                                        ("until__isnull", False),
                                    ),
                                    _connector="OR",
                                ),
                                name="evidence_bundle_about_one_thing",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "ready"), _negated=True),
                                    models.Q(models.Q(("sha256", ""), _negated=True), models.Q(("file_name", ""), _negated=True)),
                                    _connector="OR",
                                ),
                                name="evidence_bundle_has_file",
                            ),
                        ],
                    },
                ),
            ]
        ),
    ]
