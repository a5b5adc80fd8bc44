"""A decision signed by a passkey: over exactly this decision, once, by this person verified; and provable from its bytes alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from approvals.models import Ceremony, Decision, Signature
from approvals.services import signing
from approvals.services.signing import Answer, Begun, problems_of
from approvals.services.signing_decisions import begin_signature
from approvals.states import DecisionKind
from audit.models import Event
from audit.verifier.countersign_verify import Assertion, decode_base64, passkey_problems
from kernel.canonical import parse_json
from kernel.clock import now as clock_now
from kernel.errors import DomainError
from proposals.models import Proposal
from tests.builders.approvals import Cast, a_row, an_order, decided, make_cast, opened
from tests.builders.passkeys import SoftKey
from tests.builders.proposals import PlainErp

pytestmark = pytest.mark.django_db


@pytest.fixture
def strict(db: None, erp: PlainErp) -> Cast:
    """Return the cast under a policy that wants a second factor from 5,000.00 EUR on."""
    return make_cast([a_row(10, step_up_from_minor=5_000_00)])


@pytest.fixture
def key(strict: Cast) -> SoftKey:
    """Return alice's passkey."""
    made = SoftKey()
    made.enrol(strict.alice)
    return made


def begun(user: User, page: Any, kind: str = DecisionKind.APPROVE, **words: str) -> Begun:
    values = {"reason_code": "", "comment": "", **words}
    return begin_signature(
        user=user,
        proposal_id=page.proposal.public_id,
        kind=kind,
        presentation_digest=page.presentation_digest,
        now=clock_now(),
        **values,
    )


def signed(key: SoftKey, asked: Begun, **lies: Any) -> Answer:
    return Answer(asked.ceremony, key.sign(asked.options, **lies))


def assert_refused(proposal: Proposal, act: Callable[[], object], match: str) -> None:
    with pytest.raises(DomainError, match=match) as refusal:
        act()
    assert refusal.value.code == "signature_refused"
    assert not Decision.objects.exists()
    assert not Signature.objects.exists()
    assert Event.objects.filter(kind="approval:refused").count() == 1
    proposal.refresh_from_db()
    assert proposal.state == "pending"


def test_a_signature_is_a_second_factor_and_becomes_evidence(strict: Cast, key: SoftKey) -> None:
    page = opened(strict.alice, an_order(strict))
    decision = decided(strict.alice, page, answer=signed(key, begun(strict.alice, page)))
    kept = decision.signature
    assert kept is not None
    assert decision.second_factor is not None
    assert decision.second_factor["type"] == "webauthn"
    assert decision.second_factor["signed"] is True
    assert decision.second_factor_at == decision.decided_at
    assert problems_of(kept) == []
    statement = parse_json(bytes(kept.statement_bytes))
    assert isinstance(statement, dict)
    assert statement["decision"] == "approve"
    assert statement["payload_digest"] == page.payload_digest
    assert statement["presentation_digest"] == page.presentation_digest
    assert statement["user"] == str(strict.alice.pk)
    assert Ceremony.objects.get().used_at is not None


def test_the_event_alone_proves_the_signature(strict: Cast, key: SoftKey) -> None:
    page = opened(strict.alice, an_order(strict))
    decided(strict.alice, page, answer=signed(key, begun(strict.alice, page)))
    event = Event.objects.get(kind="approval:decided")
    record = parse_json(bytes(event.bytes))
    assert isinstance(record, dict)
    kept = record["human"]["signature"]
    parts = {name: decode_base64(kept[name]) for name in ("nonce", "client_data", "authenticator_data", "signature", "public_key")}
    digest = bytes.fromhex(kept["digest"].removeprefix("sha256:"))
    assert passkey_problems(Assertion(digest=digest, rp_id=kept["rp_id"], origin=kept["origin"], **parts)) == []
    # The same verdict by a library that is not ours.
    client_hash = hashes.Hash(hashes.SHA256())
    client_hash.update(parts["client_data"])
    message = parts["authenticator_data"] + client_hash.finalize()
    key.key.public_key().verify(parts["signature"], message, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("part", ["digest", "nonce", "client_data", "authenticator_data", "signature", "public_key", "statement_bytes"])
def test_one_flipped_bit_is_found(strict: Cast, key: SoftKey, part: str) -> None:
    page = opened(strict.alice, an_order(strict))
    kept = decided(strict.alice, page, answer=signed(key, begun(strict.alice, page))).signature
    assert kept is not None
    content = bytearray(bytes(getattr(kept, part)))
    content[-1] ^= 0x01
    setattr(kept, part, bytes(content))
    assert problems_of(kept) != []


@pytest.mark.parametrize(
    ("lie", "match"),
    [
        ({"challenge": b"\x01" * 32}, "Wrong challenge"),
        ({"origin": "https://evil.example"}, "Invalid origin"),
        ({"origin": "http://localhost:9999"}, "Invalid origin"),
        ({"rp_id": "evil.example"}, "Wrong RP ID"),
        ({"flags": 0x04}, "User Present"),
        ({"flags": 0x01}, "(?i)user verification"),
        ({"kind": "webauthn.create"}, "Incorrect type"),
        ({"cross_origin": True}, "another origin"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_an_answer_that_is_not_this_signature_decides_nothing(strict: Cast, key: SoftKey, lie: dict[str, Any], match: str) -> None:
    proposal = an_order(strict)
    page = opened(strict.alice, proposal)
    answer = signed(key, begun(strict.alice, page), **lie)
    assert_refused(proposal, lambda: decided(strict.alice, page, answer=answer), match)


@pytest.mark.parametrize("credential", [{}, {"id": "AA"}, {"response": 7}, {"id": 1, "rawId": [], "response": {}}], ids=repr)
def test_garbage_decides_nothing(strict: Cast, key: SoftKey, credential: dict[str, Any]) -> None:
    proposal = an_order(strict)
    page = opened(strict.alice, proposal)
    ceremony = begun(strict.alice, page).ceremony
    assert_refused(proposal, lambda: decided(strict.alice, page, answer=Answer(ceremony, credential)), "does not hold")


def test_another_key_decides_nothing(strict: Cast, key: SoftKey) -> None:
    proposal = an_order(strict)
    page = opened(strict.alice, proposal)
    thief = SoftKey(credential_id=key.credential_id)
    assert_refused(proposal, lambda: decided(strict.alice, page, answer=signed(thief, begun(strict.alice, page))), "Invalid signature")


@pytest.mark.parametrize(
    "changes", [{"kind": "reject"}, {"comment": "Other words."}, {"reason_code": "other"}], ids=["kind", "comment", "reason_code"]
)
def test_what_changed_after_signing_is_not_signed(strict: Cast, key: SoftKey, changes: dict[str, str]) -> None:
    proposal = an_order(strict)
    page = opened(strict.alice, proposal)
    answer = signed(key, begun(strict.alice, page, reason_code="amount", comment="Seen."))
    sent: dict[str, Any] = {"kind": "approve", "reason_code": "amount", "comment": "Seen.", **changes}
    assert_refused(proposal, lambda: decided(strict.alice, page, answer=answer, **sent), "changed after signing")


def test_a_signature_is_used_once(strict: Cast, key: SoftKey) -> None:
    first, second = an_order(strict), an_order(strict)
    page = opened(strict.alice, first)
    answer = signed(key, begun(strict.alice, page))
    decided(strict.alice, page, answer=answer)
    with pytest.raises(DomainError, match="used already"):
        decided(strict.alice, opened(strict.alice, second), answer=answer)
    assert Decision.objects.count() == Signature.objects.count() == 1


def test_a_challenge_of_somebody_else_or_of_long_ago_is_refused(strict: Cast, key: SoftKey) -> None:
    proposal = an_order(strict)
    key.enrol(strict.bob)
    page, of_bob = opened(strict.alice, proposal), opened(strict.bob, proposal)
    answer = signed(key, begun(strict.bob, of_bob))
    with pytest.raises(DomainError, match="not made for you"):
        decided(strict.alice, page, answer=answer)
    late = clock_now() + timedelta(minutes=6)
    answer = signed(key, begun(strict.alice, page))
    with pytest.raises(DomainError, match="older than five minutes"):
        decided(strict.alice, page, answer=answer, now=late)
    with pytest.raises(DomainError, match="names no challenge"):
        decided(strict.alice, page, answer=Answer("prop_x", answer.credential))
    assert not Decision.objects.exists()


def test_who_could_not_decide_is_not_asked_for_a_signature(strict: Cast, key: SoftKey) -> None:
    page = opened(strict.alice, an_order(strict))
    key.enrol(strict.dora)
    for user, match in [(strict.dora, "you are not a member"), (strict.bob, "never shown to you")]:
        with pytest.raises(DomainError, match=match):
            begun(user, page)
    with pytest.raises(DomainError, match="need a reason code"):
        begun(strict.alice, page, "reject")
    opened(strict.bob, page.proposal)
    with pytest.raises(DomainError, match="no passkey"):
        begun(strict.bob, page)
    assert not Ceremony.objects.exists()


def test_a_passkey_that_nobody_could_check_offline_is_not_asked(strict: Cast) -> None:
    from fido2 import cbor
    from fido2.cose import ES256

    made = SoftKey()
    other = dict(ES256.from_cryptography_key(made.key.public_key()))  # type: ignore[no-untyped-call]
    made.enrol(strict.alice, public_key=cbor.encode({**other, 3: -35}))
    page = opened(strict.alice, an_order(strict))
    with pytest.raises(DomainError, match="no passkey that can sign"):
        begun(strict.alice, page)


def test_signatures_and_used_challenges_stay_as_they_are(strict: Cast, key: SoftKey) -> None:
    page = opened(strict.alice, an_order(strict))
    decided(strict.alice, page, answer=signed(key, begun(strict.alice, page)))
    for statement in (
        "UPDATE approvals_signature SET flags = 0",
        "DELETE FROM approvals_signature",
        "UPDATE approvals_ceremony SET used_at = NULL",
        "DELETE FROM approvals_ceremony",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_a_signature_of_somebody_else_is_no_decision_in_the_database(strict: Cast, key: SoftKey) -> None:
    page = opened(strict.alice, an_order(strict))
    decision = decided(strict.alice, page, answer=signed(key, begun(strict.alice, page)))
    other = opened(strict.bob, an_order(strict))
    with pytest.raises(IntegrityError, match="another person"), transaction.atomic():
        Decision.objects.create(
            proposal=other.proposal,
            step=other.route.steps.get(),
            user=strict.bob,
            kind="approve",
            payload_digest=other.payload_digest,
            presentation=other.proposal.presentations.get(),
            second_factor={"type": "webauthn"},
            second_factor_at=clock_now(),
            signature=decision.signature,
            shown_at=other.shown_at,
            decided_at=clock_now() + timedelta(seconds=1),
        )


def test_a_statement_tells_nothing_by_its_digest() -> None:
    first, second = (signing.statement_bytes({"comment": "yes"}, bytes([number]) * 32) for number in (1, 2))
    assert first != second
