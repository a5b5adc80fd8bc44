"""The places that settings name, as exporters."""

from __future__ import annotations

from django.conf import settings

from audit.exporting import Exporter
from gateway.checkpoints.object_store import ObjectStoreExporter
from gateway.checkpoints.timestamps import TimestampExporter
from gateway.checkpoints.witness import WitnessExporter


def remote_exporters() -> list[Exporter]:
    """Return the object store, the witnesses and the time-stamp authority of this installation, as far as it has them."""
    found: list[Exporter] = []
    if settings.AUDIT_OBJECT_STORE is not None:
        found.append(ObjectStoreExporter(settings.AUDIT_OBJECT_STORE))
    found += [WitnessExporter(witness) for witness in settings.AUDIT_WITNESSES]
    if settings.AUDIT_TIMESTAMP_AUTHORITY is not None:
        found.append(TimestampExporter(settings.AUDIT_TIMESTAMP_AUTHORITY))
    return found
