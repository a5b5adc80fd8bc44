"""The retention pages: what they show to whom, and two people on one list."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from audit.models import Event
from audit.queries import record_of
from audit.retention.models import Disposal, LegalHold
from identity.models import Role
from kernel.clock import now
from tests.builders.audit import committed_proposal, database_owner
from tests.builders.identity import make_user

pytestmark = pytest.mark.django_db

WHY = "The retention schedule of the company."


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_two_people_approve_a_list_on_its_page() -> None:
    committed_proposal()
    with database_owner():
        Event.objects.update(recorded_at=now() - timedelta(days=2558))
    petra, ruth = (signed_in(make_user(name, [Role.CONTROLLER], companies=("ACME",))) for name in ("petra", "ruth"))
    samuel = signed_in(make_user("samuel", [Role.AUDITOR], companies=("ACME",)))
    home = petra.get("/audit/retention/").content.decode()
    assert "1 payload is past every class." in home
    assert "Place a hold" in home
    assert "Place a hold" not in samuel.get("/audit/retention/").content.decode()
    page = petra.post("/audit/retention/expiry/").headers["Location"]
    listed = Disposal.objects.get()
    assert page == f"/audit/retention/lists/{listed.public_id}/"
    assert "Approve this list" in petra.get(page).content.decode()
    for client in (petra, ruth):
        assert client.post(f"{page}approve/", {"list_digest": listed.list_digest}).status_code == 302
    listed.refresh_from_db()
    assert listed.state == "approved"
    assert "petra" in samuel.get(page).content.decode().lower()
    assert samuel.post(f"{page}approve/", {"list_digest": listed.list_digest}).status_code == 403
    outsider = signed_in(make_user("otis", [Role.CONTROLLER], companies=("GLOBEX",)))
    assert outsider.get(page).status_code == 404


def test_a_hold_is_placed_and_released_on_the_page() -> None:
    petra = signed_in(make_user("petra", [Role.CONTROLLER], companies=("ACME",)))
    sent = {"matter": "Case 12", "scope": "everything", "value": "", "reason": WHY, "since": "2026-01-01"}
    assert petra.post("/audit/retention/holds/", sent | {"since": "soon"}).status_code == 422
    assert petra.post("/audit/retention/holds/", sent).status_code == 302
    assert "Case 12" in petra.get("/audit/retention/").content.decode()
    hold = LegalHold.objects.get()
    assert petra.post(f"/audit/retention/holds/{hold.public_id}/release/", {"reason": WHY}).status_code == 302
    assert petra.post("/audit/retention/rules/", {"class": "ai_log", "days": "182", "reason": WHY}).status_code == 422
    hold.refresh_from_db()
    assert hold.state == "released"


def test_looks_at_retention_are_on_record() -> None:
    samuel = make_user("samuel", [Role.AUDITOR], companies=("ACME",))
    assert signed_in(samuel).get("/audit/retention/").status_code == 200
    event = Event.objects.get(kind="evidence:looked")
    assert (event.actor_id, record_of(event)["outcome"]["page"]) == (str(samuel.pk), "retention:home")
