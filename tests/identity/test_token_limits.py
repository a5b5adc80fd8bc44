"""How often somebody may ask for a token: agents by their quota, everybody else by their address."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from joserfc.jwk import ECKey

from audit.models import Event
from identity.limits.quotas import Quota
from identity.models import Agent
from kernel.canonical import parse_json
from tests.builders.identity import details, make_assertion, make_key, token_response

pytestmark = pytest.mark.django_db


def ask_for_token(agent: Agent, key: ECKey) -> HttpResponse:
    return token_response(make_assertion(agent, key), details("propose", "create_purchase_order"))


@pytest.fixture(autouse=True)
def _recorded(settings: Any) -> None:
    settings.REFUSALS_RECORDED = 5


def refused() -> int:
    return Event.objects.filter(kind="token:refused").count()


def test_junk_at_the_token_endpoint_is_locked_out(settings: Any, equipped: tuple[Agent, ECKey]) -> None:
    settings.RATE_REFUSED = Quota("refused", 8, 300)
    answers = [Client().post("/oauth/token", {"grant_type": "client_credentials", "client_assertion": "junk"}) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [400] * 8 + [429] * 4
    assert answers[-1].json()["code"] == "locked_out"
    assert answers[-1].json()["error"] == "temporarily_unavailable"
    assert int(answers[-1]["Retry-After"]) >= 1
    assert answers[-1]["Cache-Control"] == "no-store"
    assert refused() == 5
    assert ask_for_token(*equipped).status_code == 200, "whoever proves to be an agent is not locked out"


def test_attempts_to_be_one_agent_do_not_hide_behind_another(settings: Any, equipped: tuple[Agent, ECKey]) -> None:
    agent, _ = equipped
    for _ in range(7):
        Client().post("/oauth/token", {"grant_type": "client_credentials", "client_assertion": "junk"})
    assert refused() == 5
    assert ask_for_token(agent, make_key()).status_code == 401
    assert refused() == 6


def test_an_agent_has_a_quota_for_tokens(settings: Any, equipped: tuple[Agent, ECKey]) -> None:
    settings.RATE_AGENT = Quota("agent", 2, 60)
    answers = [ask_for_token(*equipped) for _ in range(9)]
    assert [answer.status_code for answer in answers] == [200, 200] + [429] * 7
    assert parse_json(answers[-1].content)["code"] == "rate_limited"  # type: ignore[index]
    assert refused() == 5


def test_the_form_is_bounded() -> None:
    large = "x" * (32 * 1024 + 1)
    for path in ("token", "revoke", "introspect"):
        answer = Client().post(f"/oauth/{path}", large, content_type="application/x-www-form-urlencoded")
        assert answer.status_code == 413, path
    many = "&".join(f"p{number}=1" for number in range(21))
    assert Client().post("/oauth/token", many, content_type="application/x-www-form-urlencoded").status_code == 400
