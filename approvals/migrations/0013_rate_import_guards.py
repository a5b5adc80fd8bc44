"""An import of rates is only ever added, as the rates are."""

from __future__ import annotations

from django.db import migrations

FORWARD = """
CREATE TRIGGER approvals_rateimport_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals_rateimport
FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
"""
REVERSE = "DROP TRIGGER approvals_rateimport_insert_only ON approvals_rateimport;"


class Migration(migrations.Migration):
    dependencies = [("approvals", "0012_rate_imports")]

    operations = [migrations.RunSQL(FORWARD, REVERSE)]
