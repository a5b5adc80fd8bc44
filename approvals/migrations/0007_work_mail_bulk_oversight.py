"""Claims, snoozing and looking; mails; bulk approvals; the blind second review."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import kernel.ids


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0006_delegation_and_due_dates"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("identity", "0009_federation_guards"),
        ("proposals", "0004_webhooks"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.CreateModel(
            name="MailPreference",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("at_once", models.BooleanField(default=True)),
                ("digest", models.BooleanField(default=True)),
                ("updated_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Bulk",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("tool", models.CharField(max_length=64)),
                ("position", models.PositiveIntegerField(help_text="Of the step in its route")),
                ("set_digest", models.CharField(max_length=71)),
                ("excluded", models.JSONField(default=list, help_text="What was picked and left out, and why")),
                (
                    "state",
                    models.CharField(choices=[("prepared", "Prepared"), ("confirmed", "Confirmed")], default="prepared", max_length=10),
                ),
                ("authentication", models.JSONField(default=list, help_text="Methods of the login that confirmed it")),
                ("prepared_at", models.DateTimeField()),
                ("valid_until", models.DateTimeField(help_text="Past it the person has to look anew")),
                ("confirmed_at", models.DateTimeField(blank=True, null=True)),
                ("group", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.approvalgroup")),
                (
                    "signature",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="approvals.signature"
                    ),
                ),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name="BulkItem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField()),
                ("payload_digest", models.CharField(max_length=71)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "Waiting"), ("approved", "Approved"), ("refused", "Not approved")],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("code", models.CharField(blank=True, help_text="Why it was not approved", max_length=64)),
                ("detail", models.TextField(blank=True)),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                ("bulk", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="items", to="approvals.bulk")),
                (
                    "decision",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="bulk_item",
                        to="approvals.decision",
                    ),
                ),
                (
                    "presentation",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="approvals.presentation"),
                ),
                ("proposal", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.proposal")),
            ],
            options={
                "ordering": ["position"],
            },
        ),
        migrations.CreateModel(
            name="Claim",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.PositiveSmallIntegerField(help_text="From 1 to the number of approvals that the step asks for")),
                ("note", models.CharField(blank=True, max_length=500)),
                ("claimed_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "ended_because",
                    models.CharField(
                        blank=True, choices=[("returned", "Returned to the group"), ("forwarded", "Forwarded")], default="", max_length=10
                    ),
                ),
                ("given_by", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("step", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="claims", to="approvals.routestep")),
                (
                    "user",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="claims", to=settings.AUTH_USER_MODEL),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Draw",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("company", models.CharField(max_length=12)),
                ("on", models.DateField(help_text="The UTC day on which the population was approved")),
                ("seed", models.CharField(help_text="Made at random after the day had ended", max_length=64)),
                ("share_permille", models.PositiveSmallIntegerField(help_text="Out of a thousand")),
                ("population_count", models.PositiveIntegerField()),
                ("population_digest", models.CharField(help_text="Over the sorted ids of the population", max_length=71)),
                ("drawn_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("company", "on"), name="approvals_drawn_once"),
                    models.CheckConstraint(condition=models.Q(("share_permille__lte", 1000)), name="approvals_draw_share_in_thousand"),
                ],
            },
        ),
        migrations.CreateModel(
            name="EvidenceOpening",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("opened_at", models.DateTimeField()),
                ("proposal", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.proposal")),
                ("read", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.readreceipt")),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name="Looking",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("seen_at", models.DateTimeField()),
                ("proposal", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.proposal")),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name="Mail",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=[("now", "At once"), ("digest", "Digest")], max_length=8)),
                ("reason", models.CharField(blank=True, help_text="Why at once: due_soon, high, forwarded, escalated", max_length=20)),
                ("key", models.CharField(max_length=120, unique=True)),
                (
                    "companies",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=12), default=list, size=None),
                ),
                (
                    "proposals",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), default=list, help_text="TypeIDs of what it was sent about", size=None
                    ),
                ),
                ("subject", models.CharField(blank=True, help_text="As sent", max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[("queued", "Queued"), ("sent", "Sent"), ("dropped", "Not sent"), ("failed", "Given up")],
                        default="queued",
                        max_length=8,
                    ),
                ),
                ("attempt_count", models.PositiveIntegerField(default=0)),
                ("detail", models.CharField(blank=True, help_text="What the last attempt said, or why it was not sent", max_length=300)),
                ("next_at", models.DateTimeField(help_text="When it is due")),
                ("leased_until", models.DateTimeField(blank=True, help_text="Until when an attempt may be under way", null=True)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name="Review",
            fields=[
                ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("shown_at", models.DateTimeField(blank=True, null=True)),
                (
                    "verdict",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("approve", "I would approve"),
                            ("request_changes", "I would request changes"),
                            ("reject", "I would reject"),
                        ],
                        default="",
                        max_length=16,
                    ),
                ),
                ("comment", models.TextField(blank=True)),
                ("created_at", models.DateTimeField()),
                ("reviewed_at", models.DateTimeField(blank=True, null=True)),
                ("draw", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="reviews", to="approvals.draw")),
                (
                    "presentation",
                    models.ForeignKey(
                        help_text="What was decided on",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="approvals.presentation",
                    ),
                ),
                ("proposal", models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="proposals.proposal")),
                (
                    "reviewer",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty: nobody could be asked",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Snooze",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("until", models.DateTimeField()),
                ("snoozed_at", models.DateTimeField()),
                (
                    "proposal",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="snoozes", to="proposals.proposal"),
                ),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.AddConstraint(
            model_name="bulk",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("confirmed_at__isnull", True), ("state", "prepared")),
                    models.Q(("confirmed_at__isnull", False), ("confirmed_at__lt", models.F("valid_until")), ("state", "confirmed")),
                    _connector="OR",
                ),
                name="approvals_bulk_confirmed_in_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulk",
            constraint=models.CheckConstraint(condition=models.Q(("set_digest__startswith", "sha256:")), name="approvals_bulk_digest_form"),
        ),
        migrations.AddConstraint(
            model_name="bulkitem",
            constraint=models.UniqueConstraint(fields=("bulk", "position"), name="approvals_bulk_position_once"),
        ),
        migrations.AddConstraint(
            model_name="bulkitem",
            constraint=models.UniqueConstraint(fields=("bulk", "proposal"), name="approvals_bulk_proposal_once"),
        ),
        migrations.AddConstraint(
            model_name="bulkitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decision__isnull", True), ("settled_at__isnull", True), ("state", "pending")),
                    models.Q(("decision__isnull", False), ("settled_at__isnull", False), ("state", "approved")),
                    models.Q(
                        ("decision__isnull", True),
                        ("settled_at__isnull", False),
                        ("state", "refused"),
                        models.Q(("code", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="approvals_bulk_item_settled",
            ),
        ),
        migrations.AddIndex(
            model_name="claim",
            index=models.Index(condition=models.Q(("ended_at__isnull", True)), fields=["user"], name="approvals_claims_by_person"),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)), fields=("step", "place"), name="approvals_one_claim_per_place"
            ),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)), fields=("step", "user"), name="approvals_claimed_once_per_person"
            ),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", True), ("ended_because", "")),
                    models.Q(("ended_at__isnull", False), ("ended_because__in", ["returned", "forwarded"])),
                    _connector="OR",
                ),
                name="approvals_claim_ended_for_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="evidenceopening",
            constraint=models.UniqueConstraint(fields=("proposal", "user", "read"), name="approvals_evidence_opened_once"),
        ),
        migrations.AddIndex(
            model_name="looking",
            index=models.Index(fields=["seen_at"], name="approvals_looking_by_time"),
        ),
        migrations.AddConstraint(
            model_name="looking",
            constraint=models.UniqueConstraint(fields=("proposal", "user"), name="approvals_looking_once"),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(condition=models.Q(("state", "queued")), fields=["next_at"], name="approvals_mails_due"),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(fields=["-created_at"], name="approvals_mails_by_time"),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["queued", "sent", "dropped", "failed"])), name="approvals_mail_state_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(condition=models.Q(("kind__in", ["now", "digest"])), name="approvals_mail_kind_known"),
        ),
        migrations.AddConstraint(
            model_name="mail",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at__isnull", True), ("state", "queued")),
                    models.Q(models.Q(("state", "queued"), _negated=True), ("finished_at__isnull", False)),
                    _connector="OR",
                ),
                name="approvals_mail_finished_at_matches",
            ),
        ),
        migrations.AddIndex(
            model_name="review",
            index=models.Index(condition=models.Q(("verdict", "")), fields=["reviewer"], name="approvals_reviews_waiting"),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("reviewed_at__isnull", True), ("verdict", "")),
                    models.Q(
                        ("reviewed_at__gte", models.F("shown_at")),
                        ("reviewed_at__isnull", False),
                        ("reviewer__isnull", False),
                        ("shown_at__isnull", False),
                        ("verdict__in", ["approve", "request_changes", "reject"]),
                    ),
                    _connector="OR",
                ),
                name="approvals_review_given_after_shown",
            ),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.CheckConstraint(
                condition=models.Q(("verdict__in", ["", "approve"]), models.Q(("comment", ""), _negated=True), _connector="OR"),
                name="approvals_review_disagreement_has_comment",
            ),
        ),
        migrations.AddConstraint(
            model_name="snooze",
            constraint=models.UniqueConstraint(fields=("proposal", "user"), name="approvals_snoozed_once"),
        ),
        migrations.AddConstraint(
            model_name="snooze",
            constraint=models.CheckConstraint(
                condition=models.Q(("until__gt", models.F("snoozed_at"))), name="approvals_snoozed_until_later"
            ),
        ),
    ]
