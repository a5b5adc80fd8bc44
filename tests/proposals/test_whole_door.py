"""The agents' door on real parts: the installation's URLs, the real gate, the embedded ERP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from approvals.gate import ApprovalGate
from approvals.models import Route
from audit.models import Event
from identity.tokens.access import mint
from identity.tokens.details import Detail
from kernel.canonical import to_json_text
from kernel.clock import now
from proposals.gate import register_gate
from proposals.models import Proposal
from tests.builders import identity
from tests.builders.approvals import Cast, approved, make_cast
from tests.builders.ledger import open_company, order

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


@pytest.fixture(autouse=True)
def _agents_urls() -> None:
    """Leave the installation's own URLs and middleware as they are."""


@pytest.fixture(autouse=True)
def erp() -> None:
    """Ask the embedded ERP."""


@pytest.fixture(autouse=True)
def gate() -> None:
    """Route by the active policy."""
    register_gate(ApprovalGate())


@pytest.fixture
def cast() -> Cast:
    open_company("DE01")
    return make_cast()


def headers(cast: Cast) -> dict[str, str]:
    principal, at = cast.principal, now()
    token = mint(
        agent_id=principal.agent_id,
        credential_thumbprint=principal.credential_thumbprint,
        details=[(Detail("propose", "create_purchase_order", "DE01"), principal.details[0].grant_id)],
        not_after=at + timedelta(hours=1),
        now=at,
    )
    return identity.bearer(token.text)


def post(cast: Cast, path: str, body: Any, key: str) -> Any:
    return Client().post(
        f"/api/v1/{path}", to_json_text(body), content_type="application/json", headers=headers(cast) | {"Idempotency-Key": key}
    )


def test_a_proposal_is_routed_decided_and_its_agent_told(cast: Cast) -> None:
    body = {"tool": "create_purchase_order", "company": "DE01", "payload": order()}
    response = post(cast, "proposals", body, "order-1")
    assert response.status_code == 202, response.content
    answer = response.json()
    assert (answer["status"], answer["amount"], answer["currency"]) == ("pending", "100.52", "EUR")
    proposal = Proposal.objects.get()
    assert Route.objects.get().proposal == proposal
    kinds = Event.objects.filter(proposal=proposal.public_id).order_by("position").values_list("kind", flat=True)
    assert list(kinds) == ["proposal:proposed", "gate:routed"]
    approved(proposal, cast.alice)
    told = Client().get(f"/api/v1/proposals/{answer['id']}", headers=headers(cast)).json()
    assert (told["status"], told["is_final"]) == ("queued", False)


def test_an_unknown_vendor_is_named(cast: Cast) -> None:
    body = {"tool": "create_purchase_order", "company": "DE01", "payload": order(vendor="nobody")}
    response = post(cast, "proposals", body, "order-1")
    assert response.status_code == 422
    assert [item["path"] for item in response.json()["errors"]] == ["/payload/vendor"]
    assert not Proposal.objects.exists()
