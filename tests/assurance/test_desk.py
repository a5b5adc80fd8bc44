"""The desk's pages as an auditor uses them; each look and each export leaves one event, and the role ends on its day."""

from __future__ import annotations

import csv
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client

from audit.models import Event
from audit.queries import record_of
from identity.models import Role, RoleAssignment
from identity.permissions import Permission, companies_with
from identity.queries import roles_of
from identity.services import assign_role
from kernel.clock import now as clock_now
from kernel.errors import ValidationFailed
from reconciliation.assurance import tasks
from reconciliation.assurance.models import RuleRun, Sample
from tests.builders.commits import Gate, landed_orders, run
from tests.builders.flags import calm
from tests.builders.identity import COMPANY, actor, make_user

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])

PAGES = ("", "search/", "tie-out/", "controls/", "access/", "rules/", "samples/")


@pytest.fixture
def gate(gate: Gate) -> Gate:
    """Return the gate with three orders landed and one that is round and waits."""
    calm(author=gate.cast.cora, activator=gate.cast.cem)
    gate.orders(2)
    run()
    gate.order("2.00")
    run()
    gate.order("20000.00")
    return gate


@pytest.fixture
def samuel(gate: Gate) -> User:
    return make_user("samuel", [Role.AUDITOR])


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def text_of(client: Client, path: str) -> str:
    """Return the page, which has to be there."""
    answer = client.get(f"/audit/desk/{path}")
    assert answer.status_code == 200
    return answer.content.decode()


def looks() -> list[tuple[str, str]]:
    """Return who looked at what, oldest first."""
    found = Event.objects.filter(kind="evidence:looked").order_by("event_id")
    return [(event.actor_id, str(record_of(event)["outcome"]["page"])) for event in found]


def test_every_page_shows_and_every_look_is_recorded(samuel: User) -> None:
    client = signed_in(samuel)
    for path in PAGES:
        assert "<h1>" in text_of(client, path)
    assert looks() == [
        (str(samuel.pk), f"desk:{name}") for name in ("home", "search", "tie_out", "controls", "access", "rule_runs", "samples")
    ]


def test_a_look_keeps_what_was_asked_beside_it_and_only_its_digest_inside(samuel: User) -> None:
    text_of(signed_in(samuel), "search/?document=PO-of-somebody")
    event = Event.objects.get(kind="evidence:looked")
    assert b"PO-of-somebody" not in bytes(event.bytes)
    assert record_of(event)["outcome"]["parameters_digest"].startswith("sha256:")
    assert record_of(event)["payload_commitment"]


def test_other_audit_pages_are_looks_too(gate: Gate, samuel: User) -> None:
    client = signed_in(samuel)
    proposal = gate.cast.agent.proposals.order_by("pk").first()
    assert proposal is not None
    assert client.get(f"/audit/proposals/{proposal.public_id}/").status_code == 200
    before = Event.objects.filter(proposal=proposal.public_id).count()
    assert client.get("/audit/").status_code == 200
    assert looks() == [(str(samuel.pk), "audit:proposal"), (str(samuel.pk), "audit:log")]
    assert Event.objects.filter(proposal=proposal.public_id).count() == before, "looking leaves the proposal's own chain as it is"


def test_the_home_states_the_population(samuel: User) -> None:
    page = text_of(signed_in(samuel), "")
    assert "4 proposals submitted, 3 writes landed" in page
    assert "Missing" in page
    assert "Sealed to" in page


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 4),
        ("state=pending", 1),
        ("rule=J1", 1),
        ("rule=J11", 1),
        ("least=2&most=5.00&currency=EUR", 2),
        ("least=20000.01", 0),
        ("least=nonsense", 4),
        ("agent=agent_nonsense", 0),
        ("approver=999999", 0),
        ("company=US01", 0),
        ("until=2001-01-01&since=2000-01-01", 0),
    ],
)
def test_search_finds_by_period_agent_approver_amount_and_flag(samuel: User, query: str, count: int) -> None:
    assert text_of(signed_in(samuel), f"search/?{query}").count("data-row") == count


def test_search_finds_by_agent_and_document(gate: Gate, samuel: User) -> None:
    client = signed_in(samuel)
    assert text_of(client, f"search/?agent={gate.cast.agent.public_id}").count("data-row") == 4
    landed = gate.cast.agent.proposals.filter(commit__isnull=False).order_by("pk")[0]
    document = landed_orders(landed)[0].number
    page = text_of(client, f"search/?document={document}")
    assert page.count("data-row") == 1
    assert f"/audit/proposals/{landed.public_id}/" in page


def test_the_rules_are_run_and_their_hits_lead_to_the_proposals(samuel: User) -> None:
    client = signed_in(samuel)
    answer = client.post("/audit/desk/rules/run/", {"company": COMPANY})
    assert answer.status_code == 303
    found = RuleRun.objects.get()
    assert answer["Location"].endswith(f"/audit/desk/rules/{found.public_id}/")
    assert "Look again" in text_of(client, f"rules/{found.public_id}/")
    tasks.run_requested(found.public_id)
    page = text_of(client, f"rules/{found.public_id}/?rule=J11")
    assert "Look again" not in page
    assert page.count("/audit/proposals/prop_") == 1
    assert text_of(client, "rules/").count("Completed") == 1


def test_exports_are_on_record_with_their_rows(samuel: User) -> None:
    client = signed_in(samuel)
    client.post("/audit/desk/rules/run/", {"company": COMPANY})
    found = RuleRun.objects.get()
    tasks.run_requested(found.public_id)
    answer = client.post(f"/audit/desk/rules/{found.public_id}/export/")
    rows = list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))  # type: ignore[attr-defined]
    assert [row["rule"] for row in rows] == ["J11"]
    assert rows[0]["amount"] == "2.00"
    event = record_of(Event.objects.get(kind="evidence:rows_exported"))
    assert event["outcome"]["rows"] == 1
    assert event["outcome"]["about"] == found.public_id
    assert client.get(f"/audit/desk/rules/{found.public_id}/export/").status_code == 405


def test_a_sample_is_drawn_shown_drawn_again_and_exported(samuel: User) -> None:
    client = signed_in(samuel)
    form = {"company": COMPANY, "method": "random", "size": "2", "purpose": "Walkthrough", "seed": "abc"}
    assert client.post("/audit/desk/samples/draw/", form).status_code == 303
    sample = Sample.objects.get()
    page = text_of(client, f"samples/{sample.public_id}/")
    assert "Drawn again: the same" in page
    assert page.count("data-row") == 2
    answer = client.post(f"/audit/desk/samples/{sample.public_id}/export/")
    assert len(b"".join(answer.streaming_content).decode().splitlines()) == 3  # type: ignore[attr-defined]
    assert client.post("/audit/desk/samples/draw/", form | {"size": "lots"}).status_code == 422
    assert client.post("/audit/desk/samples/draw/", form | {"purpose": ""}).status_code == 422
    assert Sample.objects.count() == 1


def test_the_matrix_is_exported(samuel: User) -> None:
    answer = signed_in(samuel).post("/audit/desk/controls/export/", {"company": COMPANY})
    rows = list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))  # type: ignore[attr-defined]
    assert {row["control"]: row["result"] for row in rows}["OP-1"] == "not_tested"


def test_another_company_s_auditor_sees_nothing_of_it(samuel: User) -> None:
    mine = signed_in(samuel)
    mine.post("/audit/desk/samples/draw/", {"method": "random", "size": "2", "purpose": "Walkthrough"})
    mine.post("/audit/desk/rules/run/")
    charlie = signed_in(make_user("charlie2", [Role.AUDITOR], ["US01"]))
    for path in ("search/", "samples/", "rules/", "tie-out/"):
        page = text_of(charlie, path)
        assert "data-row" not in page
        assert COMPANY not in page
    for path in (f"samples/{Sample.objects.get().public_id}/", f"rules/{RuleRun.objects.get().public_id}/"):
        assert charlie.get(f"/audit/desk/{path}").status_code == 404
    form = {"company": COMPANY, "size": "1", "purpose": "x", "method": "random"}
    assert charlie.post("/audit/desk/samples/draw/", form).status_code == 422


def until(user: User, days: int) -> None:
    """Write the last day of the person's role past the service, which refuses days that are over."""
    RoleAssignment.objects.filter(user=user).update(expires_on=clock_now().date() + timedelta(days=days))


def test_an_auditor_s_role_ends_on_its_day_in_the_middle_of_a_session(samuel: User) -> None:
    client = signed_in(samuel)
    until(samuel, 0)
    assert client.get("/audit/desk/").status_code == 200, "the last day counts"
    until(samuel, -1)
    assert client.get("/audit/desk/").status_code in {302, 403}
    assert roles_of(samuel) == frozenset()
    assert companies_with(samuel, Permission.AUDIT_READ) == frozenset()


def test_the_service_sets_an_end_for_auditors_only(samuel: User) -> None:
    adele = make_user("adele", [Role.ADMINISTRATOR])
    now = clock_now()
    end = now.date() + timedelta(days=90)
    made = assign_role(user_id=samuel.pk, role=Role.AUDITOR, companies=[COMPANY], expires_on=end, actor=actor(adele), now=now)
    assert made.expires_on == end
    event = Event.objects.filter(kind="user:role_assigned", subject_id=str(samuel.pk)).latest("event_id")
    assert record_of(event)["outcome"]["expires_on"] == end.isoformat()
    today = now.date()
    for role, last in ((Role.AUDITOR, today - timedelta(days=1)), (Role.AUDITOR, today + timedelta(days=800)), (Role.OPERATOR, end)):
        with pytest.raises(ValidationFailed), transaction.atomic():
            assign_role(user_id=samuel.pk, role=role, companies=[COMPANY], expires_on=last, actor=actor(adele), now=now)
    assert RoleAssignment.objects.get(user=samuel).expires_on == end


def test_the_database_lets_no_other_role_expire(gate: Gate) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        RoleAssignment.objects.filter(user=gate.cast.alice).update(expires_on=clock_now().date())
