"""What a person may do with a commit: try a failed one again, say what became of an unknown one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from commits import services
from commits.errors import CommentMissing, DocumentNotFound, LandedAfterAll, NotRetryable, NotUnknown
from commits.models import Commit
from gateway.connections import use_connector
from gateway.connectors.embedded import EmbeddedConnector
from gateway.port import Level
from identity.models import Role
from kernel.clock import now as clock_now
from kernel.errors import NotVisible, PermissionRefused
from kernel.queue import depth
from ledger.services import execute_batch
from proposals.models import Proposal
from tests.builders import ledger
from tests.builders.commits import Gate, as_owner, commit_of, kinds, landed_orders, last_event, outcome_of, run
from tests.builders.gateway import Fault, FaultyConnector
from tests.builders.identity import COMPANY, actor, make_user

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def failed(gate: Gate, *, is_retryable: bool = True) -> tuple[Proposal, Commit]:
    proposal = gate.approved_order()
    with use_connector(FaultyConnector(EmbeddedConnector(), [Fault.REFUSED])):
        run()
    as_owner("UPDATE commits_commit SET is_retryable = %s", [is_retryable])
    return proposal, commit_of(proposal)


def unknown(gate: Gate, fault: Fault = Fault.RAISES) -> tuple[Proposal, Commit]:
    proposal = gate.approved_order()
    with use_connector(FaultyConnector(EmbeddedConnector(), [fault], level=Level.B)):
        run()
    commit = commit_of(proposal)
    assert commit.state == "unknown"
    return proposal, commit


def try_again(commit: Commit, user: User) -> Commit:
    return services.retry(commit_id=commit.public_id, user=user, actor=actor(user), now=clock_now())


def say(commit: Commit, user: User, *, document: str | None = None, comment: str = "Looked it up in the ERP") -> Commit:
    return services.resolve_by_person(
        commit_id=commit.public_id, user=user, actor=actor(user), now=clock_now(), document=document, comment=comment
    )


def test_retry_lands_under_the_same_key(gate: Gate) -> None:
    proposal, commit = failed(gate)
    waiting = depth()

    assert try_again(commit, gate.otto).state == "queued"

    assert depth() == waiting + 1
    assert proposal.outcome.__class__.objects.get(proposal=proposal).status == "queued"
    assert kinds(proposal)[-1] == "commit:retried"
    run()
    assert (commit_of(proposal).pk, commit_of(proposal).state, commit_of(proposal).attempt_number) == (commit.pk, "succeeded", 2)
    assert len(landed_orders(proposal)) == 1


def test_retry_is_refused_where_it_makes_no_sense(gate: Gate) -> None:
    proposal, commit = failed(gate, is_retryable=False)
    events = kinds(proposal)
    with pytest.raises(NotRetryable) as refusal:
        try_again(commit, gate.otto)
    assert refusal.value.data == {"state": "failed", "code": "constraint_violated", "proposal": "approved"}
    assert (commit_of(proposal).state, kinds(proposal)) == ("failed", events)


def test_retry_twice_is_refused_the_second_time(gate: Gate) -> None:
    proposal, commit = failed(gate)
    try_again(commit, gate.otto)
    with pytest.raises(NotRetryable):
        try_again(commit, gate.otto)
    assert kinds(proposal).count("commit:retried") == 1


def test_retry_of_what_succeeded_is_refused(gate: Gate) -> None:
    proposal = gate.approved_order()
    run()
    with pytest.raises(NotRetryable):
        try_again(commit_of(proposal), gate.otto)


@pytest.mark.parametrize("act", [try_again, say])
def test_only_operators_of_the_company_may(gate: Gate, act: Callable[..., Any]) -> None:
    proposal, commit = failed(gate) if act is try_again else unknown(gate)
    outsider = make_user("otis", [Role.OPERATOR], companies=("US01",))
    before = (commit.state, kinds(proposal))
    with pytest.raises(PermissionRefused):
        act(commit, gate.cast.alice)
    with pytest.raises(NotVisible):
        act(commit, outsider)
    assert (commit_of(proposal).state, kinds(proposal)) == before


def test_person_says_it_landed(gate: Gate) -> None:
    proposal, commit = unknown(gate, Fault.RAISES_AFTER_COMMIT)
    document = landed_orders(proposal)[0].number

    say(commit, gate.otto, document=document)

    settled = commit_of(proposal)
    assert (settled.state, settled.receipt.document) == ("succeeded", document)
    assert proposal.outcome.document == document
    assert kinds(proposal)[-2:] == ["commit:succeeded", "commit:resolved"]
    assert last_event(proposal, "commit:succeeded").actor_id == str(gate.otto.pk)
    assert outcome_of(last_event(proposal, "commit:resolved")) == {"status": "succeeded", "document": document}


def test_person_says_it_never_landed(gate: Gate) -> None:
    proposal, commit = unknown(gate)

    say(commit, gate.otto)

    settled = commit_of(proposal)
    assert (settled.state, settled.code, settled.is_retryable) == ("failed", "not_landed", True)
    try_again(settled, gate.otto)
    run()
    assert len(landed_orders(proposal)) == 1


def test_person_cannot_say_it_never_landed_when_it_did(gate: Gate) -> None:
    proposal, commit = unknown(gate, Fault.RAISES_AFTER_COMMIT)
    with pytest.raises(LandedAfterAll):
        say(commit, gate.otto)
    assert commit_of(proposal).state == "unknown"


def test_person_cannot_name_a_document_of_another_proposal(gate: Gate) -> None:
    proposal, commit = unknown(gate)
    other = execute_batch([ledger.request("create_purchase_order", ledger.order(), company=COMPANY)], now=clock_now())[0]
    for document in (other.document, "PO-2026-999999"):
        with pytest.raises(DocumentNotFound):
            say(commit, gate.otto, document=document)
    assert commit_of(proposal).state == "unknown"


def test_person_has_to_say_why_and_only_once(gate: Gate) -> None:
    _, commit = unknown(gate)
    with pytest.raises(CommentMissing):
        say(commit, gate.otto, comment=" ")
    say(commit, gate.otto)
    with pytest.raises(NotUnknown):
        say(commit, gate.otto)
