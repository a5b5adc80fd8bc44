"""What strengthens a decision (second factor, passkey signature) and what is said around it (comments, attachments)."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

import kernel.ids

PERSON = {"on_delete": django.db.models.deletion.PROTECT, "related_name": "+", "to": settings.AUTH_USER_MODEL}
KEY = {"default": kernel.ids.new_id, "editable": False, "primary_key": True, "serialize": False}
VERIFIED_FLAGS = [flags for flags in range(256) if flags & 0x05 == 0x05]

INSERT_ONLY_TABLES = ("approvals_stepup", "approvals_signature", "approvals_comment", "approvals_attachment")
INSERT_ONLY_TRIGGER = """
CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
"""

# A challenge is used once, and what it was made for stays what it was.
CEREMONY_GUARD = """
CREATE FUNCTION approvals_ceremony_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.used_at IS NOT NULL OR NEW.used_at IS NULL
       OR (NEW.id, NEW.user_id, NEW.salt, NEW.digest, NEW.nonce, NEW.state, NEW.created_at)
          IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.salt, OLD.digest, OLD.nonce, OLD.state, OLD.created_at)
    THEN
        RAISE EXCEPTION 'a challenge is used once and stays as it was made' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER approvals_ceremony_guard BEFORE UPDATE OR DELETE ON approvals_ceremony
FOR EACH ROW EXECUTE FUNCTION approvals_ceremony_guard();
"""
DROP_CEREMONY_GUARD = """
DROP TRIGGER approvals_ceremony_guard ON approvals_ceremony;
DROP FUNCTION approvals_ceremony_guard();
"""

# Content and digest belong together, whoever writes; PostgreSQL computes the same SHA-256.
ATTACHMENT_CHECK = """
ALTER TABLE approvals_attachment ADD CONSTRAINT approvals_attachment_digest
CHECK (octet_length(content) = size AND digest = 'sha256:' || encode(sha256(content), 'hex'));
"""

# What is said and attached belongs to an open proposal, and there is an end to it. The service says it better.
DISCUSSION_GUARD = """
CREATE FUNCTION approvals_discussion_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found_state text;
    found_count integer;
BEGIN
    SELECT state INTO found_state FROM proposals_proposal WHERE id = NEW.proposal_id FOR SHARE;
    IF found_state IS DISTINCT FROM 'pending' THEN
        RAISE EXCEPTION 'the proposal is not pending'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_guard_discussion', TABLE = TG_TABLE_NAME;
    END IF;
    EXECUTE format('SELECT count(*) FROM %I WHERE proposal_id = $1', TG_TABLE_NAME) INTO found_count USING NEW.proposal_id;
    IF found_count >= TG_ARGV[0]::integer THEN
        RAISE EXCEPTION 'the proposal has % of these already', found_count
            USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_guard_discussion_full', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER approvals_comment_guard BEFORE INSERT ON approvals_comment
FOR EACH ROW EXECUTE FUNCTION approvals_discussion_guard(200);
CREATE TRIGGER approvals_attachment_guard BEFORE INSERT ON approvals_attachment
FOR EACH ROW EXECUTE FUNCTION approvals_discussion_guard(20);
"""
DROP_DISCUSSION_GUARD = """
DROP TRIGGER approvals_attachment_guard ON approvals_attachment;
DROP TRIGGER approvals_comment_guard ON approvals_comment;
DROP FUNCTION approvals_discussion_guard();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0002_guards"),
        ("proposals", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.CreateModel(
            name="StepUp",
            fields=[
                ("id", models.UUIDField(**KEY)),
                ("purpose", models.CharField(help_text="decision, bulk or policy", max_length=20)),
                ("subject", models.CharField(help_text="The digest of what was shown", max_length=80)),
                ("draft", models.JSONField(default=dict, help_text="What was pressed and typed")),
                ("shown_at", models.DateTimeField()),
                ("asked_at", models.DateTimeField()),
                ("user", models.ForeignKey(**PERSON)),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=Q(asked_at__gte=F("shown_at")), name="approvals_asked_after_shown")],
                "indexes": [models.Index(fields=["user", "purpose", "subject", "-asked_at"], name="approvals_step_up_newest")],
            },
        ),
        migrations.CreateModel(
            name="Ceremony",
            fields=[
                ("id", models.UUIDField(**KEY)),
                ("salt", models.BinaryField(help_text="32 random bytes inside the statement: its digest tells nobody what was typed")),
                ("digest", models.BinaryField(help_text="SHA-256 of the statement")),
                ("nonce", models.BinaryField()),
                ("state", models.JSONField(help_text="What fido2 needs to check the answer")),
                ("created_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                ("user", models.ForeignKey(**PERSON)),
            ],
            options={"verbose_name_plural": "ceremonies"},
        ),
        migrations.CreateModel(
            name="Signature",
            fields=[
                ("id", models.UUIDField(**KEY)),
                (
                    "statement_bytes",
                    models.BinaryField(help_text="Canonical bytes of what was signed: proposal, digests, decision, reason, comment"),
                ),
                ("digest", models.BinaryField(help_text="SHA-256 of the statement, within the challenge")),
                ("nonce", models.BinaryField()),
                ("client_data", models.BinaryField()),
                ("authenticator_data", models.BinaryField()),
                ("signature", models.BinaryField()),
                ("credential_id", models.BinaryField()),
                ("public_key", models.BinaryField(help_text="COSE key")),
                (
                    "attestation_object",
                    models.BinaryField(help_text="From the enrolment: ties the key to it; its AAGUID is a claim, not a proof"),
                ),
                ("aaguid", models.CharField(max_length=40)),
                (
                    "flags",
                    models.PositiveSmallIntegerField(help_text="0x01 present, 0x04 verified, 0x08 and 0x10: a passkey that is synced"),
                ),
                ("counter", models.BigIntegerField(help_text="Kept as evidence; synced passkeys send 0 for ever")),
                ("rp_id", models.CharField(max_length=255)),
                ("origin", models.CharField(max_length=255)),
                ("signed_at", models.DateTimeField()),
                (
                    "ceremony",
                    models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="approvals.ceremony"),
                ),
                ("user", models.ForeignKey(**PERSON)),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=Q(flags__in=VERIFIED_FLAGS), name="approvals_signature_verified")],
            },
        ),
        migrations.CreateModel(
            name="Comment",
            fields=[
                ("id", models.UUIDField(**KEY)),
                ("text", models.TextField()),
                ("created_at", models.DateTimeField()),
                ("author", models.ForeignKey(**PERSON)),
                (
                    "proposal",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="comments", to="proposals.proposal"),
                ),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=~Q(text=""), name="approvals_comment_says_something")],
                "indexes": [models.Index(fields=["proposal", "created_at"], name="approvals_comments")],
            },
        ),
        migrations.CreateModel(
            name="Attachment",
            fields=[
                ("id", models.UUIDField(**KEY)),
                ("name", models.CharField(help_text="As the person called it; never a path", max_length=120)),
                ("media_type", models.CharField(help_text="Found from the content, not from the name", max_length=40)),
                ("size", models.PositiveIntegerField()),
                ("digest", models.CharField(help_text="Plain SHA-256 of the content, as sha256sum prints it", max_length=71)),
                ("content", models.BinaryField()),
                ("created_at", models.DateTimeField()),
                ("author", models.ForeignKey(**PERSON)),
                (
                    "proposal",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="attachments", to="proposals.proposal"),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("proposal", "digest"), name="approvals_attached_once"),
                    models.CheckConstraint(
                        condition=Q(media_type__in=("application/pdf", "image/jpeg", "image/png", "text/plain")),
                        name="approvals_attachment_type_known",
                    ),
                    models.CheckConstraint(condition=Q(size__gte=1, size__lte=5242880), name="approvals_attachment_size"),
                ],
                "indexes": [models.Index(fields=["proposal", "created_at"], name="approvals_attachments")],
            },
        ),
        migrations.AddField(
            model_name="presentation",
            name="page_digest",
            field=models.CharField(
                blank=True, default="", help_text="Plain SHA-256 of the page that the renderer makes of these facts", max_length=71
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="presentation",
            name="needs_reason",
            field=models.BooleanField(default=False, help_text="Something on it wants a look: approving asks for a reason and a comment"),
        ),
        migrations.AddField(
            model_name="decision",
            name="second_factor",
            field=models.JSONField(blank=True, help_text="The login's record of the strong second factor, copied", null=True),
        ),
        migrations.AddField(
            model_name="decision",
            name="second_factor_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="decision",
            name="signature",
            field=models.ForeignKey(
                blank=True,
                help_text="The passkey's, if signed",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="decisions",
                to="approvals.signature",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=Q(second_factor__isnull=True, second_factor_at__isnull=True)
                | Q(
                    second_factor__isnull=False,
                    second_factor_at__isnull=False,
                    second_factor_at__gt=F("shown_at"),
                    second_factor_at__lte=F("decided_at"),
                ),
                name="approvals_second_factor_after_shown",
            ),
        ),
        *[
            migrations.RunSQL(INSERT_ONLY_TRIGGER.format(table=table), f"DROP TRIGGER {table}_insert_only ON {table}")
            for table in INSERT_ONLY_TABLES
        ],
        migrations.RunSQL(CEREMONY_GUARD, DROP_CEREMONY_GUARD),
        migrations.RunSQL(ATTACHMENT_CHECK, "ALTER TABLE approvals_attachment DROP CONSTRAINT approvals_attachment_digest"),
        migrations.RunSQL(DISCUSSION_GUARD, DROP_DISCUSSION_GUARD),
    ]
