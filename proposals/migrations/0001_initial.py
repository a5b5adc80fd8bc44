import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import kernel.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("identity", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Proposal",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
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
                ("reference", models.CharField(blank=True, help_text="The caller's own reference, e.g. the order number", max_length=80)),
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
                ("compensates", models.CharField(blank=True, help_text="TypeID of the break this corrects", max_length=40)),
                ("trace_id", models.CharField(blank=True, max_length=32)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("agent", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="proposals", to="identity.agent")),
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
            ],
        ),
        migrations.CreateModel(
            name="Citation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField()),
                (
                    "proposal",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="citations", to="proposals.proposal"),
                ),
            ],
            options={
                "ordering": ["position"],
            },
        ),
        migrations.CreateModel(
            name="ReadReceipt",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("tool", models.CharField(max_length=64)),
                ("tool_version", models.PositiveIntegerField()),
                ("company", models.CharField(max_length=12)),
                ("arguments", models.JSONField()),
                ("as_of", models.DateTimeField()),
                ("result_bytes", models.BinaryField(help_text="Canonical bytes of the result; the digest is over these")),
                ("result_digest", models.CharField(max_length=71)),
                ("agent", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="reads", to="identity.agent")),
            ],
        ),
        migrations.AddField(
            model_name="proposal",
            name="reads",
            field=models.ManyToManyField(related_name="proposals", through="proposals.Citation", to="proposals.readreceipt"),
        ),
        migrations.AddField(
            model_name="citation",
            name="read",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="citations", to="proposals.readreceipt"),
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
        migrations.AddIndex(
            model_name="readreceipt",
            index=models.Index(fields=["agent", "-as_of"], name="proposals_read_by_agent"),
        ),
        migrations.AddIndex(
            model_name="proposal",
            index=models.Index(condition=models.Q(("state", "pending")), fields=["expires_at"], name="proposals_pending_by_due"),
        ),
        migrations.AddIndex(
            model_name="proposal",
            index=models.Index(condition=models.Q(("state", "approved")), fields=["decided_at"], name="proposals_approved"),
        ),
        migrations.AddIndex(
            model_name="proposal",
            index=models.Index(fields=["agent", "tool", "-created_at"], name="proposals_rolling_by_agent"),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.UniqueConstraint(fields=("agent", "idempotency_key"), name="proposals_key_once_per_agent"),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["pending", "approved", "rejected", "changes_requested", "expired", "withdrawn", "voided", "superseded"])
                ),
                name="proposals_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at__isnull", True), ("state", "pending")),
                    models.Q(models.Q(("state", "pending"), _negated=True), ("decided_at__isnull", False)),
                    _connector="OR",
                ),
                name="proposals_decided_at_matches_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_at__gt", models.F("created_at"))), name="proposals_expires_after_creation"
            ),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.CheckConstraint(condition=models.Q(("revision__gte", 1)), name="proposals_revision_counts_from_one"),
        ),
        migrations.AddConstraint(
            model_name="proposal",
            constraint=models.CheckConstraint(condition=models.Q(("payload_digest__startswith", "sha256:")), name="proposals_digest_form"),
        ),
        migrations.AddConstraint(
            model_name="citation",
            constraint=models.UniqueConstraint(fields=("proposal", "read"), name="proposals_cited_once"),
        ),
    ]
