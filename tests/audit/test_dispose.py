"""Expiry and erasure: what is over goes on a list, two people approve it, keys are destroyed, and the chain still verifies."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

import audit.bundle_parts
from audit.bundle import build_bundle
from audit.events import HoldEvent, RetentionEvent
from audit.grants import grant_statements
from audit.models import Event, PayloadKey
from audit.queries import events_of_proposal, record_of
from audit.records import Subject
from audit.retention.classes import FLOOR_DAYS, RetentionClass, classes_of
from audit.retention.errors import NothingToDispose, OutsideYourCompanies, RetentionTooShort, SecondPersonNeeded
from audit.retention.models import Disposal, DisposalItem, LegalHold, RetentionRule
from audit.retention.queries import days_by_class, payloads_about, why_kept
from audit.retention.services import approve, carry_out, decline, list_due, list_erasure, list_expired, place_hold, release_hold, set_rule
from audit.retention.services.shredding import signed_certificate
from audit.retention.states import DisposalState
from audit.services import record
from audit.verification import verify_chain
from audit.verifier.countersign_verify import Findings, read_archive, verify_members
from kernel.actors import Actor
from kernel.canonical import parse_json
from kernel.clock import now as clock_now
from kernel.errors import PermissionRefused, StateConflict, ValidationFailed
from tests.builders.audit import committed_proposal, database_owner, recorded, seal_and_sign

pytestmark = pytest.mark.django_db

ALICE, BOB, CHARLIE = Actor.human(1), Actor.human(2), Actor.human(3)
WHY = "The retention schedule of the company."
EVERYWHERE = frozenset({"ACME"})


@pytest.fixture(autouse=True)
def _only_what_audit_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles hold the log's own members: what other apps add to them has tests of its own."""
    for name in ("_sections", "_tables", "_reporters"):
        monkeypatch.setattr(audit.bundle_parts, name, type(getattr(audit.bundle_parts, name))())


def age(*, days: float, events: list[Event] | None = None) -> None:
    """Make events older than they are: only the owner of the database can."""
    chosen = Event.objects.all() if events is None else Event.objects.filter(pk__in=[event.pk for event in events])
    with database_owner():
        chosen.update(recorded_at=clock_now() - timedelta(days=days))


def shredded(*, purpose: str = "expiry", person: str = "1") -> Disposal:
    """List, approve by two people and carry out."""
    now = clock_now()
    is_expiry = purpose == "expiry"
    disposal = list_expired(actor=ALICE, now=now) if is_expiry else list_erasure(person=person, reason=WHY, actor=ALICE, now=now)
    for actor in (ALICE, BOB):
        approve(disposal_id=disposal.public_id, list_digest=disposal.list_digest, companies=EVERYWHERE, actor=actor, now=now)
    return carry_out(disposal_id=disposal.public_id, now=now)


def kinds_recorded() -> list[str]:
    return list(Event.objects.order_by("event_id").values_list("kind", flat=True))


def is_readable(proposal: str) -> bool:
    return PayloadKey.objects.filter(wrapped__isnull=False, payload__event__proposal=proposal).exists()


def test_182_days_are_refused_and_183_are_not() -> None:
    with pytest.raises(RetentionTooShort):
        set_rule(retention_class="ai_log", days=FLOOR_DAYS - 1, reason=WHY, actor=ALICE, now=clock_now())
    assert not RetentionRule.objects.exists()
    assert kinds_recorded() == [RetentionEvent.REFUSED]
    set_rule(retention_class="ai_log", days=FLOOR_DAYS, reason=WHY, actor=ALICE, now=clock_now())
    assert days_by_class()[RetentionClass.AI_LOG] == FLOOR_DAYS
    assert kinds_recorded() == [RetentionEvent.REFUSED, RetentionEvent.RULE_SET]


def test_182_days_are_refused_by_the_database_too() -> None:
    with pytest.raises(IntegrityError, match="audit_retention_floor"), transaction.atomic():
        RetentionRule.objects.create(retention_class="ai_log", days=FLOOR_DAYS - 1, reason=WHY, set_by="1", set_at=clock_now())


@pytest.mark.parametrize(
    ("kind", "proposal", "expected"),
    [
        ("token:issued", "", {"ai_log"}),
        ("proposal:refused", "", {"ai_log"}),
        ("proposal:refused", "prop_1", {"ai_log", "financial"}),
        ("commit:succeeded", "prop_1", {"ai_log", "financial"}),
        ("read:taken", "", {"ai_log", "financial"}),
        ("policy:activated", "", {"ai_log", "control"}),
        ("user:permission_refused", "", {"ai_log"}),
        ("retention:shredded", "prop_1", {"ai_log", "financial", "control"}),
    ],
)
def test_an_event_has_the_classes_of_its_kind(kind: str, proposal: str, expected: set[str]) -> None:
    assert {name.value for name in classes_of(kind, proposal)} == expected


def test_the_page_says_why_an_event_is_kept() -> None:
    proposal = committed_proposal()
    event = Event.objects.filter(proposal=proposal.id).earliest("position")
    place_hold(matter="Case 12", scope="proposal", value=proposal.id, reason=WHY, companies=EVERYWHERE, actor=ALICE, now=clock_now())
    kept = why_kept(event)
    assert kept.until == event.recorded_at + timedelta(days=2557)
    assert kept.reasons == ("Log of an AI system: 365 days", "Financial record: 2,557 days")
    assert kept.holds == ("Case 12",)


def test_what_is_over_is_listed_approved_by_two_people_and_shredded(checkpoints: Path) -> None:
    old, young = committed_proposal(), committed_proposal()
    age(days=2558, events=list(Event.objects.filter(proposal=old.id)))
    seal_and_sign()
    before = verify_chain()
    untouched = build_bundle(young.id).archive
    disposal = shredded()
    assert (disposal.state, disposal.listed, disposal.shredded, disposal.held_back) == (DisposalState.COMPLETED, 1, 1, 0)
    # Nothing readable is left of the old one; the other one's is.
    assert "content" in events_of_proposal(young.id)[0].payload
    view = events_of_proposal(old.id)[0]
    assert set(view.payload) == {"shredded"}
    # The chain holds, with the tombstone in it, and a bundle that was made before is made again to the byte.
    seal_and_sign()
    after = verify_chain()
    assert before.holds
    assert after.holds, after.findings.problems
    assert build_bundle(young.id).archive == untouched
    tombstone = Event.objects.get(kind=RetentionEvent.SHREDDED)
    assert tombstone.chain == old.id
    assert record_of(tombstone)["outcome"]["events"] == [view.event_id]
    completed = record_of(Event.objects.get(kind=RetentionEvent.COMPLETED))["outcome"]
    assert (completed["status"], completed["shredded"], completed["verification"]) == ("completed", 1, "holds")


def verified(archive: bytes) -> tuple[Findings, object]:
    findings = Findings()
    return findings, verify_members(read_archive(findings, BytesIO(archive)), pinned=(), findings=findings)


def test_a_bundle_of_a_shredded_proposal_verifies_with_its_tombstone() -> None:
    old = committed_proposal()
    age(days=2558)
    shredded()
    seal_and_sign()
    archive = build_bundle(old.id).archive
    findings, _ = verified(archive)
    assert findings.holds, findings.problems
    names = zipfile.ZipFile(BytesIO(archive)).namelist()
    assert [name for name in names if name.startswith("payloads/")] == []
    assert len([name for name in names if name.startswith("tombstones/")]) == 1


def test_a_payload_that_went_missing_without_a_tombstone_is_noticed() -> None:
    committed_proposal()
    seal_and_sign()
    with database_owner(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE audit_payloadkey SET wrapped = NULL, shredded_at = now(), disposal_id = gen_random_uuid(),"
            " tombstone_id = gen_random_uuid()"
        )
    assert "shredded_unrecorded" in {problem.code for problem in verify_chain().findings.problems}


def test_one_person_is_not_enough() -> None:
    old = committed_proposal()
    age(days=2558)
    now = clock_now()
    disposal = list_expired(actor=ALICE, now=now)
    values: dict[str, Any] = {"disposal_id": disposal.public_id, "list_digest": disposal.list_digest, "companies": EVERYWHERE, "now": now}
    approve(actor=ALICE, **values)
    with pytest.raises(SecondPersonNeeded):
        approve(actor=ALICE, **values)
    with pytest.raises(StateConflict):
        carry_out(disposal_id=disposal.public_id, now=now)
    with pytest.raises(PermissionRefused):
        approve(actor=Actor.system("job"), **values)
    with pytest.raises(OutsideYourCompanies):
        approve(actor=BOB, **(values | {"companies": frozenset()}))
    with pytest.raises(StateConflict, match="not the list"):
        approve(actor=BOB, **(values | {"list_digest": "sha256:0"}))
    assert is_readable(old.id)
    disposal.refresh_from_db()
    assert disposal.state == DisposalState.LISTED


def test_a_declined_list_destroys_nothing() -> None:
    old = committed_proposal()
    age(days=2558)
    now = clock_now()
    disposal = list_expired(actor=ALICE, now=now)
    with pytest.raises(StateConflict, match="is open"):
        list_expired(actor=BOB, now=now)
    decline(disposal_id=disposal.public_id, reason=WHY, companies=EVERYWHERE, actor=BOB, now=now)
    with pytest.raises(StateConflict):
        approve(disposal_id=disposal.public_id, list_digest=disposal.list_digest, companies=EVERYWHERE, actor=BOB, now=now)
    assert is_readable(old.id)


def test_a_hold_blocks_expiry_and_its_release_ends_that() -> None:
    old = committed_proposal()
    age(days=2558)
    hold = place_hold(matter="Case 12", scope="proposal", value=old.id, reason=WHY, companies=EVERYWHERE, actor=ALICE, now=clock_now())
    with pytest.raises(NothingToDispose):
        list_expired(actor=ALICE, now=clock_now())
    release_hold(hold_id=hold.public_id, reason=WHY, companies=EVERYWHERE, actor=BOB, now=clock_now())
    with pytest.raises(StateConflict):
        release_hold(hold_id=hold.public_id, reason=WHY, companies=EVERYWHERE, actor=BOB, now=clock_now())
    assert shredded().shredded == 1
    assert {HoldEvent.PLACED, HoldEvent.RELEASED, HoldEvent.REFUSED} <= set(kinds_recorded())


def test_a_hold_that_is_placed_after_the_approvals_still_keeps() -> None:
    old, other = committed_proposal(), committed_proposal()
    age(days=2558)
    now = clock_now()
    disposal = list_expired(actor=ALICE, now=now)
    for actor in (ALICE, BOB):
        approve(disposal_id=disposal.public_id, list_digest=disposal.list_digest, companies=EVERYWHERE, actor=actor, now=now)
    place_hold(matter="Case 12", scope="proposal", value=old.id, reason=WHY, companies=EVERYWHERE, actor=CHARLIE, now=now)
    done = carry_out(disposal_id=disposal.public_id, now=now)
    assert (done.shredded, done.held_back) == (1, 1)
    assert "shredded" not in events_of_proposal(old.id)[0].payload
    assert "shredded" in events_of_proposal(other.id)[0].payload


def test_a_hold_needs_a_matter_a_scope_and_a_reason() -> None:
    values = {
        "matter": "Case",
        "scope": "everything",
        "value": "",
        "reason": WHY,
        "companies": EVERYWHERE,
        "actor": ALICE,
        "now": clock_now(),
    }
    for wrong in ({"matter": " "}, {"scope": "planet"}, {"scope": "company"}, {"reason": "short"}, {"value": "ACME"}):
        with pytest.raises(ValidationFailed):
            place_hold(**(values | wrong))  # type: ignore[arg-type]
    with pytest.raises(OutsideYourCompanies):
        place_hold(**(values | {"scope": "company", "value": "GLOBEX"}))  # type: ignore[arg-type]
    assert not LegalHold.objects.exists()


def about_person(person: str, **payload: object) -> Event:
    with transaction.atomic():
        return record(
            kind="token:issued", actor=Actor.human(int(person)), subject=Subject("user", person), now=clock_now(), payload=payload
        )


def test_erasure_destroys_what_no_obligation_keeps_and_certifies_both() -> None:
    personal = about_person("77", note="called from home")
    financial = committed_proposal(approver="77")
    someone_else = about_person("78", note="unaffected")
    with transaction.atomic():
        decided = record(
            kind="approval:decided",
            actor=Actor.human(77),
            subject=Subject("proposal", financial.id, proposal=financial.id, company="ACME"),
            now=clock_now(),
            payload={"reason": "fine"},
        )
    age(days=200)
    done = shredded(purpose="erasure", person="77")
    assert (done.shredded, done.exempt) == (1, 1)
    certificate = parse_json(bytes(done.certificate or b""))
    assert isinstance(certificate, dict)
    results = {item["event"]: item for item in certificate["results"]}
    assert sorted((item["result"], item.get("because", "")) for item in results.values()) == [("kept", "financial"), ("shredded", "")]
    assert certificate["chain"]["holds"]
    assert certificate["person"] == "77"
    assert b"dsse" not in signed_certificate(done)
    keys = PayloadKey.objects.in_bulk([personal.pk, someone_else.pk, decided.pk])
    assert [keys[event.pk].wrapped is None for event in (personal, someone_else, decided)] == [True, False, False]
    with pytest.raises(NothingToDispose):
        list_erasure(person="79", reason=WHY, actor=ALICE, now=clock_now())


def test_erasure_does_not_go_below_the_floor() -> None:
    about_person("77", note="yesterday")
    age(days=182)
    assert [candidate.exempt for candidate in payloads_about("77", clock_now())] == ["floor"]
    age(days=183.1)
    assert [candidate.exempt for candidate in payloads_about("77", clock_now())] == [""]


@pytest.fixture
def runtime() -> Iterator[str]:
    """Create a runtime role with the log's grants; all of it rolls back."""
    with connection.cursor() as cursor:
        for role in ("audit_test_runtime", "audit_test_sealer"):
            cursor.execute(f"DROP ROLE IF EXISTS {role}")
            cursor.execute(f"CREATE ROLE {role} NOLOGIN")
        for statement in grant_statements("audit_test_runtime", "audit_test_sealer"):
            cursor.execute(statement)
    yield "audit_test_runtime"
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


def forced(role: str, sql: str, values: list[Any]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {role}")
        cursor.execute(sql, values)
        cursor.execute("RESET ROLE")


SHRED = "UPDATE audit_payloadkey SET shredded_at = now(), disposal_id = %s, tombstone_id = gen_random_uuid() WHERE event_id = %s"


def forged_list(now: datetime) -> Disposal:
    """Return a list, as raw SQL could make one, with the only payload there is on it."""
    disposal = Disposal.objects.create(purpose="expiry", prepared_by="1", prepared_at=now, listed=1, list_digest="sha256:1")
    DisposalItem.objects.create(disposal=disposal, event_id=PayloadKey.objects.get().pk, kept_until=now - timedelta(days=1))
    return disposal


def test_sql_of_the_runtime_role_cannot_shred_alone(runtime: str) -> None:
    event = recorded()
    age(days=2558)
    disposal = forged_list(clock_now())
    with pytest.raises(IntegrityError, match="two people"):
        forced(runtime, SHRED, [disposal.pk, event.pk])
    approval = (
        "INSERT INTO audit_disposalapproval (id, disposal_id, person, list_digest, approved_at) SELECT gen_random_uuid(), %s, %s, %s, now()"
    )
    forced(runtime, approval, [disposal.pk, "1", "sha256:1"])
    with pytest.raises(IntegrityError, match="once_by_each"):
        forced(runtime, approval, [disposal.pk, "1", "sha256:1"])
    with pytest.raises(IntegrityError, match="another one"):
        forced(runtime, approval, [disposal.pk, "2", "sha256:other"])
    with pytest.raises(IntegrityError, match="two people"):
        forced(runtime, "UPDATE audit_disposal SET state = 'approved' WHERE id = %s", [disposal.pk])
    with pytest.raises(IntegrityError, match="does not grow"):
        forced(
            runtime,
            "INSERT INTO audit_disposalitem (id, disposal_id, event_id, kept_until, exempt)"
            " SELECT gen_random_uuid(), %s, gen_random_uuid(), now(), ''",
            [disposal.pk],
        )
    with pytest.raises(IntegrityError, match="does not change"):
        forced(runtime, "UPDATE audit_disposal SET list_digest = 'sha256:2' WHERE id = %s", [disposal.pk])
    for sql in ("UPDATE audit_payloadkey SET wrapped = NULL", "DELETE FROM audit_payloadkey", "UPDATE audit_retentionrule SET days = 1"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            forced(runtime, sql, [])
    assert PayloadKey.objects.get().wrapped is not None


def test_sql_of_the_runtime_role_cannot_shred_what_is_young_or_held(runtime: str) -> None:
    event = recorded()
    disposal = forged_list(clock_now())
    for person in ("1", "2"):
        disposal.approvals.create(person=person, list_digest="sha256:1", approved_at=clock_now())
    forced(runtime, "UPDATE audit_disposal SET state = 'approved' WHERE id = %s", [disposal.pk])
    age(days=182)
    with pytest.raises(IntegrityError, match="younger than 183 days"):
        forced(runtime, SHRED, [disposal.pk, event.pk])
    age(days=184)
    place_hold(matter="Case", scope="everything", value="", reason=WHY, companies=EVERYWHERE, actor=ALICE, now=clock_now())
    with pytest.raises(IntegrityError, match="a hold keeps"):
        forced(runtime, SHRED, [disposal.pk, event.pk])
    with pytest.raises(IntegrityError, match="never rewritten"):
        forced(runtime, "UPDATE audit_legalhold SET scope = 'company', value = 'NOBODY'", [])
    forced(runtime, "UPDATE audit_legalhold SET state = 'released', released_by = '1', released_at = now(), release_reason = 'over'", [])
    forced(runtime, SHRED, [disposal.pk, event.pk])
    with pytest.raises(IntegrityError, match="final"):
        forced(runtime, SHRED, [disposal.pk, event.pk])
    assert PayloadKey.objects.get(pk=event.pk).wrapped is None


def test_what_is_due_is_listed_once_a_day_without_anybody_asking() -> None:
    committed_proposal()
    with database_owner():
        Event.objects.update(recorded_at=clock_now() - timedelta(days=2558))
    at = clock_now()
    listed = list_due(now=at)
    assert listed is not None
    assert (listed.purpose, listed.state, listed.prepared_by) == ("expiry", "listed", "retention")
    assert list_due(now=at) is None  # this day was looked at
    assert list_due(now=at + timedelta(days=1)) is None  # a list is open
    assert Disposal.objects.count() == 1
    found = [
        record_of(event)["outcome"]["status"] for event in Event.objects.filter(kind="retention:looked_for_expired").order_by("position")
    ]
    assert found == ["listed", "open"]
    assert not Event.objects.filter(kind="retention:refused").exists()
