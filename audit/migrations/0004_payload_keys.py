"""Each payload gets a key of its own, kept apart from it and wrapped."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

GUARD = """
CREATE FUNCTION audit_guard_payload_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.wrapped IS NULL THEN
        RAISE EXCEPTION 'the key of % was shredded: that is final', OLD.event_id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.event_id <> OLD.event_id THEN
        RAISE EXCEPTION 'a payload key belongs to one event' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_payloadkey_guard BEFORE UPDATE ON audit_payloadkey
    FOR EACH ROW EXECUTE FUNCTION audit_guard_payload_key();
CREATE TRIGGER audit_payloadkey_kept BEFORE DELETE OR TRUNCATE ON audit_payloadkey
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""
UNGUARD = """
DROP TRIGGER audit_payloadkey_guard ON audit_payloadkey;
DROP TRIGGER audit_payloadkey_kept ON audit_payloadkey;
DROP FUNCTION audit_guard_payload_key();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_exports")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
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
                        condition=models.Q(("shredded_at__isnull", False)),
                        fields=["disposal_id"],
                        name="audit_payloadkey_disposal",
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
        migrations.RunSQL(GUARD, UNGUARD),
    ]
