"""The pages around a decision, as a person uses them: forms that work without a script, and answers in the right place."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from approvals.bulk.models import Bulk
from approvals.calendars.models import BusinessCalendar
from approvals.delegation.models import Delegation
from approvals.mail.models import MailPreference
from approvals.models import Decision
from approvals.oversight import services as oversight
from approvals.oversight.models import Review
from approvals.work.models import Claim, Looking, Snooze
from approvals.work.services import claim
from identity.models import Role
from kernel.clock import now as clock_now
from tests.builders.approvals import Cast, an_order, approved, make_cast
from tests.builders.identity import actor, make_user
from tests.builders.proposals import PlainErp
from tests.builders.work import bulk_row, delegated, remember_factor

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast(db: None, erp: PlainErp) -> Cast:
    """Return the cast under a matrix that allows bulk approval."""
    return make_cast([bulk_row(10)])


def client_of(user: User, *, has_factor: bool = False) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    if has_factor:
        session = SessionStore(client.session.session_key)
        remember_factor(session, user)
        session.save()
    return client


def text_of(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status, (address, answer.status_code)
    return answer.content.decode()


def test_claim_forward_return_and_snooze_by_their_buttons(cast: Cast) -> None:
    order = an_order(cast)
    address = f"/proposals/{order.public_id}/"
    alice, bob = client_of(cast.alice), client_of(cast.bob)
    assert "Nobody has claimed this yet." in text_of(alice, address)
    assert alice.post(f"{address}claim/").status_code == 303
    shown = text_of(bob, address)
    assert "Alice takes care of this. You may decide nevertheless." in shown
    assert "Alice has this page open as well." in shown
    assert "With Alice" in text_of(bob, "/inbox/?view=group")
    assert bob.post(f"{address}claim/").status_code == 409
    answer = alice.post(f"{address}forward/", {"to": cast.bob.pk, "note": "Yours, I think."})
    assert answer.status_code == 303
    shown = text_of(bob, address)
    assert "Alice forwarded this to you." in shown
    assert "Yours, I think." in shown
    assert bob.post(f"{address}return/").status_code == 303
    until = (clock_now() + timedelta(hours=3)).isoformat()
    assert bob.post(f"{address}snooze/", {"until": until}).status_code == 303
    assert order.headline not in text_of(bob, "/inbox/")
    assert bob.post(f"{address}snooze/", {"until": "never"}).status_code == 422
    assert bob.post(f"{address}wake/").status_code == 303
    assert Claim.objects.filter(ended_at__isnull=True).count() == Snooze.objects.count() == 0
    assert Looking.objects.count() == 2


def test_delegating_and_ending_it_on_the_page(cast: Cast) -> None:
    order = an_order(cast)
    alice, dora = client_of(cast.alice), client_of(cast.dora)
    today = clock_now().date()
    form = {
        "to": cast.dora.pk,
        "starts_on": today.isoformat(),
        "ends_on": (today + timedelta(days=3)).isoformat(),
        "companies": ["DE01"],
        "limit": "10,000.00 EUR",
        "note": "On holiday",
    }
    for wrong, words in (({"limit": "a lot"}, "Write an amount with its currency"), ({"ends_on": "2020-01-01"}, "the end lies before")):
        answer = alice.post("/delegations/", form | wrong)
        assert answer.status_code == 422
        assert words.lower() in answer.content.decode().lower()
    assert alice.post("/delegations/", form).status_code == 303
    made = Delegation.objects.get()
    assert (made.delegate, str(made.limit)) == (cast.dora, "10,000.00 EUR")
    assert order.headline in text_of(dora, "/inbox/?view=delegated")
    assert "You decide for Alice, who delegated to you." in text_of(dora, f"/proposals/{order.public_id}/")
    assert "Delegated to you" in text_of(dora, "/delegations/")
    assert dora.post(f"/delegations/{made.public_id}/end/").status_code == 303
    assert dora.get(f"/proposals/{order.public_id}/").status_code == 200
    assert "Over" in text_of(alice, "/delegations/")


def test_a_controller_writes_the_calendar_and_others_read_it(cast: Cast) -> None:
    form = {
        "time_zone": "Europe/Berlin",
        "opens_at": "08:00",
        "closes_at": "16:30",
        "weekend": ["6", "7"],
        "holidays": "2099-12-25 Christmas",
    }
    cora = client_of(cast.cora)
    assert cora.post("/calendars/DE01/write/", form | {"holidays": "Christmas"}).status_code == 422
    assert cora.post("/calendars/DE01/write/", form).status_code == 303
    assert BusinessCalendar.objects.get().holidays.get().title == "Christmas"
    listed = text_of(client_of(cast.alice), "/calendars/")
    assert "08:00 to 16:30, Europe/Berlin" in listed
    assert "1 holiday ahead, next 2099-12-25" in listed
    assert "A controller of DE01 writes it." in text_of(client_of(cast.alice), "/calendars/DE01/")
    assert client_of(cast.alice).post("/calendars/DE01/write/", form).status_code == 403
    assert client_of(cast.charlie).get("/calendars/DE01/").status_code == 404


def test_choosing_mails_and_reading_the_log(cast: Cast) -> None:
    alice = client_of(cast.alice)
    assert "This installation sends no mail" in text_of(alice, "/notifications/")
    assert alice.post("/notifications/", {"digest": "on"}).status_code == 303
    chosen = MailPreference.objects.get()
    assert (chosen.user, chosen.at_once, chosen.digest) == (cast.alice, False, True)
    assert "No mail yet." in text_of(client_of(make_user("ines", [Role.OPERATOR])), "/mails/")


def test_bulk_from_the_list_to_the_results(cast: Cast) -> None:
    orders = [an_order(cast, amount) for amount in ("100.00", "250.00", "10000.01")]
    alice = client_of(cast.alice)
    shown = text_of(alice, "/inbox/")
    assert all(f'value="{order.public_id}"' in shown for order in orders)
    answer = alice.post("/bulk/", {"proposal": [order.public_id for order in orders]})
    bulk = Bulk.objects.get()
    address = f"/bulk/{bulk.public_id}/"
    assert answer["Location"] == address
    dialog = text_of(alice, address)
    for words in (
        "Approve 2 proposals?",
        "350.00 EUR",
        "250.00 EUR",
        "Left out, and why",
        "the policy allows bulk approval up to 10,000.00 EUR",
    ):
        assert words in dialog
    assert not Decision.objects.exists()
    assert client_of(cast.bob).get(address).status_code == 404
    assert alice.get(f"{address}confirm/").status_code == 405
    # Without a second factor the way leads to one, and nothing is decided.
    answer = alice.post(f"{address}confirm/", {"set_digest": bulk.set_digest, "kind": "approve"})
    assert (answer.status_code, answer["Location"].split("?")[0]) == (303, "/second-factor/")
    assert not Decision.objects.exists()
    with_factor = client_of(cast.alice, has_factor=True)
    assert with_factor.post(f"{address}confirm/", {"set_digest": "sha256:other"}).status_code == 409
    for _ in range(2):
        assert with_factor.post(f"{address}confirm/", {"set_digest": bulk.set_digest})["Location"] == address
    assert "2 of 2 proposals approved" in text_of(alice, address)
    assert Decision.objects.count() == 2
    answer = alice.post("/bulk/", {"proposal": [order.public_id for order in orders]})
    assert answer.status_code == 422
    assert "None of what you picked may be approved in bulk" in answer.content.decode()


def test_a_blind_review_comes_before_the_proposal(cast: Cast, settings: Any) -> None:
    settings.REVIEW_SHARE_PERMILLE = 1000
    order = approved(an_order(cast), cast.alice)
    oversight.draw_due(now=clock_now() + timedelta(days=1))
    review = Review.objects.get()
    bob = client_of(cast.bob)
    address = f"/reviews/{review.public_id}/"
    assert bob.get(f"/proposals/{order.public_id}/")["Location"] == address
    assert order.headline in text_of(bob, "/reviews/")
    page = text_of(bob, address)
    assert order.headline in page
    assert "Alice" not in page
    assert client_of(cast.alice).get(address).status_code == 404
    assert bob.post(address, {"verdict": "reject"}).status_code == 422
    assert bob.post(address, {"verdict": "reject", "comment": "Too many."}).status_code == 303
    assert "I would reject" in text_of(bob, "/reviews/")
    assert "Alice approved" in text_of(bob, f"/proposals/{order.public_id}/")
    told = text_of(client_of(cast.cora), "/oversight/?days=30")
    assert "1 decision by 1 person in 30 days." in told
    assert "1 proposal drawn, 1 reviewed, 100 % of them would not have approved." in told
    assert client_of(cast.alice).get("/oversight/").status_code == 403


def test_an_expired_page_is_inert(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    order = an_order(cast)
    made = delegated(cast.alice, cast.dora, days=30)
    claim(user=cast.bob, proposal_id=order.public_id, actor=actor(cast.bob), now=clock_now())
    later = order.expires_at + timedelta(seconds=1)
    for module in ("approvals.views", "approvals.work.views", "approvals.bulk.views"):
        monkeypatch.setattr(f"{module}.clock_now", lambda: later)
    alice = client_of(cast.alice)
    address = f"/proposals/{order.public_id}/"
    page = text_of(alice, address)
    assert "In whose hands" not in page
    assert page.count("disabled aria-describedby") == 3
    for name, body in (("claim", {}), ("forward", {"to": cast.bob.pk}), ("snooze", {"until": (later + timedelta(hours=1)).isoformat()})):
        assert alice.post(f"{address}{name}/", body).status_code == 409
    assert alice.post("/bulk/", {"proposal": [order.public_id]}).status_code == 422
    assert order.headline not in text_of(client_of(made.delegate), "/inbox/?view=delegated")
