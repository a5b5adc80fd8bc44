"""The tables of audit: events, payloads under their keys, seals, checkpoints, holds and disposals."""

from __future__ import annotations

import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import audit.models
import kernel.ids
from kernel.tables import CreateTables


class Migration(migrations.Migration):
    # Installations from before 0.1.0 have all of these and go on as they are.
    replaces = [
        ("audit", "0001_initial"),
        ("audit", "0002_insert_only"),
        ("audit", "0003_exports"),
        ("audit", "0004_payload_keys"),
        ("audit", "0005_encrypted_payloads"),
        ("audit", "0006_retention"),
        ("audit", "0007_retention_guards"),
        ("audit", "0008_links_and_partitions"),
    ]

    initial = True

    dependencies = []

    operations = [
        CreateTables(
            [
                migrations.CreateModel(
                    name="Event",
                    fields=[
                        ("event_id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                        ("kind", models.CharField(max_length=80)),
                        ("occurred_at", models.DateTimeField()),
                        ("recorded_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("transaction", models.BigIntegerField(db_default=audit.models.CurrentTransaction())),
                        ("actor_kind", models.CharField(max_length=16)),
                        ("actor_id", models.CharField(max_length=128)),
                        ("subject_kind", models.CharField(max_length=64)),
                        ("subject_id", models.CharField(max_length=128)),
                        ("proposal", models.CharField(blank=True, default="", max_length=64)),
                        ("company", models.CharField(blank=True, default="", max_length=64)),
                        ("tool", models.CharField(blank=True, default="", max_length=128)),
                        ("chain", models.CharField(max_length=200)),
                        ("position", models.PositiveBigIntegerField()),
                        ("previous_leaf", models.BinaryField(null=True)),
                        ("bytes", models.BinaryField()),
                        ("leaf", models.BinaryField()),
                        ("mac", models.BinaryField()),
                    ],
                    options={
                        "indexes": [
                            models.Index(fields=["chain", "position"], name="audit_event_chain"),
                            models.Index(fields=["transaction"], name="audit_event_transaction"),
                            django.contrib.postgres.indexes.BrinIndex(fields=["recorded_at"], name="audit_event_recorded_at"),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("position", 1), ("previous_leaf__isnull", True)),
                                    models.Q(("position__gt", 1), ("previous_leaf__isnull", False)),
                                    _connector="OR",
                                ),
                                name="audit_event_first_has_no_previous",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Link",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey("chain", "position", blank=True, editable=False, primary_key=True, serialize=False),
                        ),
                        ("chain", models.CharField(max_length=200)),
                        ("position", models.PositiveBigIntegerField()),
                        ("event_id", models.UUIDField(unique=True)),
                        ("leaf", models.BinaryField()),
                    ],
                ),
                migrations.CreateModel(
                    name="EventPayload",
                    fields=[
                        (
                            "event",
                            models.OneToOneField(
                                db_constraint=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                primary_key=True,
                                related_name="payload",
                                serialize=False,
                                to="audit.event",
                            ),
                        ),
                        ("salt", models.BinaryField()),
                        ("content", models.BinaryField()),
                        ("key_id", models.CharField(blank=True, default="", max_length=64)),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(models.Q(("key_id", ""), _negated=True), ("salt", b"")),
                                name="audit_payload_is_encrypted",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PayloadKey",
                    fields=[
                        (
                            "payload",
                            models.OneToOneField(
                                db_column="event_id",
                                db_constraint=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                primary_key=True,
                                related_name="key",
                                serialize=False,
                                to="audit.eventpayload",
                            ),
                        ),
                        ("wrapped", models.BinaryField(null=True)),
                        ("wrapping_key", models.CharField(max_length=16)),
                        ("shredded_at", models.DateTimeField(null=True)),
                        ("disposal_id", models.UUIDField(null=True)),
                        ("tombstone_id", models.UUIDField(null=True)),
                    ],
                    options={
                        "indexes": [
                            models.Index(
                                condition=models.Q(("wrapped__isnull", False)),
                                fields=["wrapping_key", "payload"],
                                name="audit_payloadkey_wrapping",
                            ),
                            models.Index(
                                condition=models.Q(("shredded_at__isnull", False)), fields=["disposal_id"], name="audit_payloadkey_disposal"
                            ),
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("disposal_id__isnull", True),
                                        ("shredded_at__isnull", True),
                                        ("tombstone_id__isnull", True),
                                        ("wrapped__isnull", False),
                                    ),
                                    models.Q(
                                        ("disposal_id__isnull", False),
                                        ("shredded_at__isnull", False),
                                        ("tombstone_id__isnull", False),
                                        ("wrapped__isnull", True),
                                    ),
                                    _connector="OR",
                                ),
                                name="audit_payloadkey_there_or_shredded",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Seal",
                    fields=[
                        ("sequence", models.BigIntegerField(primary_key=True, serialize=False)),
                        (
                            "event",
                            models.OneToOneField(
                                db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name="seal", to="audit.event"
                            ),
                        ),
                        ("entry", models.BinaryField(unique=True)),
                        ("previous", models.BinaryField(unique=True)),
                        ("sealed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                    ],
                    options={
                        "constraints": [models.CheckConstraint(condition=models.Q(("sequence__gte", 1)), name="audit_seal_from_one")],
                    },
                ),
                migrations.CreateModel(
                    name="Frontier",
                    fields=[
                        ("size", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("subtrees", models.BinaryField()),
                        ("root", models.BinaryField()),
                        ("entry", models.BinaryField()),
                        ("sealed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                    ],
                ),
                migrations.CreateModel(
                    name="Checkpoint",
                    fields=[
                        ("size", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("root", models.BinaryField()),
                        ("note", models.TextField()),
                        ("signed_at", models.DateTimeField()),
                    ],
                ),
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
                        (
                            "answer",
                            models.BinaryField(default=bytes, help_text="What the other side gave back: cosignatures, a time-stamp"),
                        ),
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
                migrations.CreateModel(
                    name="RetentionRule",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "retention_class",
                            models.CharField(
                                choices=[
                                    ("ai_log", "Log of an AI system"),
                                    ("financial", "Financial record"),
                                    ("control", "Record of control"),
                                ],
                                max_length=16,
                            ),
                        ),
                        ("days", models.PositiveIntegerField()),
                        ("reason", models.CharField(max_length=500)),
                        ("set_by", models.CharField(max_length=128)),
                        ("set_at", models.DateTimeField()),
                    ],
                    options={
                        "indexes": [models.Index(fields=["retention_class", "-id"], name="audit_retention_newest")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("days__gte", 183), ("days__lte", 36525)), name="audit_retention_floor"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("retention_class__in", ["ai_log", "financial", "control"])),
                                name="audit_retention_class_known",
                            ),
                            models.CheckConstraint(condition=models.Q(("reason", ""), _negated=True), name="audit_retention_has_a_reason"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="LegalHold",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        ("matter", models.CharField(help_text="The case or file it belongs to", max_length=200)),
                        (
                            "scope",
                            models.CharField(
                                choices=[
                                    ("everything", "Everything"),
                                    ("company", "One company"),
                                    ("proposal", "One proposal"),
                                    ("agent", "One agent"),
                                    ("person", "One person"),
                                ],
                                max_length=12,
                            ),
                        ),
                        (
                            "value",
                            models.CharField(blank=True, default="", help_text="Which company, proposal, agent or person", max_length=128),
                        ),
                        ("since", models.DateTimeField(blank=True, null=True)),
                        ("until", models.DateTimeField(blank=True, null=True)),
                        (
                            "state",
                            models.CharField(choices=[("placed", "In force"), ("released", "Released")], default="placed", max_length=10),
                        ),
                        ("reason", models.CharField(max_length=500)),
                        ("placed_by", models.CharField(max_length=128)),
                        ("placed_at", models.DateTimeField()),
                        ("released_by", models.CharField(blank=True, default="", max_length=128)),
                        ("released_at", models.DateTimeField(blank=True, null=True)),
                        ("release_reason", models.CharField(blank=True, default="", max_length=500)),
                    ],
                    options={
                        "indexes": [
                            models.Index(condition=models.Q(("state", "placed")), fields=["scope", "value"], name="audit_hold_in_force")
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("scope__in", ["everything", "company", "proposal", "agent", "person"])),
                                name="audit_hold_scope_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("scope", "everything"), ("value", "")),
                                    models.Q(models.Q(("scope", "everything"), _negated=True), models.Q(("value", ""), _negated=True)),
                                    _connector="OR",
                                ),
                                name="audit_hold_names_what_it_covers",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("since__isnull", True),
                                    ("until__isnull", True),
                                    models.Q(("since__isnull", False), ("since__lt", models.F("until")), ("until__isnull", False)),
                                    _connector="OR",
                                ),
                                name="audit_hold_period_runs_forward",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("released_at__isnull", True), ("released_by", ""), ("state", "placed")),
                                    models.Q(
                                        ("released_at__isnull", False),
                                        ("state", "released"),
                                        models.Q(("released_by", ""), _negated=True),
                                        models.Q(("release_reason", ""), _negated=True),
                                    ),
                                    _connector="OR",
                                ),
                                name="audit_hold_state_has_its_people",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(models.Q(("reason", ""), _negated=True), models.Q(("matter", ""), _negated=True)),
                                name="audit_hold_has_a_reason",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Disposal",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        ("purpose", models.CharField(choices=[("expiry", "Expiry"), ("erasure", "Erasure for one person")], max_length=8)),
                        (
                            "person",
                            models.CharField(blank=True, default="", help_text="Whose data is erased: an opaque id", max_length=128),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("listed", "Waits for approval"),
                                    ("approved", "Approved, being carried out"),
                                    ("declined", "Declined"),
                                    ("completed", "Carried out"),
                                ],
                                default="listed",
                                max_length=10,
                            ),
                        ),
                        ("reason", models.CharField(blank=True, default="", max_length=500)),
                        ("prepared_by", models.CharField(max_length=128)),
                        ("prepared_at", models.DateTimeField()),
                        ("listed", models.PositiveIntegerField()),
                        ("exempt", models.PositiveIntegerField(default=0)),
                        ("list_digest", models.CharField(max_length=80)),
                        ("companies", models.JSONField(default=list)),
                        ("declined_by", models.CharField(blank=True, default="", max_length=128)),
                        ("shredded", models.PositiveIntegerField(default=0)),
                        ("held_back", models.PositiveIntegerField(default=0)),
                        ("completed_at", models.DateTimeField(blank=True, null=True)),
                        ("certificate", models.BinaryField(null=True)),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("purpose__in", ["expiry", "erasure"])), name="audit_disposal_purpose_known"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("person", ""), ("purpose", "expiry")),
                                    models.Q(("purpose", "erasure"), models.Q(("person", ""), _negated=True)),
                                    _connector="OR",
                                ),
                                name="audit_disposal_names_the_person",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("completed_at__isnull", True), ("declined_by", ""), ("state__in", ["listed", "approved"])),
                                    models.Q(
                                        ("completed_at__isnull", True), ("state", "declined"), models.Q(("declined_by", ""), _negated=True)
                                    ),
                                    models.Q(
                                        ("certificate__isnull", False),
                                        ("completed_at__isnull", False),
                                        ("declined_by", ""),
                                        ("state", "completed"),
                                    ),
                                    _connector="OR",
                                ),
                                name="audit_disposal_state_is_complete",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("purpose", "expiry"), ("state__in", ["listed", "approved"])),
                                fields=("purpose",),
                                name="audit_disposal_one_open_expiry",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="DisposalItem",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "disposal",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="items", to="audit.disposal"),
                        ),
                        ("event_id", models.UUIDField()),
                        ("kept_until", models.DateTimeField(help_text="When the last class that counts for this list ends")),
                        ("exempt", models.CharField(blank=True, default="", max_length=60)),
                    ],
                    options={
                        "constraints": [models.UniqueConstraint(fields=("disposal", "event_id"), name="audit_disposal_item_once")],
                    },
                ),
                migrations.CreateModel(
                    name="DisposalApproval",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        (
                            "disposal",
                            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="approvals", to="audit.disposal"),
                        ),
                        ("person", models.CharField(max_length=128)),
                        ("list_digest", models.CharField(max_length=80)),
                        ("approved_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(fields=("disposal", "person"), name="audit_disposal_approved_once_by_each")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Archive",
                    fields=[
                        ("id", models.UUIDField(default=kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                        ("first_sequence", models.BigIntegerField()),
                        ("last_sequence", models.BigIntegerField(unique=True)),
                        ("root", models.BinaryField()),
                        ("partitions", models.JSONField(default=list)),
                        ("file", models.CharField(max_length=500)),
                        ("sha256", models.CharField(max_length=80)),
                        ("archived_by", models.CharField(max_length=128)),
                        ("archived_at", models.DateTimeField()),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("first_sequence__gte", 1), ("last_sequence__gte", models.F("first_sequence"))),
                                name="audit_archive_runs_forward",
                            )
                        ],
                    },
                ),
            ]
        ),
    ]
