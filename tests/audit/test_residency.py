"""Data stays in the allowed regions: endpoints are refused at the start, and evidence leaves with a reason on record only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit.keys import region
from audit.models import Event
from audit.records import Subject
from audit.residency import allow_export
from audit.retention.errors import RegionRefused
from config.residency import allowed_regions, endpoint_regions, require_regions
from gateway.regions import region_of
from kernel.actors import Actor
from kernel.errors import ValidationFailed
from tests.builders.audit import INSTANT, payload_of

PLACES = endpoint_regions("erp.example.com=eu, .example.com=us, .deep.example.com=eu")


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://erp.example.com/api", "eu"),
        ("https://mail.example.com", "us"),
        ("postgres://user:secret@x.deep.example.com:5432/db", "eu"),
        ("example.com", ""),
        ("https://notexample.com", ""),
        ("http://127.0.0.1:9000", "home"),
        ("http://[::1]/", "home"),
        ("localhost", "home"),
        ("http://10.0.0.1", ""),
    ],
)
def test_an_endpoint_lies_where_its_host_was_placed(endpoint: str, expected: str) -> None:
    assert region_of(endpoint, PLACES, "home") == expected


def test_an_endpoint_outside_the_allowed_regions_is_refused_without_telling_its_password() -> None:
    endpoints = [("the database", "postgres://user:secret@mail.example.com/db"), ("the mail server", "erp.example.com")]
    require_regions(endpoints, allowed=frozenset(), places=PLACES, own="eu")
    with pytest.raises(SystemExit) as refusal:
        require_regions(endpoints, allowed=allowed_regions("eu", "eu"), places=PLACES, own="eu")
    assert str(refusal.value) == "Data may go to eu only, but the database (mail.example.com) lies in us."
    with pytest.raises(SystemExit, match="has no region"):
        require_regions([("a witness", "https://w.test")], allowed=frozenset({"eu"}), places=PLACES, own="eu")
    with pytest.raises(SystemExit, match="host=region"):
        endpoint_regions("nonsense")


def test_the_start_is_refused(tmp_path: Path) -> None:
    environment = os.environ | {
        "COUNTERSIGN_DATA_DIR": str(tmp_path),
        "COUNTERSIGN_REGION": "eu",
        "COUNTERSIGN_ALLOWED_REGIONS": "eu",
        "COUNTERSIGN_EMAIL_HOST": "mail.elsewhere.test",
    }
    done = subprocess.run(
        [sys.executable, "-c", "import config.settings"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.returncode == 1
    assert "the mail server (mail.elsewhere.test) has no region" in done.stderr


@pytest.mark.django_db
def test_evidence_leaves_its_region_with_a_reason_only() -> None:
    values = {"subject": Subject("bundle", "b"), "actor": Actor.human(1), "now": INSTANT}
    assert not allow_export(destination=region(), reason="", **values)  # type: ignore[arg-type]
    assert not Event.objects.exists()
    with pytest.raises(RegionRefused):
        allow_export(destination="elsewhere", reason="  ", **values)  # type: ignore[arg-type]
    with pytest.raises(ValidationFailed):
        allow_export(destination="../x", reason="The auditor's office is there.", **values)  # type: ignore[arg-type]
    assert not Event.objects.exists()
    assert allow_export(destination="elsewhere", reason="The auditor's office is there.", **values)  # type: ignore[arg-type]
    event = Event.objects.get(kind="evidence:exported_across_regions")
    assert b"auditor's office" in payload_of(event.pk).content
    assert b"auditor's office" not in bytes(event.bytes)
