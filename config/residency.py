"""Where data may go: every endpoint this installation is configured with lies in an allowed region, or it does not start.

A region is a word of the operator's own, such as `eu-central`. `COUNTERSIGN_REGION` says where the log is kept and is stamped on every
event; `COUNTERSIGN_ALLOWED_REGIONS` which regions data may go to; `COUNTERSIGN_ENDPOINT_REGIONS` where hosts lie, for nobody can see it
from their names: `erp.example.com=eu-central,.amazonaws.com=us-east`. Loopback is here. A host that nobody placed is refused. Endpoints
that people enter later (webhooks, trusted issuers) are held to the same by the guard of outgoing connections (gateway/regions.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from gateway.regions import region_of

Endpoints = Iterable[tuple[str, str]]  # what it is for, and its URL or host


def allowed_regions(text: str, own: str) -> frozenset[str]:
    """Return the regions data may go to; empty when the installation does not restrict them."""
    named = {part.strip() for part in text.split(",") if part.strip()}
    return frozenset(named | {own}) if named else frozenset()


def endpoint_regions(text: str) -> dict[str, str]:
    """Return where hosts and domains (`.example.com`) lie; raises SystemExit for what can't be read."""
    found = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        host, separator, region = part.partition("=")
        if not separator or not host.strip() or not region.strip():
            raise SystemExit(f"COUNTERSIGN_ENDPOINT_REGIONS: {part!r} does not say host=region.")
        found[host.strip().lower()] = region.strip()
    return found


def require_regions(endpoints: Endpoints, *, allowed: frozenset[str], places: Mapping[str, str], own: str) -> None:
    """Every endpoint lies in an allowed region; raises SystemExit naming each that does not."""
    if not allowed:
        return
    wrong = []
    for purpose, endpoint in endpoints:
        region = region_of(endpoint, places, own)
        if region not in allowed:
            where = f"lies in {region}" if region else "has no region in COUNTERSIGN_ENDPOINT_REGIONS"
            # The address may hold a password: only its host is told.
            host = (urlsplit(endpoint).hostname if "://" in endpoint else endpoint) or endpoint
            wrong.append(f"{purpose} ({host}) {where}")
    if wrong:
        raise SystemExit(f"Data may go to {', '.join(sorted(allowed))} only, but {'; '.join(wrong)}.")


def configured_endpoints(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return every endpoint in the settings: both databases, the mail server, single sign-on, where checkpoints and traces go."""
    found = [("the database", os.environ.get("DATABASE_URL", "")), ("the ledger", os.environ.get("LEDGER_DATABASE_URL", ""))]
    found.append(("the mail server", str(values.get("EMAIL_HOST", ""))))
    found.append(("single sign-on", str(values.get("SSO_ISSUER", ""))))
    found.append(("traces", os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "") if values.get("IS_TRACED") else ""))
    store, authority = values.get("AUDIT_OBJECT_STORE"), values.get("AUDIT_TIMESTAMP_AUTHORITY")
    found.append(("the object store of checkpoints", str(getattr(store, "url", ""))))
    found.append(("the time-stamp authority", str(getattr(authority, "url", ""))))
    witnesses = values.get("AUDIT_WITNESSES")
    if isinstance(witnesses, list | tuple):
        found += [("a witness", str(witness.url)) for witness in witnesses]
    return [(purpose, endpoint) for purpose, endpoint in found if endpoint]
