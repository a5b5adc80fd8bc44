"""Webhook endpoints, their messages, and the attempts to deliver them."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import kernel.ids


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0007_limits"),
        ("proposals", "0003_acts_for"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="WebhookEndpoint",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("url", models.CharField(max_length=2048)),
                ("secret", models.BinaryField(help_text="Encrypted; shown once, when it was made")),
                ("previous_secret", models.BinaryField(blank=True, help_text="Signs beside the new one until previous_until", null=True)),
                ("previous_until", models.DateTimeField(blank=True, null=True)),
                ("state", models.CharField(choices=[("on", "On"), ("off", "Off")], default="on", max_length=10)),
                ("off_because", models.CharField(blank=True, max_length=200)),
                ("failing_since", models.DateTimeField(blank=True, help_text="Since when no attempt has succeeded", null=True)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "agent",
                    models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name="webhook_endpoint", to="identity.agent"),
                ),
                (
                    "created_by",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WebhookMessage",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(help_text="The message's type, e.g. proposal.approved", max_length=60)),
                ("proposal", models.CharField(blank=True, help_text="TypeID of the proposal it tells of; empty for a test", max_length=40)),
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
                (
                    "endpoint",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="messages", to="proposals.webhookendpoint"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WebhookAttempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
                ("status", models.PositiveIntegerField(blank=True, help_text="HTTP status; empty when there was no answer", null=True)),
                ("detail", models.CharField(blank=True, max_length=300)),
                ("duration_ms", models.PositiveIntegerField(default=0)),
                (
                    "message",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="attempts", to="proposals.webhookmessage"),
                ),
            ],
            options={
                "ordering": ["number"],
            },
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(condition=models.Q(("state__in", ["on", "off"])), name="webhooks_endpoint_state_known"),
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("previous_secret__isnull", True), ("previous_until__isnull", True)),
                    models.Q(("previous_secret__isnull", False), ("previous_until__isnull", False)),
                    _connector="OR",
                ),
                name="webhooks_previous_secret_has_an_end",
            ),
        ),
        migrations.AddIndex(
            model_name="webhookmessage",
            index=models.Index(condition=models.Q(("state", "pending")), fields=["next_at"], name="webhooks_due"),
        ),
        migrations.AddIndex(
            model_name="webhookmessage",
            index=models.Index(fields=["endpoint", "-created_at"], name="webhooks_by_endpoint"),
        ),
        migrations.AddIndex(
            model_name="webhookmessage",
            index=models.Index(condition=models.Q(("state", "pending"), _negated=True), fields=["finished_at"], name="webhooks_finished"),
        ),
        migrations.AddConstraint(
            model_name="webhookmessage",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["pending", "delivered", "given_up"])), name="webhooks_message_state_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookmessage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at__isnull", True), ("state", "pending")),
                    models.Q(models.Q(("state", "pending"), _negated=True), ("finished_at__isnull", False)),
                    _connector="OR",
                ),
                name="webhooks_finished_at_matches_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookattempt",
            constraint=models.UniqueConstraint(fields=("message", "number"), name="webhooks_attempt_numbered_once"),
        ),
    ]
