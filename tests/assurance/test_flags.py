"""What the rules hold against a proposal at submission: stored with it, shown on its page, named in its event, routed on."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test import Client

from approvals.flags.errors import OwnThresholds
from approvals.flags.models import Flag
from approvals.flags.queries import flagged, flags_of, thresholds_in_force
from approvals.flags.services import activate_thresholds, propose_thresholds
from approvals.rules import GATE_CODES
from approvals.services import show
from audit.models import Event
from audit.queries import record_of
from identity.models import Role
from kernel.actors import Actor
from kernel.clock import now as clock_now
from kernel.errors import NotVisible, StateConflict, ValidationFailed
from proposals.body import parse_proposal
from proposals.models import Proposal
from proposals.services import propose_many
from proposals.services.preparation import Request
from tests.builders import ledger
from tests.builders.approvals import principal_of
from tests.builders.commits import Gate
from tests.builders.flags import ANY_DAY, calm, thresholds
from tests.builders.identity import COMPANY, make_grant, make_user
from tests.builders.proposals import a_key, submit

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


@pytest.fixture
def gate(gate: Gate) -> Gate:
    """Return the gate on days that all look alike."""
    calm(author=gate.cast.cora, activator=gate.cast.cem)
    return gate


def codes(proposal: Proposal) -> list[str]:
    return [flag.rule for flag in flags_of([proposal.pk]).get(proposal.pk, [])]


def an_entry(gate: Gate, **changes: Any) -> Proposal:
    """Return an entry of the cast's agent, which is granted the tool here."""
    grant = make_grant(gate.cast.agent, "post_journal_entry")
    principal = principal_of(gate.cast.agent, grant, gate.cast.principal.credential_thumbprint)
    return submit(principal, "post_journal_entry", ledger.entry(**changes))


def test_a_flag_keeps_rule_version_inputs_threshold_and_what_was_seen(gate: Gate) -> None:
    proposal = gate.order("20000.00")
    (flag,) = flags_of([proposal.pk])[proposal.pk]
    assert (flag.rule, flag.rule_version, flag.thresholds_version) == ("J1", 1, 1)
    assert flag.inputs == {"amount": "20000.00", "currency": "EUR"}
    assert flag.threshold == {"round_unit": "1000", "round_from": "10000"}
    assert flag.observed == {"multiple": "20"}
    assert flagged([proposal.pk]) == {proposal.pk}


def test_a_plain_order_has_none(gate: Gate) -> None:
    proposal = gate.order("2500.17")
    assert codes(proposal) == []
    assert flagged([proposal.pk]) == set()


def test_the_event_of_the_route_says_which_rules_were_asked(gate: Gate) -> None:
    proposal = gate.order("20000.00")
    event = record_of(Event.objects.get(kind="gate:routed", proposal=proposal.public_id))
    rules = event["gate"]["rules"]
    assert rules["struck"] == ["J1/1"]
    assert rules["thresholds"] == 1
    assert set(rules["tested"]) | set(rules["not_tested"]) <= set(GATE_CODES)
    assert "J11" in rules["tested"]


def test_the_page_shows_it_with_the_rule_s_text(gate: Gate) -> None:
    proposal = gate.order("20000.00")
    facts = show(user=gate.cast.alice, proposal_id=proposal.public_id, now=clock_now()).facts
    assert facts["flags"] == [
        {"rule": "J1", "version": 1, "text": "The amount, 20,000.00 EUR, is a round number: a whole multiple of 1,000.00 EUR."}
    ]


def test_the_same_amount_again_is_a_duplicate_and_a_withdrawn_one_is_none(gate: Gate) -> None:
    first = gate.order("2500.17")
    second = gate.order("2500.17")
    assert codes(first) == []
    assert codes(second) == ["J11"]
    assert flags_of([second.pk])[second.pk][0].observed == {"count": "1", "newest": first.public_id}


def test_orders_just_below_a_limit_are_a_cluster(gate: Gate) -> None:
    found = [codes(gate.order(amount)) for amount in ("950.01", "960.02", "970.03", "899.04")]
    assert found == [[], [], ["J10"], []]


def test_an_earlier_order_of_the_same_batch_counts(gate: Gate) -> None:
    body = {"tool": "create_purchase_order", "company": COMPANY, "payload": ledger.order(lines=(("I1", "1", "2500.17"),))}
    requests = [Request(a_key(), parse_proposal(body)) for _ in range(3)]
    answers = propose_many(principal=gate.cast.principal, requests=requests, now=clock_now())
    assert [codes(answer.proposal) for answer in answers] == [[], ["J11"], ["J11"]]  # type: ignore[union-attr]
    assert Flag.objects.filter(rule="J11").values_list("observed__count", flat=True).order_by("pk")[1] == "2"


def test_the_erp_tells_about_accounts(gate: Gate) -> None:
    thresholds({**ANY_DAY, "usage_postings_from": "0"}, author=gate.cast.cora, activator=gate.cast.cem)
    proposal = an_entry(gate, description="misc")
    found = {flag.rule: flag for flag in flags_of([proposal.pk])[proposal.pk]}
    assert set(found) >= {"J6", "J7", "J9"}, "nothing was ever posted to these accounts"
    assert set(found["J6"].observed.values()) == {"0"}


def test_too_little_in_the_erp_is_not_tested(gate: Gate) -> None:
    proposal = an_entry(gate)
    rules = record_of(Event.objects.get(kind="gate:routed", proposal=proposal.public_id))["gate"]["rules"]
    assert {"J6", "J7"} <= set(rules["not_tested"])


def test_flags_are_only_ever_added(gate: Gate) -> None:
    proposal = gate.order("20000.00")
    for statement in ("UPDATE approvals_flag SET text = ''", "DELETE FROM approvals_flag"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert codes(proposal) == ["J1"]


def test_thresholds_take_two_people_and_hold_from_then_on(gate: Gate) -> None:
    cast, now = gate.cast, clock_now()
    before = gate.order("20000.00")
    made = propose_thresholds(
        company=COMPANY,
        values={**ANY_DAY, "round_from": "50000"},
        reason="Larger",
        user=cast.cora,
        actor=Actor.human(cast.cora.pk),
        now=now,
    )
    assert made.version == 2
    assert thresholds_in_force([COMPANY])[COMPANY].version == 1
    with pytest.raises(OwnThresholds):
        activate_thresholds(company=COMPANY, version=2, user=cast.cora, actor=Actor.human(cast.cora.pk), now=now)
    activate_thresholds(company=COMPANY, version=2, user=cast.cem, actor=Actor.human(cast.cem.pk), now=now)
    with pytest.raises(StateConflict):
        activate_thresholds(company=COMPANY, version=2, user=cast.cem, actor=Actor.human(cast.cem.pk), now=now)
    assert codes(gate.order("21000.00")) == []
    assert codes(before) == ["J1"]
    kinds = Event.objects.filter(subject_kind="thresholds", subject_id=f"{COMPANY}/2").order_by("event_id").values_list("kind", flat=True)
    assert list(kinds) == ["policy:thresholds_proposed", "policy:thresholds_activated"]


def test_the_database_wants_a_second_person_and_keeps_what_was_written(gate: Gate) -> None:
    columns = "digest, reason, author_id, created_at"
    copied = f"SELECT company, 9, values, {columns}, author_id, created_at FROM approvals_thresholdset"
    for statement in (
        "UPDATE approvals_thresholdset SET values = '{}'",
        "DELETE FROM approvals_thresholdset",
        f"INSERT INTO approvals_thresholdset (company, version, values, {columns}, activated_by_id, activated_at) {copied}",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_thresholds_without_a_form_or_a_reason_are_refused(gate: Gate) -> None:
    cora, now = gate.cast.cora, clock_now()
    for values, reason in (({"round_from": "1e9"}, "x"), ({}, " "), ({"time_zone": "UTC"}, "x")):
        with pytest.raises(ValidationFailed):
            propose_thresholds(company=COMPANY, values=values, reason=reason, user=cora, actor=Actor.human(cora.pk), now=now)
    outsider = make_user("charlotte", [Role.CONTROLLER], ["US01"])
    with pytest.raises(NotVisible):
        propose_thresholds(company=COMPANY, values={}, reason="x", user=outsider, actor=Actor.human(outsider.pk), now=now)


def test_a_company_s_own_thresholds_go_before_everybody_s(gate: Gate) -> None:
    thresholds({"round_from": "1"}, author=gate.cast.cora, activator=gate.cast.cem, company="")
    found = thresholds_in_force([COMPANY, "AT01"])
    assert found[COMPANY].thresholds.round_from == 10000
    assert found["AT01"].thresholds.round_from == 1


def test_controllers_change_thresholds_on_the_console(gate: Gate) -> None:
    by_cora, by_cem = signed_in(gate.cast.cora), signed_in(gate.cast.cem)
    page = by_cora.get("/thresholds/").content.decode()
    assert "version 1 in force" in page
    form = {"company": COMPANY, "round_from": "50000", "reason": "Ten thousand is usual here", **ANY_DAY}
    assert by_cora.post("/thresholds/propose/", form).status_code == 303
    assert "waits for a second person" in by_cora.get("/thresholds/").content.decode()
    assert by_cora.post("/thresholds/2/activate/", {"company": COMPANY}).status_code == 403
    assert "Activate version 2" in by_cem.get("/thresholds/").content.decode()
    assert by_cem.post("/thresholds/2/activate/", {"company": COMPANY}).status_code == 303
    assert thresholds_in_force([COMPANY])[COMPANY].thresholds.round_from == 50000
    assert by_cora.post("/thresholds/propose/", form | {"round_from": "lots"}).status_code == 422
    assert signed_in(gate.cast.alice).post("/thresholds/propose/", form).status_code == 403


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client
