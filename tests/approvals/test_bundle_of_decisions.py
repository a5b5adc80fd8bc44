"""What the verifier says about decisions: a passkey's signature, pages as shown and attachments hold, and each forgery is named."""

from __future__ import annotations

from typing import Any

import pytest

from approvals.evidence import gate_section
from approvals.services import discussion
from approvals.services.signing import Answer
from approvals.services.signing_decisions import begin_signature
from audit.models import Event
from audit.verifier.countersign_verify import Bundle, Findings, Members, check_approval, check_cited_documents, encode_base64
from kernel.canonical import canonical_bytes, parse_json
from kernel.clock import now as clock_now
from tests.builders.approvals import a_row, an_order, decided, make_cast, opened
from tests.builders.identity import actor
from tests.builders.passkeys import SoftKey
from tests.builders.proposals import PlainErp

pytestmark = pytest.mark.django_db
Evidence = tuple[dict[str, bytes], list[dict[str, Any]]]


@pytest.fixture
def signed(erp: PlainErp) -> Evidence:
    """Return members and event records of a proposal with an attachment and a decision signed by a passkey."""
    cast = make_cast([a_row(10, step_up_from_minor=5_000_00)])
    key = SoftKey()
    key.enrol(cast.alice)
    proposal = an_order(cast)
    where: dict[str, Any] = {"user": cast.bob, "proposal_id": proposal.public_id, "actor": actor(cast.bob), "now": clock_now()}
    discussion.attach(name="note.txt", content=b"As agreed.", **where)
    page = opened(cast.alice, proposal)
    asked = begin_signature(
        user=cast.alice,
        proposal_id=proposal.public_id,
        kind="approve",
        presentation_digest=page.presentation_digest,
        reason_code="",
        comment="",
        now=clock_now(),
    )
    decided(cast.alice, page, answer=Answer(asked.ceremony, key.sign(asked.options)))
    events = Event.objects.filter(proposal=proposal.public_id).order_by("position")
    records = [parse_json(bytes(event.bytes)) for event in events]
    return dict(gate_section([proposal.public_id])(proposal.public_id)), [record for record in records if isinstance(record, dict)]


def problems(found: Evidence) -> tuple[set[str], Findings]:
    members, records = found
    findings = Findings()
    bundle = Bundle(Members.of(members), (), findings, header={}, records=records)
    check_approval(bundle)
    check_cited_documents(bundle)
    return {problem.code for problem in findings.problems}, findings


def human(found: Evidence) -> dict[str, Any]:
    record: dict[str, Any] = next(record for record in found[1] if record["type"] == "approval:decided")["human"]
    return record


def test_what_was_kept_holds(signed: Evidence) -> None:
    codes, findings = problems(signed)
    assert codes == set()
    assert not any("passkey" in sentence for sentence in findings.limitations)
    assert {path for path in signed[0] if "attach" in path or "as_shown" in path or "signatures" in path} >= {
        "proposal/as_shown.html",
        "proposal/attachments.json",
        "gate/signatures.json",
    }


@pytest.mark.parametrize("part", ["signature", "client_data", "authenticator_data", "public_key", "nonce"])
def test_a_forged_signature_is_named(signed: Evidence, part: str) -> None:
    kept = human(signed)["signature"]
    kept[part] = encode_base64(bytes(40))
    assert "signature_broken" in problems(signed)[0]


def test_a_signature_for_another_decision_is_named(signed: Evidence) -> None:
    human(signed)["decision"] = "reject"
    assert "signature_of_another_decision" in problems(signed)[0]


def test_a_forged_statement_is_named(signed: Evidence) -> None:
    listed = parse_json(signed[0]["gate/signatures.json"])
    assert isinstance(listed, dict)
    listed["signatures"][0]["statement"] = listed["signatures"][0]["statement"].replace('"approve"', '"reject"')
    signed[0]["gate/signatures.json"] = canonical_bytes(listed)
    assert "statement_forged" in problems(signed)[0]


def test_without_the_statement_the_signature_is_checked_and_the_lack_is_said(signed: Evidence) -> None:
    del signed[0]["gate/signatures.json"]
    codes, findings = problems(signed)
    assert codes == set()
    assert any("statement that a passkey signed is not in the bundle" in sentence for sentence in findings.limitations)


def test_another_page_and_another_attachment_are_named(signed: Evidence) -> None:
    signed[0]["proposal/as_shown.html"] += b"<p>and more</p>"
    path = next(path for path in signed[0] if path.startswith("proposal/attachments/"))
    signed[0][path] = b"As never agreed."
    assert problems(signed)[0] >= {"page_forged", "attachment_forged"}


def test_a_key_that_can_not_be_computed_with_is_a_limitation(signed: Evidence) -> None:
    from fido2 import cbor

    human(signed)["signature"]["public_key"] = encode_base64(cbor.encode({1: 2, 3: -35, -1: 2, -2: b"x", -3: b"y"}))
    codes, findings = problems(signed)
    assert codes == set()
    assert any("algorithm -35" in sentence for sentence in findings.limitations)
