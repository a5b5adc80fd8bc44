"""The controller's pages: a version is written, checked, tried, compared, reviewed and activated in the console."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from approvals.matrix.models import CompanyCurrency, ExchangeRate
from approvals.models import Policy
from approvals.services import activate_policy
from approvals.states import PolicyState
from audit.models import Event
from identity.models import ApprovalGroupMember
from kernel.clock import now as clock_now
from tests.builders.approvals import TOOL, Cast, an_order
from tests.builders.identity import actor

pytestmark = pytest.mark.django_db

ROW = {
    "priority": "30",
    "title": "Third",
    "tool": TOOL,
    "currency": "EUR",
    "company": "DE01",
    "from_amount": "50,000.01",
    "rolling_by": "counterparty",
    "step_count": "2",
    "step_1_groups": ["finance", "purchasing"],
    "step_1_rule": "per_group",
    "step_1_number": "1",
    "flags_required": ["J1"],
}


def as_(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def at(name: str, *args: object) -> str:
    return reverse(f"approvals:{name}", args=args)


@pytest.fixture
def draft(cast: Cast) -> Policy:
    """Return a copy of the active version, made on the page."""
    answer = as_(cast.cem).post(at("new_policy"), {"title": "Next", "copy_of": cast.policy.public_id})
    assert answer.status_code == 303
    return Policy.objects.get(version=2)


def test_from_a_copy_to_active(cast: Cast, draft: Policy) -> None:
    cem, cora = as_(cast.cem), as_(cast.cora)
    assert cem.post(at("new_row", draft.public_id), ROW).status_code == 303
    page = cem.get(at("policy", draft.public_id)).content.decode()
    assert "1 of each of Finance and Purchasing" in page
    assert "flagged by J1" in page
    assert cem.post(at("submit_policy", draft.public_id)).status_code == 303
    page = cem.get(at("policy", draft.public_id)).content.decode()
    assert "You wrote policy v2, so another person activates it (SoD: policy_author)." in page
    assert '<button class="button button-primary" type="submit" disabled aria-describedby="why-not">Activate</button>' in " ".join(
        page.split()
    )
    assert cem.post(at("activate_policy", draft.public_id)).status_code == 403
    # The second person needs a second factor: without one nothing is activated.
    assert cora.post(at("activate_policy", draft.public_id)).status_code == 303
    draft.refresh_from_db()
    assert draft.state == PolicyState.REVIEW
    activate_policy(policy_id=draft.pk, user=cast.cora, actor=actor(cast.cora), now=clock_now())
    assert cem.get(at("policy", draft.public_id)).context["page"].actions == []


def test_a_version_in_review_goes_back_to_its_authors(cast: Cast, draft: Policy) -> None:
    cem = as_(cast.cem)
    cem.post(at("submit_policy", draft.public_id))
    assert cem.post(at("new_row", draft.public_id), ROW).status_code == 409
    assert cem.post(at("return_policy", draft.public_id)).status_code == 303
    assert cem.post(at("new_row", draft.public_id), ROW).status_code == 303


def test_a_row_is_shown_as_it_stands_and_saved(cast: Cast, draft: Policy) -> None:
    cem = as_(cast.cem)
    cem.post(at("new_row", draft.public_id), ROW)
    row = draft.rows.get(priority=30)
    assert row.from_minor == 50_000_01
    assert row.steps == [{"group": "finance", "further_groups": ["purchasing"], "rule": "per_group", "min_approvals": 1}]
    page = cem.get(at("edit_row", draft.public_id, row.pk)).context["form"]
    sent = {name: value for name, value in page.initial.items() if value not in (None, False, [])}
    assert cem.post(at("edit_row", draft.public_id, row.pk), sent | {"title": "Other"}).status_code == 303
    changed = draft.rows.get(priority=30)
    assert (changed.title, changed.steps, changed.flags_required) == ("Other", row.steps, ["J1"])
    # The same form sent again was made for a row that is no more.
    assert cem.post(at("edit_row", draft.public_id, changed.pk), sent | {"title": "Lost"}).status_code == 409


def test_a_refused_row_says_so_at_its_fields_and_keeps_what_was_typed(cast: Cast, draft: Policy) -> None:
    answer = as_(cast.cem).post(at("new_row", draft.public_id), ROW | {"priority": "10", "from_amount": "1.234", "step_1_number": "99"})
    assert answer.status_code == 422
    assert answer.context["form"]["from_amount"].errors
    assert answer.context["form"]["step_1_number"].errors
    answer = as_(cast.cem).post(at("new_row", draft.public_id), ROW | {"priority": "10", "step_1_groups": ["finance"]})
    assert answer.context["form"]["priority"].errors == ["10 is taken by another row. Acceptable: a number of its own."]
    assert "so many of each group" in str(answer.context["form"]["step_1_groups"].errors).lower()
    assert draft.rows.count() == 2


def test_one_more_step_keeps_what_was_typed_and_saves_nothing(cast: Cast, draft: Policy) -> None:
    answer = as_(cast.cem).post(at("new_row", draft.public_id), ROW | {"more": "1"})
    assert (answer.status_code, len(answer.context["form"].steps)) == (200, 3)
    assert answer.context["form"]["title"].value() == "Third"
    assert draft.rows.count() == 2


def test_rows_move_and_go(cast: Cast, draft: Policy) -> None:
    cem = as_(cast.cem)
    page = cem.get(at("policy", draft.public_id)).context["page"]
    first, second = page.rows
    assert cem.post(at("move_row", draft.public_id, second.id), {"to": "up"}).status_code == 303
    assert [row.title for row in draft.rows.all()] == ["Larger orders", "Small orders"]
    assert cem.post(at("remove_row", draft.public_id, first.id), {"seen": first.seen}).status_code == 409
    seen = cem.get(at("policy", draft.public_id)).context["page"].rows[1].seen
    assert cem.post(at("remove_row", draft.public_id, first.id), {"seen": seen}).status_code == 303
    assert draft.rows.count() == 1
    assert cem.post(at("renumber_policy", draft.public_id)).status_code == 303
    assert cem.post(at("rename_policy", draft.public_id), {"title": "Named"}).status_code == 303
    assert Policy.objects.get(pk=draft.pk).title == "Named"


def test_export_and_import(cast: Cast, draft: Policy) -> None:
    cem = as_(cast.cem)
    answer = cem.get(at("export_policy", draft.public_id))
    assert answer["Content-Disposition"] == 'attachment; filename="policy-v2.csv"'
    content = answer.content
    assert Event.objects.filter(kind="policy:exported").count() == 1
    changed = content.replace(b"Small orders", b"Tiny orders")
    assert cem.post(at("import_policy", draft.public_id), {"file": SimpleUploadedFile("a.csv", changed)}).status_code == 303
    assert [row.title for row in draft.rows.all()] == ["Tiny orders", "Larger orders"]
    broken = content.replace(b"purchasing:1", b"nobody:1")
    answer = cem.post(at("import_policy", draft.public_id), {"file": SimpleUploadedFile("a.csv", broken)})
    assert answer.status_code == 422
    assert "row 2, column steps, step 1: there is no group &#x27;nobody&#x27;" in answer.content.decode()
    assert draft.rows.count() == 2


def test_the_checks_say_what_they_found(cast: Cast, draft: Policy) -> None:
    an_order(cast, "30000.00")
    cem = as_(cast.cem)
    page = cem.get(at("check_policy", draft.public_id)).content.decode()
    assert "no row asks anybody for 50,000.01 EUR and more" in page
    trial = {"tool": TOOL, "company": "DE01", "amount": "30,000", "currency": "EUR", "agent": cast.agent.public_id}
    page = cem.get(at("try_policy", draft.public_id), trial).content.decode()
    assert "Alice, Bob" in page
    assert "Olga: owns the agent" in page
    assert "Passed over: 30,000.00 EUR is not within 0.00 EUR to 25,000.00 EUR." in page
    assert "Nothing tried yet." in cem.get(at("try_policy", draft.public_id)).content.decode()
    cem.post(at("remove_row", draft.public_id, draft.rows.get(priority=20).pk), {"seen": _seen(cem, draft, 1)})
    page = cem.get(at("compare_policy", draft.public_id)).content.decode()
    assert "Compared with v1 For tests: 1 row differs, 1 the same." in page
    page = cem.get(at("backtest_policy", draft.public_id)).content.decode()
    assert "1 of 1 proposal would route differently, 1 would be refused." in page
    assert cem.get(at("backtest_policy", draft.public_id), {"change": "automatic"}).context["backtest"].list.rows == []


def _seen(client: Client, policy: Policy, place: int) -> str:
    return str(client.get(at("policy", policy.public_id)).context["page"].rows[place].seen)


def test_the_backtest_shows_nothing_of_other_companies(cast: Cast, draft: Policy) -> None:
    an_order(cast)
    page = as_(cast.charlie).get(at("backtest_policy", draft.public_id))
    assert page.context["backtest"].list.rows == []
    assert "Nothing was proposed in the last 90 days in your companies" in page.content.decode()


def test_what_is_in_flight_is_listed(cast: Cast, draft: Policy) -> None:
    pending = an_order(cast)
    cem = as_(cast.cem)
    cem.post(at("submit_policy", draft.public_id))
    activate_policy(policy_id=draft.pk, user=cast.cora, actor=actor(cast.cora), now=clock_now())
    said = "1 pending proposal keeps the route of an older version: 1 of v1."
    assert said in cem.get(at("policies")).content.decode()
    page = cem.get(at("in_flight")).content.decode()
    assert said in page
    assert reverse("approvals:proposal", args=[pending.public_id]) in page
    assert as_(cast.charlie).get(at("in_flight")).context["page"].rows == []


def test_currencies_and_rates_are_recorded(cast: Cast) -> None:
    cora = as_(cast.cora)
    assert cora.post(at("record_currency"), {"kind": "currency", "company": "DE01", "currency": "usd"}).status_code == 303
    assert CompanyCurrency.objects.get().currency == "USD"
    assert cora.post(at("record_currency"), {"kind": "erp"}).status_code == 303
    assert CompanyCurrency.objects.get(company="DE01").currency == "EUR"
    rate = {"kind": "rate", "from_currency": "usd", "to_currency": "EUR", "rate": "0.92", "rate_on": "2026-11-20", "source": "ECB"}
    assert cora.post(at("record_currency"), rate).status_code == 303
    assert str(ExchangeRate.objects.get()) == "1 USD = 0.92 EUR on 2026-11-20"
    for changes, field in (({"rate": "-1"}, "rate"), ({"rate_on": "2199-01-01"}, "rate_on"), ({"to_currency": "USD"}, "to_currency")):
        answer = cora.post(at("record_currency"), rate | changes)
        assert answer.status_code == 422
        assert answer.context["rate_form"][field].errors
    assert ExchangeRate.objects.count() == 1
    page = as_(cast.alice).get(at("currencies")).content.decode()
    assert "1 USD = 0.92 EUR on 2026-11-20" in page
    assert "Record the rate" not in page


def test_the_graph_says_where_i_stand(cast: Cast) -> None:
    ApprovalGroupMember.objects.create(group=cast.purchasing, user=cast.olga, companies=["DE01"])
    proposal = an_order(cast)
    page = as_(cast.olga).get(at("proposal_segregation", proposal.public_id)).content.decode()
    assert "You own agent AP-Bot, so you can&#x27;t decide on its proposals (SoD: owner)." in page
    assert "<svg" in page
    assert "Alice, Bob" in page
    assert "You can decide on this proposal." in as_(cast.alice).get(at("proposal_segregation", proposal.public_id)).content.decode()
    page = as_(cast.alice).get(at("agent_segregation", cast.agent.public_id)).content.decode()
    assert "Nothing keeps you out of deciding on its proposals." in page
    assert "sponsors the agent" in page
    assert as_(cast.charlie).get(at("proposal_segregation", proposal.public_id)).status_code == 404
    assert as_(cast.charlie).get(at("agent_segregation", cast.agent.public_id)).status_code == 404
