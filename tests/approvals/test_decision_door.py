"""When things go wrong around a decision: each ends in the right place, and none is lost, doubled or made by looking."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.urls import URLPattern

from approvals import urls
from approvals.models import Decision, Signature
from approvals.services.signing import Answer
from approvals.services.signing_decisions import begin_signature
from audit.models import Event
from kernel.clock import now as clock_now
from kernel.errors import DomainError
from proposals.models import Proposal
from proposals.states import ProposalState
from tests.builders.approvals import Cast, a_row, an_order, decided, make_cast, opened
from tests.builders.passkeys import SoftKey
from tests.builders.proposals import PlainErp


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def loaded(client: Client, proposal: Proposal, kind: str = "approve") -> dict[str, str]:
    """Load the page and return what its form would send when a button is pressed."""
    form = client.get(f"/proposals/{proposal.public_id}/").context["form"]
    return {name: form[name].value() or "" for name in form.fields if name not in {"kind", "credential"}} | {"kind": kind}


def sent(client: Client, proposal: Proposal, form: dict[str, str]) -> Any:
    return client.post(f"/proposals/{proposal.public_id}/decide/", form)


@pytest.mark.django_db
def test_a_stale_page_shows_the_difference_and_decides_nothing(cast: Cast, erp: PlainErp) -> None:
    proposal, client = an_order(cast), browser(cast.alice)
    form = loaded(client, proposal)
    erp.facts["vendor_bank_fingerprint"] = "f2"
    answer = sent(client, proposal, form)
    assert answer.status_code == 409
    assert b"no longer holds" in answer.content
    assert b"Your decision was not recorded" in answer.content
    assert not Decision.objects.exists()


@pytest.mark.django_db
def test_what_is_missing_is_named_where_the_page_opens(cast: Cast) -> None:
    proposal, client = an_order(cast), browser(cast.alice)
    answer = sent(client, proposal, loaded(client, proposal, "request_changes"))
    assert (answer.status_code, Decision.objects.count()) == (422, 0)
    assert answer.context["form"].errors == {"reason_code": ["Missing: a reason code."], "comment": ["Missing: a sentence."]}
    assert answer.content.count(b" autofocus") == 1
    form = loaded(client, proposal, "request_changes") | {"reason_code": "amount", "comment": "Half of it."}
    told = client.post(f"/proposals/{proposal.public_id}/decide/", form, follow=True)
    assert b"You requested changes to this proposal." in told.content


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["payload_digest", "presentation_digest"])
def test_either_digest_that_is_not_the_page_s_is_a_409(cast: Cast, name: str) -> None:
    proposal, client = an_order(cast), browser(cast.alice)
    form = loaded(client, proposal) | {name: f"sha256:{'0' * 64}"}
    answer = sent(client, proposal, form)
    assert answer.status_code == 409
    assert not Decision.objects.exists()


@pytest.mark.django_db
def test_a_proposal_that_expires_while_it_is_open_is_refused_and_its_page_is_inert(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    proposal, client = an_order(cast), browser(cast.alice)
    form = loaded(client, proposal)
    late = proposal.expires_at + timedelta(seconds=1)
    monkeypatch.setattr("approvals.views.clock_now", lambda: late)
    answer = sent(client, proposal, form)
    assert answer.status_code == 409
    assert b"expired" in answer.content
    assert not Decision.objects.exists()
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.EXPIRED
    content = client.get(f"/proposals/{proposal.public_id}/").content.decode()
    assert 'name="kind"' not in content
    assert "/comment/" not in content


@pytest.mark.django_db
def test_a_session_that_ends_in_between_leads_back_to_the_page_and_not_to_a_decision(cast: Cast) -> None:
    proposal, client = an_order(cast), browser(cast.alice)
    form = loaded(client, proposal)
    client.logout()
    answer = sent(client, proposal, form)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=/proposals/")
    assert not Decision.objects.exists()
    # Signing in leads to where the form was sent, and that leads to the page.
    client = browser(cast.alice)
    back = client.get(f"/proposals/{proposal.public_id}/decide/")
    assert (back.status_code, back["Location"]) == (302, f"/proposals/{proposal.public_id}/")
    page = client.get(back["Location"])
    assert b"signed out before your decision arrived" in page.content
    assert not Decision.objects.exists()
    assert sent(client, proposal, loaded(client, proposal)).status_code == 303
    assert Decision.objects.count() == 1


def links(identifier: str) -> Iterator[str]:
    """Every address of this door, with the proposal's identifier where one belongs."""
    for pattern in urls.urlpatterns:
        if isinstance(pattern, URLPattern):
            yield "/" + re.sub(r"<str:\w+>", identifier, str(pattern.pattern))


@pytest.mark.django_db
def test_a_mail_scanner_that_follows_every_link_decides_nothing(cast: Cast) -> None:
    proposal = an_order(cast)
    page = browser(cast.alice).get(f"/proposals/{proposal.public_id}/").content.decode()
    found = set(re.findall(r'(?:href|action|hx-get|data-sign)="(/[^"]*)"', page)) | set(links(proposal.public_id))
    assert f"/proposals/{proposal.public_id}/decide/" in found
    before = Event.objects.exclude(kind__in=["user:permission_refused", "proposal:opened"]).count()
    # The scanner of the mail gateway has no session; a link preview in the approver's own browser has one.
    for client in (Client(), browser(cast.alice)):
        for address in sorted(found - {"/accounts/logout/"}):
            assert client.get(address).status_code < 500, address
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.PENDING
    assert not Decision.objects.exists()
    assert not proposal.comments.exists()
    assert Event.objects.exclude(kind__in=["user:permission_refused", "proposal:opened"]).count() == before


# Really at the same moment ------------------------------------------------------------------------------------------------


def at_once(*acts: object) -> list[str]:
    barrier, results = threading.Barrier(len(acts)), [""] * len(acts)

    def run(index: int) -> None:
        try:
            barrier.wait(timeout=20)
            results[index] = str(acts[index]())  # type: ignore[operator]
        except DomainError as error:
            results[index] = error.code
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


@pytest.mark.django_db(transaction=True)
def test_two_approvers_press_at_the_same_moment_and_each_reads_what_became_of_it(erp: PlainErp, cast: Cast) -> None:
    proposal = an_order(cast)
    clients = [browser(cast.alice), browser(cast.bob)]
    forms = [loaded(client, proposal) for client in clients]
    results = at_once(
        *(lambda client=client, form=form: sent(client, proposal, form).status_code for client, form in zip(clients, forms, strict=True))
    )
    assert sorted(results) == ["303", "409"]
    assert Decision.objects.count() == 1
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.APPROVED


@pytest.mark.django_db(transaction=True)
def test_one_signature_sent_twice_at_the_same_moment_decides_once(erp: PlainErp, transactional_db: None) -> None:
    cast = make_cast([a_row(10, step_up_from_minor=5_000_00)])
    key = SoftKey()
    key.enrol(cast.alice)
    proposal = an_order(cast)
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
    answer = Answer(asked.ceremony, key.sign(asked.options))
    results = at_once(*[lambda: decided(cast.alice, page, answer=answer).kind] * 3)
    assert sorted(results) == ["already_decided", "already_decided", "approve"]
    assert Decision.objects.count() == Signature.objects.count() == 1
