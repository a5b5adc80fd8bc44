"""Pages for operators: commits narrowed down, connections with level, breaker and depth, faults on a demonstration only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from audit.models import Event
from commits.models import Breaker, Commit
from gateway.connections import use_connector
from gateway.connectors.embedded import EmbeddedConnector
from gateway.faults.switches import forget
from gateway.models import Fault
from gateway.port import Level
from identity.models import Role
from kernel.clock import now as clock_now
from tests.builders.commits import Gate, commit_of, landed_orders, run
from tests.builders.gateway import Fault as Mishap
from tests.builders.gateway import FaultyConnector
from tests.builders.identity import make_user

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])
CONNECTION = "/commits/connections/embedded/"


@pytest.fixture
def otto(gate: Gate, client: Client) -> Client:
    client.force_login(gate.otto)
    return client


def shown(client: Client, path: str) -> list[str]:
    """Return the identifiers of the commits that a list shows."""
    answer = client.get(path)
    assert answer.status_code == 200
    return sorted(row.id for row in answer.context["page"].rows)


def test_list_is_narrowed_by_state_connection_company_and_key(gate: Gate, otto: Client) -> None:
    first, second = gate.order("100.00"), gate.order("200.00")
    run()
    with use_connector(FaultyConnector(EmbeddedConnector(), [Mishap.REFUSED])):
        third = gate.order("300.00")
        run()
    one, two, refused = (commit_of(item) for item in (first, second, third))

    assert shown(otto, "/commits/") == sorted(item.public_id for item in (one, two, refused))
    assert shown(otto, "/commits/?state=failed") == shown(otto, "/commits/?connection=faulty") == [refused.public_id]
    assert shown(otto, "/commits/?company=US01") == []
    assert len(shown(otto, "/commits/?company=DE01&connection=embedded&state=succeeded")) == 2
    for key in (two.public_id, second.public_id, str(two.pk), landed_orders(second)[0].number):
        assert shown(otto, f"/commits/?key={key}") == [two.public_id]
    for key in ("cmt_nonsense", "prop_", "no-such-document"):
        assert shown(otto, f"/commits/?key={key}") == []


def test_unknown_says_when_it_is_looked_up_and_what_a_person_may_do(gate: Gate, otto: Client) -> None:
    proposal = gate.approved_order()
    with use_connector(FaultyConnector(EmbeddedConnector(), [Mishap.RAISES], level=Level.B)):
        run()
    Commit.objects.update(not_before=clock_now() + timedelta(seconds=100))
    page = otto.get("/commits/?state=unknown").content.decode()
    assert "Looked up by its key in 1 min" in page
    assert "look in the ERP" in page
    assert "Settle on my word" in otto.get(f"/commits/{commit_of(proposal).public_id}/").content.decode()


def test_connection_tells_level_breaker_depth_and_age(gate: Gate, otto: Client) -> None:
    gate.approved_order()
    with use_connector(FaultyConnector(EmbeddedConnector(), [Mishap.NOT_SENT], name="embedded")):
        run()
    moment = clock_now()
    Breaker.objects.update_or_create(
        connection="embedded",
        defaults={
            "state": "open",
            "failure_count": 5,
            "probe_at": moment + timedelta(seconds=25),
            "detail": "refused",
            "changed_at": moment,
        },
    )
    page = otto.get(CONNECTION).context["page"]
    assert (page.level, page.breaker.word, page.health.word, page.trouble) == ("A", "Left alone", "Answers", "refused")
    assert [(label, count) for label, count, _ in page.depth] == [("Queued", 1), ("In flight", 0), ("Unknown", 0)]
    assert page.oldest is not None
    assert page.breaker_sentence.startswith("The next write after 2")
    assert [item.waiting for item in otto.get("/commits/connections/").context["pages"]] == [1]
    assert otto.get("/commits/connections/nobody/").status_code == 404


def test_depth_counts_the_persons_companies_only(gate: Gate, client: Client) -> None:
    gate.approved_order()
    with use_connector(FaultyConnector(EmbeddedConnector(), [Mishap.NOT_SENT], name="embedded")):
        run()
    client.force_login(make_user("otis", [Role.OPERATOR], companies=("US01",)))
    assert client.get(CONNECTION).context["page"].waiting == 0


def test_faults_are_switched_on_a_demonstration(gate: Gate, otto: Client, settings: Any) -> None:
    settings.IS_DEMO = True
    forget()
    answer = otto.post(f"{CONNECTION}faults/", {"mode": "no_answer", "count": "1", "percent": "100"})
    assert (answer.status_code, answer["Location"]) == (303, CONNECTION)
    proposal = gate.approved_order()
    run()
    assert commit_of(proposal).state == "unknown"
    fault = Fault.objects.get()
    assert (fault.mode, fault.struck_count, fault.is_on, fault.switched_by) == ("no_answer", 1, False, str(gate.otto.pk))

    otto.post(f"{CONNECTION}faults/", {"mode": "down", "count": ""})
    assert [row.title for row in otto.get(CONNECTION).context["page"].faults if row.is_on] == ["Not reachable"]
    otto.post(f"{CONNECTION}faults/", {"mode": "down", "switch": "off"})
    kinds = Event.objects.filter(kind__startswith="connector:fault").order_by("event_id").values_list("kind", flat=True)
    assert list(kinds) == ["connector:fault_switched_on"] * 2 + ["connector:fault_switched_off"]
    forget()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"mode": "nonsense"}, 422),
        ({"mode": "down", "count": "0"}, 422),
        ({"mode": "down", "count": "1.5"}, 422),
        ({"mode": "down", "percent": "101"}, 422),
    ],
)
def test_switch_that_makes_no_sense_is_refused(otto: Client, settings: Any, fields: dict[str, str], status: int) -> None:
    settings.IS_DEMO = True
    assert otto.post(f"{CONNECTION}faults/", fields).status_code == status
    assert not Fault.objects.exists()


def test_no_demonstration_has_no_faults(gate: Gate, otto: Client) -> None:
    page = otto.get(CONNECTION).content.decode()
    assert "Faults" not in page
    assert otto.post(f"{CONNECTION}faults/", {"mode": "down"}).status_code == 409
    assert not Fault.objects.exists()
