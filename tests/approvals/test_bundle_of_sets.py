"""What the verifier says about a decision on a set: the signed set holds this proposal, and each forgery is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from approvals.bulk import services
from approvals.bulk.models import Bulk
from approvals.evidence import gate_section
from approvals.services.signing import Answer
from audit.models import Event
from audit.verifier.countersign_verify import Bundle, Findings, Members, check_approval, encode_base64
from kernel.canonical import canonical_bytes, parse_json
from kernel.clock import now as clock_now
from proposals.models import Proposal
from tests.builders.approvals import Cast, an_order, make_cast
from tests.builders.identity import actor
from tests.builders.passkeys import SoftKey
from tests.builders.proposals import PlainErp
from tests.builders.work import bulk_row, factors

pytestmark = pytest.mark.django_db
MEMBER = "gate/bulks.json"
Evidence = tuple[dict[str, bytes], list[dict[str, Any]]]


def approved_together(cast: Cast, key: SoftKey | None, amounts: Sequence[str] = ("100.00", "250.50", "9999.99")) -> list[Proposal]:
    """Return orders that Alice approved by one decision, signed by her passkey where there is one."""
    orders = [an_order(cast, amount) for amount in amounts]
    who: dict[str, Any] = {"user": cast.alice, "actor": actor(cast.alice)}
    bulk: Bulk = services.prepare(proposal_ids=[order.public_id for order in orders], now=clock_now(), **who)
    if key is None:
        proof: dict[str, Any] = {"factors": factors()}
    else:
        asked = services.begin_signature(user=cast.alice, bulk_id=bulk.pk, now=clock_now())
        proof = {"answer": Answer(asked.ceremony, key.sign(asked.options))}
    services.confirm(bulk_id=bulk.pk, set_digest=bulk.set_digest, now=clock_now(), **who, **proof)
    return orders


def evidence_of(proposal: Proposal) -> Evidence:
    events = Event.objects.filter(proposal=proposal.public_id).order_by("position")
    records = [parse_json(bytes(event.bytes)) for event in events]
    return dict(gate_section([proposal.public_id])(proposal.public_id)), [record for record in records if isinstance(record, dict)]


@pytest.fixture
def signed(erp: PlainErp) -> Evidence:
    """Return members and event records of one of three proposals that were approved with one signature."""
    cast, key = make_cast([bulk_row(10)]), SoftKey()
    key.enrol(cast.alice)
    return evidence_of(approved_together(cast, key)[1])


def findings_of(found: Evidence) -> tuple[set[str], Findings]:
    members, records = found
    findings = Findings()
    bundle = Bundle(Members.of(members), (), findings, header={}, records=records)
    check_approval(bundle)
    return {problem.code for problem in findings.problems}, findings


def human(found: Evidence) -> dict[str, Any]:
    record: dict[str, Any] = next(record for record in found[1] if record["type"] == "approval:decided")["human"]
    return record


def tampered(found: Evidence, change: Callable[[dict[str, Any]], None]) -> set[str]:
    """Return what the verifier names when one set of the member was changed."""
    listed: Any = parse_json(found[0][MEMBER])
    change(listed["bulks"][0])
    found[0][MEMBER] = canonical_bytes(listed)
    return findings_of(found)[0]


def test_the_signed_set_holds_this_proposal(signed: Evidence) -> None:
    codes, findings = findings_of(signed)
    assert codes == set()
    assert not any("set" in sentence.split() for sentence in findings.limitations)
    assert "1 signed by a passkey" in str(findings.checks)
    kept: Any = parse_json(signed[0][MEMBER])
    content: Any = parse_json(kept["bulks"][0]["set"].encode())
    assert (content["count"], content["sums"]) == (3, {"EUR": 10_350_49})
    digests = [item["payload_digest"] for item in content["items"]]
    assert digests == sorted(digests)
    statement: Any = parse_json(kept["bulks"][0]["signature"]["statement"].encode())
    assert (statement["set_digest"], statement["sums"]) == (human(signed)["set_digest"], content["sums"])


def test_a_set_approved_with_a_code_has_no_signature_and_holds(erp: PlainErp) -> None:
    found = evidence_of(approved_together(make_cast([bulk_row(10)]), None)[0])
    assert "set_signature" not in human(found)
    assert findings_of(found)[0] == set()
    assert tampered(found, lambda kept: kept.update(set=kept["set"].replace("25050", "25051"))) == {"set_forged"}


@pytest.mark.parametrize("part", ["signature", "client_data", "authenticator_data", "public_key", "nonce"])
def test_a_forged_signature_is_named(signed: Evidence, part: str) -> None:
    assert tampered(signed, lambda kept: kept["signature"].update({part: encode_base64(bytes(40))})) == {"signature_broken"}


def test_a_forged_set_is_named(signed: Evidence) -> None:
    assert tampered(signed, lambda kept: kept.update(set=kept["set"].replace("25050", "25051"))) >= {"set_forged"}


def test_a_forged_statement_is_named(signed: Evidence) -> None:
    def change(kept: dict[str, Any]) -> None:
        kept["signature"]["statement"] = kept["signature"]["statement"].replace('"count":3', '"count":4')

    assert tampered(signed, change) == {"statement_forged"}


def test_a_signature_that_was_taken_away_is_named(signed: Evidence) -> None:
    assert tampered(signed, lambda kept: kept.update(signature=None)) == {"signature_missing"}


def test_a_signature_of_another_set_is_named(erp: PlainErp) -> None:
    cast, key = make_cast([bulk_row(10)]), SoftKey()
    key.enrol(cast.alice)
    one, other = (evidence_of(approved_together(cast, key, [amount])[0]) for amount in ("100.00", "2345.00"))
    borrowed: Any = parse_json(other[0][MEMBER])
    assert tampered(one, lambda kept: kept.update(signature=borrowed["bulks"][0]["signature"])) == {"signature_of_another_set"}


def test_a_proposal_that_is_not_in_the_set_is_named(signed: Evidence) -> None:
    for record in signed[1]:
        record["subject"]["proposal"] = "prop_01m846fjamehfvz08qp2kbb88z"
    assert "not_in_set" in findings_of(signed)[0]
    human(signed)["payload_digest"] = f"sha256:{'0' * 64}"
    assert "not_in_set" in findings_of(signed)[0]


def test_without_the_set_the_lack_is_said(signed: Evidence) -> None:
    del signed[0][MEMBER]
    codes, findings = findings_of(signed)
    assert codes == set()
    assert any("set that a decision was made on is not in the bundle" in sentence for sentence in findings.limitations)
