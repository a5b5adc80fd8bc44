"""The tables of proposals: proposals, read receipts, feedback, webhooks and rolling totals."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import kernel.ids
from kernel.tables import CreateTables


class Migration(migrations.Migration):
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("proposals", "0001_initial"),
        ("proposals", "0002_triggers"),
        ("proposals", "0003_acts_for"),
        ("proposals", "0004_webhooks"),
        ("proposals", "0005_history_index"),
        ("proposals", "0006_day_indexes"),
        ("proposals", "0007_rolling_totals"),
    ]

    initial = True

    dependencies = [
        ("auth", "__first__"),
        ("identity", "0001_tables"),
    ]

    operations = [
        CreateTables(
            [
                migrations.CreateModel(
                    name="WebhookEndpoint",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "agent",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT, related_name="webhook_endpoint", to="identity.agent"
                            ),
                        ),
                        ("url", models.CharField(max_length=2048)),
                        ("secret", models.BinaryField(help_text="Encrypted; shown once, when it was made")),
                        (
                            "previous_secret",
                            models.BinaryField(blank=True, help_text="Signs beside the new one until previous_until", null=True),
                        ),
                        ("previous_until", models.DateTimeField(blank=True, null=True)),
                        ("state", models.CharField(choices=[("on", "On"), ("off", "Off")], default="on", max_length=10)),
                        ("off_because", models.CharField(blank=True, max_length=200)),
                        ("failing_since", models.DateTimeField(blank=True, help_text="Since when no attempt has succeeded", null=True)),
                        (
                            "created_by",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                        ),
                        ("created_at", models.DateTimeField()),
                        ("updated_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("state__in", ["on", "off"])), name="webhooks_endpoint_state_known"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("previous_secret__isnull", True), ("previous_until__isnull", True)),
                                    models.Q(("previous_secret__isnull", False), ("previous_until__isnull", False)),
                                    _connector="OR",
                                ),
                                name="webhooks_previous_secret_has_an_end",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="WebhookMessage",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "endpoint",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="messages", to="proposals.webhookendpoint"
                            ),
                        ),
                        ("kind", models.CharField(help_text="The message's type, e.g. proposal.approved", max_length=60)),
                        (
                            "proposal",
                            models.CharField(blank=True, help_text="TypeID of the proposal it tells of; empty for a test", max_length=40),
                        ),
                        ("company", models.CharField(blank=True, max_length=12)),
                        ("body", models.BinaryField(help_text="As it is signed and sent, the same at every attempt")),
                        ("trace_id", models.CharField(blank=True, max_length=32)),
                        (
                            "state",
                            models.CharField(
                                choices=[("pending", "Pending"), ("delivered", "Delivered"), ("given_up", "Given up")],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("attempt_count", models.PositiveIntegerField(default=0)),
                        ("next_at", models.DateTimeField(help_text="When it is due")),
                        ("leased_until", models.DateTimeField(blank=True, help_text="Until when an attempt may be under way", null=True)),
                        ("created_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "indexes": [
                            models.Index(condition=models.Q(("state", "pending")), fields=["next_at"], name="webhooks_due"),
                            models.Index(fields=["endpoint", "-created_at"], name="webhooks_by_endpoint"),
                            models.Index(
                                condition=models.Q(("state", "pending"), _negated=True), fields=["finished_at"], name="webhooks_finished"
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("state__in", ["pending", "delivered", "given_up"])), name="webhooks_message_state_known"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("finished_at__isnull", True), ("state", "pending")),
                                    models.Q(models.Q(("state", "pending"), _negated=True), ("finished_at__isnull", False)),
                                    _connector="OR",
                                ),
                                name="webhooks_finished_at_matches_state",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="WebhookAttempt",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "message",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="attempts", to="proposals.webhookmessage"
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("at", models.DateTimeField()),
                        (
                            "status",
                            models.PositiveIntegerField(blank=True, help_text="HTTP status; empty when there was no answer", null=True),
                        ),
                        ("detail", models.CharField(blank=True, max_length=300)),
                        ("duration_ms", models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        "ordering": ["number"],
                        "constraints": [models.UniqueConstraint(fields=("message", "number"), name="webhooks_attempt_numbered_once")],
                    },
                ),
                migrations.CreateModel(
                    name="ReadReceipt",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "agent",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="reads", to="identity.agent"),
                        ),
                        ("tool", models.CharField(max_length=64)),
                        ("tool_version", models.PositiveIntegerField()),
                        ("company", models.CharField(max_length=12)),
                        ("arguments", models.JSONField()),
                        ("as_of", models.DateTimeField()),
                        ("result_bytes", models.BinaryField(help_text="Canonical bytes of the result; the digest is over these")),
                        ("result_digest", models.CharField(max_length=71)),
                    ],
                    options={
                        "indexes": [models.Index(fields=["agent", "-as_of"], name="proposals_read_by_agent")],
                    },
                ),
                migrations.CreateModel(
                    name="Proposal",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "agent",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="proposals", to="identity.agent"),
                        ),
                        (
                            "on_behalf_of",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="proposals_asked_for",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("credential_thumbprint", models.CharField(max_length=64)),
                        ("idempotency_key", models.CharField(max_length=200)),
                        (
                            "request_digest",
                            models.CharField(help_text="Over the body as sent; the same key with another body is refused", max_length=71),
                        ),
                        ("tool", models.CharField(max_length=64)),
                        ("tool_version", models.PositiveIntegerField()),
                        ("company", models.CharField(max_length=12)),
                        ("payload", models.JSONField(help_text="After validation and defaults; for reading, never for hashing")),
                        ("action_bytes", models.BinaryField(help_text="Canonical action: what is approved and what is sent")),
                        ("payload_digest", models.CharField(max_length=71)),
                        ("amount_minor", models.BigIntegerField()),
                        ("currency", models.CharField(max_length=3)),
                        ("effective_on", models.DateField()),
                        ("counterparty", models.CharField(blank=True, help_text="Vendor or customer number, account, item", max_length=40)),
                        ("counterparty_name", models.CharField(blank=True, max_length=120)),
                        ("cost_centre", models.CharField(blank=True, max_length=40)),
                        (
                            "reference",
                            models.CharField(blank=True, help_text="The caller's own reference, e.g. the order number", max_length=80),
                        ),
                        ("headline", models.CharField(max_length=300)),
                        ("facts", models.JSONField(help_text="What the approver's page shows, computed at submission")),
                        ("preconditions", models.JSONField()),
                        ("rationale", models.TextField(blank=True, help_text="Written by the agent, not verified")),
                        ("is_log_only", models.BooleanField(default=False)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "Pending"),
                                    ("approved", "Approved"),
                                    ("rejected", "Rejected"),
                                    ("changes_requested", "Changes requested"),
                                    ("expired", "Expired"),
                                    ("withdrawn", "Withdrawn"),
                                    ("voided", "Voided"),
                                    ("superseded", "Superseded"),
                                ],
                                default="pending",
                                max_length=20,
                            ),
                        ),
                        ("revision", models.PositiveIntegerField(default=1)),
                        (
                            "supersedes",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="superseded_by",
                                to="proposals.proposal",
                            ),
                        ),
                        ("compensates", models.CharField(blank=True, help_text="TypeID of the break this corrects", max_length=40)),
                        ("trace_id", models.CharField(blank=True, max_length=32)),
                        ("created_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        ("decided_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "indexes": [
                            models.Index(condition=models.Q(("state", "pending")), fields=["expires_at"], name="proposals_pending_by_due"),
                            models.Index(
                                condition=models.Q(("state", "pending")), fields=["amount_minor"], name="proposals_pending_by_amount"
                            ),
                            models.Index(fields=["created_at"], include=("id", "company", "state"), name="proposals_by_day"),
                            models.Index(
                                condition=models.Q(models.Q(("state", "approved"), _negated=True), ("decided_at__isnull", False)),
                                fields=["decided_at"],
                                include=("company", "state"),
                                name="proposals_ended",
                            ),
                            models.Index(condition=models.Q(("state", "approved")), fields=["decided_at"], name="proposals_approved"),
                            models.Index(fields=["agent", "tool", "-created_at"], name="proposals_rolling_by_agent"),
                            models.Index(fields=["company", "tool", "counterparty", "-created_at"], name="proposals_history"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("agent", "idempotency_key"), name="proposals_key_once_per_agent"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    (
                                        "state__in",
                                        [
                                            "pending",
                                            "approved",
                                            "rejected",
                                            "changes_requested",
                                            "expired",
                                            "withdrawn",
                                            "voided",
                                            "superseded",
                                        ],
                                    )
                                ),
                                name="proposals_state_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("decided_at__isnull", True), ("state", "pending")),
                                    models.Q(models.Q(("state", "pending"), _negated=True), ("decided_at__isnull", False)),
                                    _connector="OR",
                                ),
                                name="proposals_decided_at_matches_state",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("expires_at__gt", models.F("created_at"))), name="proposals_expires_after_creation"
                            ),
                            models.CheckConstraint(condition=models.Q(("revision__gte", 1)), name="proposals_revision_counts_from_one"),
                            models.CheckConstraint(
                                condition=models.Q(("payload_digest__startswith", "sha256:")), name="proposals_digest_form"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="RollingTotal",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "agent",
                            models.ForeignKey(
                                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.agent"
                            ),
                        ),
                        ("tool", models.CharField(max_length=64)),
                        ("kept_by", models.CharField(help_text="agent, counterparty or cost_centre", max_length=12)),
                        (
                            "value",
                            models.CharField(blank=True, help_text="Of what it is kept by; empty for all of the agent", max_length=40),
                        ),
                        ("hour", models.DateTimeField(help_text="Beginning of the hour, in UTC")),
                        ("company", models.CharField(blank=True, max_length=12)),
                        ("currency", models.CharField(max_length=3)),
                        ("is_released", models.BooleanField(help_text="What no longer counts: refused, lapsed, taken back")),
                        ("minor", models.BigIntegerField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("agent", "tool", "kept_by", "value", "hour", "company", "currency", "is_released"),
                                name="proposals_one_total_per_hour",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Citation",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        (
                            "proposal",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="citations", to="proposals.proposal"
                            ),
                        ),
                        (
                            "read",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT, related_name="citations", to="proposals.readreceipt"
                            ),
                        ),
                        ("position", models.PositiveIntegerField()),
                    ],
                    options={
                        "ordering": ["position"],
                        "constraints": [models.UniqueConstraint(fields=("proposal", "read"), name="proposals_cited_once")],
                    },
                ),
                migrations.CreateModel(
                    name="Feedback",
                    fields=[
                        (
                            "proposal",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                primary_key=True,
                                related_name="feedback",
                                serialize=False,
                                to="proposals.proposal",
                            ),
                        ),
                        ("code", models.CharField(max_length=64)),
                        ("comment", models.TextField(blank=True)),
                        ("differences", models.JSONField(default=list, help_text="Facts that drifted, when drift voided the proposal")),
                        ("recorded_at", models.DateTimeField()),
                    ],
                ),
                migrations.CreateModel(
                    name="Outcome",
                    fields=[
                        (
                            "proposal",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.PROTECT,
                                primary_key=True,
                                related_name="outcome",
                                serialize=False,
                                to="proposals.proposal",
                            ),
                        ),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("queued", "Queued"),
                                    ("in_flight", "In flight"),
                                    ("committed", "Committed"),
                                    ("failed", "Failed"),
                                    ("unknown", "Unknown"),
                                    ("logged", "Logged only"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("document", models.CharField(blank=True, max_length=80)),
                        ("code", models.CharField(blank=True, max_length=64)),
                        ("detail", models.TextField(blank=True)),
                        ("data", models.JSONField(default=dict)),
                        ("updated_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("status__in", ["queued", "in_flight", "committed", "failed", "unknown", "logged"])),
                                name="proposals_outcome_status_known",
                            )
                        ],
                    },
                ),
            ]
        ),
        migrations.AddField(
            model_name="Proposal",
            name="reads",
            field=models.ManyToManyField(related_name="proposals", through="proposals.Citation", to="proposals.readreceipt"),
        ),
    ]
