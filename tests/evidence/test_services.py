"""Bundles in the background: asked for within one's rights, made by one worker, taken up by another, downloaded on record."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from securesystemslib.dsse import Envelope
from securesystemslib.signer._key import SSlibKey

from audit.keys import verifying_key
from audit.models import Event
from audit.retention.errors import RegionRefused
from identity.models import Role
from kernel.actors import Actor
from kernel.errors import PermissionRefused, StateConflict, ValidationFailed
from reconciliation.evidence import services, tasks
from reconciliation.evidence.errors import BundleNotReady, PeriodWrong
from reconciliation.evidence.models import Bundle
from reconciliation.evidence.queries import file_of, visible_bundles, workshop_of
from reconciliation.evidence.services import LEASE
from tests.builders.identity import COMPANY, make_user
from tests.evidence.conftest import SINCE, Evidence, members_of, verified

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])

NOW = datetime(2100, 1, 1, tzinfo=UTC)  # far ahead of the database's clock, by which periods are cut


@pytest.fixture(autouse=True)
def _bundles(tmp_path: Path, settings: Settings, evidence: Evidence) -> None:
    settings.EVIDENCE_DIR = tmp_path / "bundles"


@pytest.fixture
def auditor() -> User:
    return make_user("samuel", [Role.AUDITOR])


def asked(user: User, evidence: Evidence, **fields: object) -> Bundle:
    """Return a period that was asked for."""
    values = {"since": SINCE, "until": evidence.now, "user": user, "actor": Actor.human(user.pk), "now": NOW, **fields}
    return services.request_period_bundle(**values)  # type: ignore[arg-type]


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__startswith="evidence:").order_by("event_id").values_list("kind", flat=True))


def test_a_period_is_asked_for_made_and_downloaded_on_record(auditor: User, evidence: Evidence) -> None:
    bundle = asked(auditor, evidence, wanted=services.Wanted("Year-end"))
    made = services.make_bundle(bundle=bundle, clock=lambda: NOW)
    assert (made.state, made.companies, made.region) == ("ready", [COMPANY], "unspecified")
    findings, read = verified(file_of(made))
    assert findings.problems == []
    assert read.header["companies"] == [COMPANY]
    assert not workshop_of(made).exists()
    path = services.record_download(bundle=made, actor=Actor.human(auditor.pk), now=NOW)
    assert path.stat().st_size == made.file_bytes
    assert kinds() == ["evidence:bundle_requested", "evidence:bundle_made", "evidence:bundle_downloaded"]


def test_a_proposal_can_be_asked_for_too(auditor: User, evidence: Evidence) -> None:
    bundle = services.request_proposal_bundle(
        proposal=evidence.large.public_id, company=COMPANY, user=auditor, actor=Actor.human(auditor.pk), now=NOW
    )
    made = services.make_bundle(bundle=bundle, clock=lambda: NOW)
    assert file_of(made).read_bytes() == evidence.proposal.read_bytes()


def test_a_wrong_period_is_refused(auditor: User, evidence: Evidence) -> None:
    for fields in ({"since": NOW}, {"until": NOW + timedelta(seconds=1)}):
        with pytest.raises(PeriodWrong):
            asked(auditor, evidence, **fields)
    assert not Bundle.objects.exists()


def test_nobody_asks_for_what_they_may_not_see_nor_finds_it(auditor: User, evidence: Evidence) -> None:
    operator = make_user("ines", [Role.OPERATOR])
    with pytest.raises(PermissionRefused):
        asked(operator, evidence)
    asked(auditor, evidence)
    assert visible_bundles(auditor).count() == 1
    assert visible_bundles(operator).count() == 0
    clara = make_user("clara", [Role.AUDITOR], companies=["US01"])
    assert visible_bundles(clara).count() == 0


def test_one_worker_makes_a_bundle_and_another_takes_it_up(auditor: User, evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = asked(auditor, evidence)

    def killed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(services, "make_period_bundle", killed)
        with pytest.raises(KeyboardInterrupt):
            services.make_bundle(bundle=bundle, clock=lambda: NOW)
    with pytest.raises(StateConflict):
        services.make_bundle(bundle=bundle, clock=lambda: NOW + LEASE)
    monkeypatch.setattr(tasks, "now", lambda: NOW + LEASE + timedelta(seconds=1))
    assert tasks.make_waiting() == f"{bundle.public_id} ready"
    assert tasks.make_requested(bundle.public_id).endswith("somebody else's")
    assert kinds().count("evidence:bundle_made") == 1


def test_a_period_without_events_fails_for_a_reason_on_record(auditor: User, evidence: Evidence) -> None:
    made = services.make_bundle(bundle=asked(auditor, evidence, until=SINCE + timedelta(days=1)), clock=lambda: NOW)
    assert (made.state, made.code) == ("failed", "empty_period")
    assert kinds()[-1] == "evidence:bundle_failed"
    with pytest.raises(BundleNotReady):
        services.record_download(bundle=made, actor=Actor.human(auditor.pk), now=NOW)


def test_the_page_lists_asks_and_hands_out(auditor: User, evidence: Evidence) -> None:
    client = Client()
    client.force_login(auditor)
    assert "No bundle yet" in client.get(reverse("evidence:bundles")).text
    answer = client.post(reverse("evidence:request_period"), {"first": "2020-01-01", "last": "2020-01-31", "purpose": "<b>Q1</b>"})
    assert answer.status_code == 303
    wrong = client.post(reverse("evidence:request_period"), {"first": "yesterday", "last": ""})
    assert wrong.status_code == PeriodWrong.status
    made = services.make_bundle(bundle=asked(auditor, evidence), clock=lambda: NOW)
    page = client.get(reverse("evidence:bundles")).text
    assert "&lt;b&gt;Q1&lt;/b&gt;" in page
    download = client.post(reverse("evidence:download", args=[made.public_id]))
    assert b"".join(download) == file_of(made).read_bytes()
    assert download["Content-Disposition"] == f'attachment; filename="{made.file_name}"'
    assert kinds().count("evidence:bundles_viewed") == 2


def test_the_manifest_verifies_with_a_library_that_nobody_here_wrote(evidence: Evidence) -> None:
    for path in (evidence.proposal, evidence.period):
        members = members_of(path)
        envelope = Envelope.from_dict(_with_standard_names(json.loads(members["manifest.dsse.json"])))
        key = SSlibKey(next(iter(envelope.signatures)), "ed25519", "ed25519", {"public": verifying_key().public.hex()})
        assert list(envelope.verify([key], 1)) == [key.keyid]
        assert envelope.payload == members["manifest.json"]
        envelope.payload += b" "
        with pytest.raises(Exception, match="signatures"):
            envelope.verify([key], 1)


def _with_standard_names(value: dict[str, object]) -> dict[str, object]:
    assert base64.b64decode(str(value["payload"]))
    return value


def test_what_leaves_its_region_says_why_or_stays(auditor: User, evidence: Evidence) -> None:
    with pytest.raises(RegionRefused):
        asked(auditor, evidence, wanted=services.Wanted(destination="us-east"))
    with pytest.raises(ValidationFailed):
        asked(auditor, evidence, wanted=services.Wanted(destination="no region!"))
    assert not Bundle.objects.exists()
    assert kinds() == ["evidence:bundle_refused"] * 2
    taken = asked(auditor, evidence, wanted=services.Wanted(destination="us-east", reason="Asked for by the group's auditors"))
    assert (taken.region, taken.destination, taken.reason) == ("unspecified", "us-east", "Asked for by the group's auditors")
    assert kinds()[2:] == ["evidence:exported_across_regions", "evidence:bundle_requested"]
    assert asked(auditor, evidence).destination == "unspecified"


def test_what_is_too_long_is_refused_not_cut(auditor: User, evidence: Evidence) -> None:
    with pytest.raises(ValidationFailed, match="has at most 300 characters; this one has 301"):
        asked(auditor, evidence, wanted=services.Wanted(purpose="x" * 301))
    assert not Bundle.objects.exists()
    assert kinds() == ["evidence:bundle_refused"]
    assert asked(auditor, evidence, wanted=services.Wanted(purpose="x" * 300)).purpose == "x" * 300


def test_a_proposals_page_asks_for_its_bundle_shows_progress_and_gives_it(auditor: User, evidence: Evidence) -> None:
    client = Client()
    client.force_login(auditor, backend="django.contrib.auth.backends.ModelBackend")
    page = reverse("audit:proposal", args=[evidence.large.public_id])
    refused = client.post(reverse("audit:bundle", args=[evidence.large.public_id]), {"destination": "us-east"})
    assert refused.status_code == 409
    assert "needs a reason" in refused.content.decode()
    answer = client.post(reverse("audit:bundle", args=[evidence.large.public_id]), {"destination": "unspecified", "purpose": "Sample 7"})
    assert (answer.status_code, answer["Location"]) == (303, page)
    bundle = Bundle.objects.get()
    progress = reverse("evidence:progress", args=[bundle.public_id])
    shown = client.get(page).content.decode()
    assert progress in shown
    assert "Sample 7" in shown
    assert "Queued" in client.get(progress).content.decode()
    tasks.make_requested(bundle.public_id)
    shown = client.get(progress).content.decode()
    assert "Ready" in shown
    assert "hx-get" not in shown
    taken = client.post(reverse("evidence:download", args=[bundle.public_id]))
    assert taken.status_code == 200
    assert b"".join(taken.streaming_content) == file_of(bundle).read_bytes()  # type: ignore[attr-defined]
    assert Event.objects.filter(chain=evidence.large.public_id).order_by("position").last().kind == "evidence:bundle_downloaded"  # type: ignore[union-attr]
    assert "downloaded the evidence bundle" in client.get(page).content.decode()
