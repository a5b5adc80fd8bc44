"""Payloads recorded before are encrypted like new ones; from here on a plain one can't be stored. No event changes."""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

BATCH = 500


def encrypt(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Encrypt what is plain. The payload is not hashed: its event holds a commitment to it, which stays true."""
    from audit.payload_keys import wrapping_ring
    from audit.payloads import SCHEME, seal_payload
    from audit.records import SaltedPayload

    del apps
    with editor.connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_eventpayload DISABLE TRIGGER audit_eventpayload_insert_only")
        while True:
            cursor.execute("SELECT event_id, salt, content FROM audit_eventpayload WHERE key_id = '' LIMIT %s", [BATCH])
            rows = cursor.fetchall()
            if not rows:
                break
            key = wrapping_ring().current
            for event_id, salt, content in rows:
                sealed = seal_payload(event_id, SaltedPayload(content=bytes(content), salt=bytes(salt)), key)
                cursor.execute(
                    "UPDATE audit_eventpayload SET salt = '', content = %s, key_id = %s WHERE event_id = %s",
                    [sealed.content, SCHEME, event_id],
                )
                cursor.execute(
                    "INSERT INTO audit_payloadkey (event_id, wrapped, wrapping_key) VALUES (%s, %s, %s)",
                    [event_id, sealed.wrapped, sealed.wrapping_key],
                )
        cursor.execute("ALTER TABLE audit_eventpayload ENABLE TRIGGER audit_eventpayload_insert_only")


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_payload_keys")]

    operations = [
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        migrations.RunPython(encrypt, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="eventpayload",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("key_id", ""), _negated=True), ("salt", b"")), name="audit_payload_is_encrypted"
            ),
        ),
    ]
