"""Final only with a sealed receipt: what a commit leans on is sealed first, and the commit's event names where."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from approvals.finality import finality_of_approval, finality_of_policy
from audit.finality import GRANTED, Fact, check_finality, sealed_receipts
from audit.models import Event, Seal
from audit.queries import record_of
from audit.verifier.countersign_verify import Bundle, Findings, Members
from audit.verifier.countersign_verify import check_finality as check_bundle
from commits import services
from commits.services.verification import NOT_FINAL_CODE
from identity.models import Role
from kernel.clock import now
from proposals.answers import views_of
from proposals.models import Proposal
from tests.builders import ledger
from tests.builders.approvals import a_row, decided, make_cast, opened
from tests.builders.audit import database_owner, seal_all
from tests.builders.commits import Gate, commit_of, landed_orders, last_event
from tests.builders.identity import COMPANY, make_user

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def round_of_commits(*, after: timedelta = timedelta()) -> int:
    """Return how many commits one round claimed."""
    return services.run_round(now=lambda: now() + after, worker="test:1", since=None).claimed


@pytest.fixture
def weighty_gate(db: None) -> Gate:
    """Return a gate that asks for a second factor from 5,000.00 on, its policy not sealed yet."""
    ledger.open_company(COMPANY, budget="10000000.00")
    return Gate(cast=make_cast([a_row(10, step_up_from_minor=5_000_00)]), otto=make_user("otto", [Role.OPERATOR]))


def test_a_policy_counts_once_it_is_sealed(weighty_gate: Gate) -> None:
    policy = weighty_gate.cast.policy
    proposal = weighty_gate.approved_order("2500.00")
    finality = finality_of_policy(policy)
    assert finality is not None
    assert not finality.is_final
    assert round_of_commits() == 0
    assert (commit_of(proposal).state, commit_of(proposal).code) == ("queued", NOT_FINAL_CODE)
    assert "policy:activated" in commit_of(proposal).detail
    seal_all()
    assert round_of_commits(after=timedelta(seconds=1)) == 1
    assert len(landed_orders(proposal)) == 1
    finality = finality_of_policy(policy)
    assert finality is not None
    assert finality.is_final


def test_what_is_light_waits_for_its_policy_only(gate: Gate) -> None:
    proposal = gate.approved_order()
    assert round_of_commits() == 1
    listed = record_of(last_event(proposal, "commit:started"))["gate"]["sealed"]
    assert [Event.objects.get(seal__sequence=item["sequence"]).kind for item in listed] == ["policy:activated"]
    assert finality_of_approval(Proposal.objects.select_related("route__row").get(pk=proposal.pk)) is None


@pytest.fixture
def approved_weighty(weighty_gate: Gate) -> Proposal:
    """Return an order above the step-up amount that Alice approved with a fresh factor, sealed but for her approval."""
    seal_all()
    cast = weighty_gate.cast
    page = opened(cast.alice, proposal := weighty_gate.order("6000.00"))
    later = page.shown_at + timedelta(seconds=2)
    factor = {"method": "mfa", "type": "totp", "at": (page.shown_at + timedelta(seconds=1)).timestamp(), "id": 1}
    decided(cast.alice, page, factors=[factor], now=later)
    return Proposal.objects.get(pk=proposal.pk)


def test_a_weighty_approval_is_sent_once_it_is_sealed_and_names_its_receipt(approved_weighty: Proposal) -> None:
    proposal = approved_weighty
    finality = finality_of_approval(Proposal.objects.select_related("route__row").get(pk=proposal.pk))
    assert finality is not None
    assert not finality.is_final
    assert views_of([proposal])[0]["approval_receipt"] is None
    assert round_of_commits(after=timedelta(seconds=3)) == 0
    assert landed_orders() == []
    assert not Event.objects.filter(chain=proposal.public_id, kind="commit:frozen").exists()

    seal_all()
    assert round_of_commits(after=timedelta(seconds=5)) == 1
    granted = sealed_receipts([Fact(proposal.public_id, GRANTED)])[Fact(proposal.public_id, GRANTED)]
    gate = record_of(last_event(proposal, "commit:started"))["gate"]
    assert granted.as_dict() in gate["sealed"]
    assert views_of([Proposal.objects.get(pk=proposal.pk)])[0]["approval_receipt"] == granted.as_dict()
    seal_all()
    findings = Findings()
    detail: list[str] = []
    check_finality(findings, detail)
    assert findings.holds
    assert detail == ["2 receipts"]


def bundle_of(proposal: Proposal) -> Bundle:
    """Return the proposal's events as the verifier of a bundle has them."""
    rows = Event.objects.filter(chain=proposal.public_id).select_related("seal").order_by("position")
    lines = [{"event_id": record_of(row)["event_id"], "sequence": row.seal.sequence, "entry": bytes(row.seal.entry).hex()} for row in rows]
    return Bundle(Members.of({}), (), Findings(), events=lines, records=[record_of(row) for row in rows])


def test_the_verifier_names_a_receipt_that_is_missing_or_another_ones(approved_weighty: Proposal) -> None:
    seal_all()
    round_of_commits(after=timedelta(seconds=5))
    seal_all()
    whole = bundle_of(approved_weighty)
    check_bundle(whole)
    assert whole.findings.holds

    def codes(change: Any) -> set[str]:
        bundle = bundle_of(approved_weighty)
        change(bundle.of_kind("commit:started")[0]["gate"]["sealed"])
        check_bundle(bundle)
        return {problem.code for problem in bundle.findings.problems}

    assert codes(lambda receipts: receipts.clear()) == {"receipt_missing"}
    assert codes(lambda receipts: receipts[0].update(entry="00" * 32)) == {"receipt_differs"}
    assert codes(lambda receipts: receipts[1].update(sequence=10**6)) == {"receipt_differs"}


def test_the_chains_verification_names_a_receipt_that_is_no_place(approved_weighty: Proposal) -> None:
    seal_all()
    round_of_commits(after=timedelta(seconds=5))
    seal_all()
    granted = Event.objects.get(chain=approved_weighty.public_id, kind=GRANTED)
    with database_owner():
        Seal.objects.filter(event=granted).update(entry=b"\1" * 32)
    findings = Findings()
    check_finality(findings, [])
    assert {problem.code for problem in findings.problems} == {"receipt_differs"}
