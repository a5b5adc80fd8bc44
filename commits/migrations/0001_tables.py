"""The tables of commits: commits, attempts, receipts and breakers."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

import kernel.ids
from kernel.tables import CreateTables


class Migration(migrations.Migration):
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("commits", "0001_initial"),
        ("commits", "0002_guards"),
        ("commits", "0003_presence_and_breaker"),
        ("commits", "0004_relandings"),
        ("commits", "0005_relanding_guards"),
    ]

    initial = True

    dependencies = [
        ("proposals", "0001_tables"),
    ]

    operations = [
        CreateTables(
            [
                migrations.CreateModel(
                    name="Commit",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "proposal",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT, related_name="commit", to="proposals.proposal"
                            ),
                        ),
                        ("connection", models.CharField(default="embedded", max_length=40)),
                        ("company", models.CharField(max_length=12)),
                        ("tool", models.CharField(max_length=64)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Queued"),
                                    ("in_flight", "In flight"),
                                    ("succeeded", "Succeeded"),
                                    ("failed", "Failed"),
                                    ("unknown", "Unknown"),
                                ],
                                default="queued",
                                max_length=10,
                            ),
                        ),
                        (
                            "attempt_number",
                            models.PositiveIntegerField(default=0, help_text="Fence: a settlement for an older number is ignored"),
                        ),
                        (
                            "request_bytes",
                            models.BinaryField(blank=True, help_text="What was or will be sent; fixed at the first claim", null=True),
                        ),
                        ("first_sent_at", models.DateTimeField(blank=True, null=True)),
                        ("lease_until", models.DateTimeField(blank=True, null=True)),
                        (
                            "holder",
                            models.BigIntegerField(blank=True, help_text="The session that claimed it: see commits.presence", null=True),
                        ),
                        ("holder_server_started_at", models.DateTimeField(blank=True, null=True)),
                        ("not_before", models.DateTimeField(help_text="Backoff: not claimed earlier")),
                        (
                            "landing_number",
                            models.PositiveSmallIntegerField(
                                db_default=1, default=1, help_text="Which landing counts: 2 after the ERP lost the first"
                            ),
                        ),
                        ("code", models.CharField(blank=True, max_length=64)),
                        ("detail", models.TextField(blank=True)),
                        ("is_retryable", models.BooleanField(default=False)),
                        ("opened_at", models.DateTimeField()),
                        ("settled_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "indexes": [
                            models.Index(condition=models.Q(("state", "queued")), fields=["not_before", "id"], name="commits_queued"),
                            models.Index(
                                condition=models.Q(("state__in", ["in_flight", "unknown"])),
                                fields=["lease_until"],
                                name="commits_unsettled",
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["queued", "in_flight", "succeeded", "failed", "unknown"])),
                                name="commits_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "in_flight"), ("lease_until__isnull", False), ("request_bytes__isnull", False)),
                                    models.Q(models.Q(("state", "in_flight"), _negated=True), ("lease_until__isnull", True)),
                                    _connector="OR",
                                ),
                                name="commits_lease_exactly_in_flight",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("state", "in_flight"),
                                    models.Q(("holder__isnull", True), ("holder_server_started_at__isnull", True)),
                                    _connector="OR",
                                ),
                                name="commits_holder_only_in_flight",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state__in", ["succeeded", "failed"]), ("settled_at__isnull", False)),
                                    models.Q(models.Q(("state__in", ["succeeded", "failed"]), _negated=True), ("settled_at__isnull", True)),
                                    _connector="OR",
                                ),
                                name="commits_settled_at_matches_state",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Attempt",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "commit",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="attempts", to="commits.commit"),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("worker", models.CharField(max_length=80)),
                        (
                            "outcome",
                            models.CharField(
                                choices=[
                                    ("running", "Running"),
                                    ("posted", "Posted"),
                                    ("replayed", "Replayed"),
                                    ("refused", "Refused"),
                                    ("not_sent", "Not sent"),
                                    ("lost", "Answer lost"),
                                ],
                                default="running",
                                max_length=10,
                            ),
                        ),
                        ("detail", models.TextField(blank=True)),
                        ("started_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ["number"],
                        "constraints": [
                            models.UniqueConstraint(fields=("commit", "number"), name="commits_attempt_number_once"),
                            models.CheckConstraint(
                                condition=models.Q(("outcome__in", ["running", "posted", "replayed", "refused", "not_sent", "lost"])),
                                name="commits_attempt_outcome_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Receipt",
                    fields=[
                        ("document", models.CharField(max_length=80)),
                        ("answer_bytes", models.BinaryField(help_text="Canonical bytes of the ERP's answer")),
                        ("read_back_bytes", models.BinaryField(help_text="Canonical bytes of what was read back")),
                        (
                            "differences",
                            models.JSONField(default=list, help_text='[{"field", "approved", "landed"}]; empty when as approved'),
                        ),
                        (
                            "content_digest",
                            models.CharField(
                                blank=True,
                                help_text="Digest of the document as the ERP gave it: another one later means altered after landing",
                                max_length=80,
                            ),
                        ),
                        ("recorded_at", models.DateTimeField()),
                        (
                            "commit",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                primary_key=True,
                                related_name="receipt",
                                serialize=False,
                                to="commits.commit",
                            ),
                        ),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["document"], name="commits_receipt_by_document"),
                            models.Index(
                                condition=models.Q(("differences", []), _negated=True),
                                fields=["recorded_at"],
                                name="commits_receipt_that_differs",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Relanding",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("document", models.CharField(max_length=80)),
                        ("answer_bytes", models.BinaryField(help_text="Canonical bytes of the ERP's answer")),
                        ("read_back_bytes", models.BinaryField(help_text="Canonical bytes of what was read back")),
                        (
                            "differences",
                            models.JSONField(default=list, help_text='[{"field", "approved", "landed"}]; empty when as approved'),
                        ),
                        (
                            "content_digest",
                            models.CharField(
                                blank=True,
                                help_text="Digest of the document as the ERP gave it: another one later means altered after landing",
                                max_length=80,
                            ),
                        ),
                        ("recorded_at", models.DateTimeField()),
                        (
                            "commit",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="relandings", to="commits.commit"),
                        ),
                        ("number", models.PositiveSmallIntegerField(help_text="2 for the first one after the receipt")),
                    ],
                    options={
                        "ordering": ["number"],
                        "constraints": [
                            models.UniqueConstraint(fields=("commit", "number"), name="commits_relanding_number_once"),
                            models.CheckConstraint(
                                condition=models.Q(("number__gte", 2)), name="commits_relanding_comes_after_the_receipt"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Breaker",
                    fields=[
                        ("connection", models.CharField(max_length=40, primary_key=True, serialize=False)),
                        (
                            "state",
                            models.CharField(
                                choices=[("closed", "Closed"), ("open", "Open"), ("half_open", "Half open")], default="closed", max_length=9
                            ),
                        ),
                        ("failure_count", models.PositiveIntegerField(default=0, help_text="Failures in a row")),
                        ("opening_count", models.PositiveIntegerField(default=0, help_text="Openings in a row: each waits longer")),
                        ("probe_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "paused_until",
                            models.DateTimeField(blank=True, help_text="The ERP asked to be left alone until then", null=True),
                        ),
                        ("code", models.CharField(blank=True, max_length=64)),
                        ("detail", models.TextField(blank=True)),
                        ("changed_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["closed", "open", "half_open"])), name="commits_breaker_state_known"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "closed"), ("probe_at__isnull", True)),
                                    models.Q(models.Q(("state", "closed"), _negated=True), ("probe_at__isnull", False)),
                                    _connector="OR",
                                ),
                                name="commits_breaker_probes_unless_closed",
                            ),
                        ],
                    },
                ),
            ]
        ),
    ]
