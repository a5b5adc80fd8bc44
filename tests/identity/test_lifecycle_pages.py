"""An agent's life through its real pages: from registering to a code sample, and to its end."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway.catalogue import TOOLS
from identity import services
from identity.models import PRIVILEGED_TOOLS, Agent, Credential, Grant, Role
from kernel.canonical import canonical_bytes
from kernel.clock import now
from tests.builders.identity import actor, make_agent, make_credential, make_grant, make_key, make_user, public_jwk
from tests.identity.recorded import kinds, outcomes

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])

ORDER = "create_purchase_order"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def sponsor() -> User:
    return make_user("sponsor", [Role.CONTROLLER])


def registration(sponsor: User, owner: User, **changes: object) -> dict[str, Any]:
    return {
        "name": "Purchasing agent",
        "purpose": "Orders parts before they run out.",
        "owner": owner.pk,
        "sponsor": sponsor.pk,
        "companies": ["DE01"],
        "runtime": "A test",
        "model": "No model: a script",
        "expires_on": (now().date() + timedelta(days=90)).isoformat(),
        **changes,
    }


def a_grant(tool: str = ORDER, **changes: Any) -> dict[str, Any]:
    return {
        "tool": tool,
        "companies": ["DE01"],
        "currency": "eur",
        "ceiling": "10,000.00",
        "ceiling_day": "50000",
        "ceiling_30_days": "200000.00",
        "count_per_hour": "60",
        "vendors": "70001, 70002",
        "valid_until": (now().date() + timedelta(days=90)).isoformat(),
        **changes,
    }


def a_key(text: str, **changes: object) -> dict[str, Any]:
    return {"key": text, "not_after": (now().date() + timedelta(days=90)).isoformat(), **changes}


def test_from_registering_to_a_sample(alice: User, sponsor: User) -> None:
    """Each page leads to the next; the last one ends with code."""
    client = signed_in(alice)
    assert b"Start a new agent" in client.get("/agents/").content
    answer = client.post("/agents/new/", registration(sponsor, alice))
    agent = Agent.objects.get()
    start = f"/agents/{agent.public_id}/start/"
    assert (answer.status_code, answer["Location"]) == (303, start)
    page = client.get(start).content.decode()
    assert "openssl genpkey" in page
    answer = client.post(f"/agents/{agent.public_id}/keys/new/", a_key(make_key().as_pem(private=False).decode(), next="start"))
    assert answer["Location"] == start
    page = client.get(start).content.decode()
    assert f"/agents/{agent.public_id}/grants/new/?tool={ORDER}&amp;next=start" in page
    answer = client.post(f"/agents/{agent.public_id}/grants/new/", a_grant(next="start"))
    assert answer["Location"] == start
    assert "Activate it" in client.get(start).content.decode()
    answer = client.post(f"/agents/{agent.public_id}/activate/", {"next": "start"})
    assert answer["Location"] == start
    page = client.get(start).content.decode()
    for wanted in (agent.public_id, "/oauth/token", ORDER, "DE01", "import httpx", "#!/usr/bin/env bash"):
        assert wanted in page
    grant = Grant.objects.get()
    assert (grant.state, grant.currency, grant.ceiling_minor, grant.vendors) == ("log_only", "EUR", 1_000_000, ["70001", "70002"])
    assert kinds() == ["agent:registered", "credential:registered", "grant:issued", "agent:activated"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "This field is required"),
        ({"companies": ["FR01"]}, "FR01"),
        ({"expires_on": "2020-01-01"}, "is not within the next year"),
        ({"expires_on": "soon"}, "Enter a valid date"),
        ({"acts_for": ["0"]}, "Select a valid choice"),
    ],
)
def test_a_registration_that_is_wrong_says_where(alice: User, sponsor: User, changes: dict[str, object], said: str) -> None:
    answer = signed_in(alice).post("/agents/new/", registration(sponsor, alice, **changes))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert "Orders parts before they run out." in answer.content.decode()
    assert not Agent.objects.exists()


def test_the_owner_sponsors_nothing_of_their_own(alice: User, sponsor: User) -> None:
    answer = signed_in(alice).post("/agents/new/", registration(alice, alice))
    assert answer.status_code == 422
    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    "make", [lambda: ECKey.generate_key("P-256"), lambda: OKPKey.generate_key("Ed25519"), lambda: RSAKey.generate_key(2048)]
)
@pytest.mark.parametrize("form", ["pem", "jwk", "set"])
def test_a_public_key_is_pasted_as_pem_or_jwk(agent: Agent, alice: User, make: Any, form: str) -> None:
    key = make()
    jwk = public_jwk(key)
    texts = {
        "pem": key.as_pem(private=False).decode(),
        "jwk": canonical_bytes(jwk).decode(),
        "set": canonical_bytes({"keys": [jwk]}).decode(),
    }
    answer = signed_in(alice).post(f"/agents/{agent.public_id}/keys/new/", a_key(texts[form]))
    assert answer.status_code == 303
    assert Credential.objects.get().thumbprint == key.thumbprint()


SECRET = ECKey.generate_key("P-256")


@pytest.mark.parametrize(
    "text",
    [
        SECRET.as_pem(private=True).decode(),
        "\n  " + SECRET.as_pem(private=True).decode().replace("PRIVATE KEY", "EC PRIVATE KEY"),
        canonical_bytes(dict(SECRET.as_dict(private=True))).decode(),
        canonical_bytes({"keys": [dict(SECRET.as_dict(private=True))]}).decode(),
        SECRET.as_pem(private=False).decode() + SECRET.as_pem(private=True).decode(),
        canonical_bytes({"kty": "oct", "k": str(SECRET.as_dict(private=True)["d"])}).decode(),
    ],
    ids=["pem", "old pem", "jwk", "set", "both halves", "symmetric"],
)
def test_a_private_key_is_refused_and_nowhere_repeated(agent: Agent, alice: User, text: str) -> None:
    before = kinds()
    answer = signed_in(alice).post(f"/agents/{agent.public_id}/keys/new/", a_key(text))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "That was a private key" in page or "private key" in page.lower()
    for line in [*text.split(), str(SECRET.as_dict(private=True)["d"])]:
        if len(line) > 30:
            assert line not in page
    assert not Credential.objects.exists()
    assert kinds() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ", "ssh-keygen -e -m pkcs8"),
        ("-----BEGIN CERTIFICATE-----\nMIIB", "openssl x509"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no public key that can be read"),
        ("hello", "neither a JWK nor PEM"),
        ("[1]", "one JSON object"),
        ('{"kty": "EC", "crv": "P-521", "x": "a", "y": "b"}', "is not taken here"),
        ("x" * 9000, "more than 8,192 characters"),
    ],
)
def test_anything_else_says_what_to_do(agent: Agent, alice: User, text: str, said: str) -> None:
    answer = signed_in(alice).post(f"/agents/{agent.public_id}/keys/new/", a_key(text))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Credential.objects.exists()


def test_a_third_key_is_refused_on_the_form(agent: Agent, alice: User) -> None:
    for _ in range(2):
        make_credential(agent, make_key())
    client = signed_in(alice)
    answer = client.post(f"/agents/{agent.public_id}/keys/new/", a_key(make_key().as_pem(private=False).decode()))
    assert answer.status_code == 409
    assert "revoke one before you register another" in answer.content.decode()
    assert "Add a key" not in client.get(f"/agents/{agent.public_id}/").content.decode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ceiling": "1.000,00"}, "1.000,00"),
        ({"ceiling": "100.001"}, "too precise"),
        ({"ceiling_day": "1"}, "at least the one for the shorter period"),
        ({"currency": "E"}, "currency"),
        ({"count_per_hour": "0"}, "greater than or equal to 1"),
        ({"companies": []}, "required"),
        ({"companies": ["FR01"]}, "FR01"),
        ({"valid_until": "2020-01-01"}, "not after its beginning"),
    ],
)
def test_a_grant_that_is_wrong_says_where(agent: Agent, alice: User, changes: dict[str, Any], said: str) -> None:
    answer = signed_in(alice).post(f"/agents/{agent.public_id}/grants/new/", a_grant(**changes))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Grant.objects.exists()


@pytest.mark.parametrize("tool", PRIVILEGED_TOOLS)
def test_nobody_grants_a_privileged_tool(agent: Agent, alice: User, bob: User, tool: str) -> None:
    """Neither owner nor administrator, by no page: it is listed, without a way to grant it, and refused and recorded when sent."""
    for person in (alice, bob):
        client = signed_in(person)
        page = client.get(f"/agents/{agent.public_id}/grants/new/").content.decode()
        assert tool in page
        assert f"?tool={tool}" not in page
        assert b"Bounds" not in client.get(f"/agents/{agent.public_id}/grants/new/?tool={tool}").content
        answer = client.post(f"/agents/{agent.public_id}/grants/new/", a_grant(tool))
        assert (answer.status_code, "nobody can grant it" in answer.content.decode()) == (403, True)
    assert not Grant.objects.exists()
    assert [outcome["code"] for outcome in outcomes("grant:refused")] == ["privileged_tool"] * 2


@pytest.mark.parametrize("path", ["", "edit/", "renew/", "suspend/", "resume/", "decommission/", "keys/new/", "grants/new/", "start/"])
def test_a_colleague_gets_no_form_and_an_attempt_is_recorded_once(agent: Agent, dora: User, path: str) -> None:
    client, before = signed_in(dora), kinds()
    answer = client.get(f"/agents/{agent.public_id}/{path}")
    if not path:
        page = answer.content.decode()
        assert answer.status_code == 200
        assert not re.search(r"/(suspend|edit|renew|keys/new|grants/new|start)/", page)
        return
    assert answer.status_code == 403
    assert kinds() == before
    if path != "start/":
        assert client.post(f"/agents/{agent.public_id}/{path}", {"reason": "No"}).status_code == 403
        assert kinds() == [*before, "agent:refused"]


def test_suspending_asks_for_a_reason_and_resuming_undoes_it(agent: Agent, alice: User) -> None:
    client, path = signed_in(alice), f"/agents/{agent.public_id}"
    assert client.post(f"{path}/suspend/", {"reason": " "}).status_code == 422
    assert Agent.objects.get().state == "active"
    assert client.post(f"{path}/suspend/", {"reason": "Odd orders"}).status_code == 303
    assert Agent.objects.get().state == "suspended"
    assert client.post(f"{path}/suspend/", {"reason": "Again"}).status_code == 409
    assert b"A person suspended it" in client.get(f"{path}/").content
    assert client.post(f"{path}/resume/").status_code == 303
    assert Agent.objects.get().state == "active"
    assert client.post(f"{path}/resume/").status_code == 409


def test_decommissioning_shows_what_it_takes_and_wants_the_name(alice: User) -> None:
    agent = make_agent(alice)
    make_credential(agent, make_key())
    make_grant(agent, ORDER)
    client, path = signed_in(alice), f"/agents/{agent.public_id}/decommission/"
    page = client.get(path).content.decode()
    assert "1 live key" in page
    assert "1 open grant" in page
    answer = client.post(path, {"reason": "Replaced", "confirmed_name": "Another"})
    assert answer.status_code == 422
    assert Agent.objects.get().state == "active"
    assert client.post(path, {"reason": "Replaced", "confirmed_name": agent.name}).status_code == 303
    assert Agent.objects.get().state == "decommissioned"
    page = client.get(f"/agents/{agent.public_id}/").content.decode()
    assert "decommissioned for good" in page
    assert not re.search(r"/(suspend|edit|renew|keys/new|grants/new|start)/", page)


def test_renewing_and_describing(agent: Agent, alice: User, dora: User) -> None:
    client, path = signed_in(alice), f"/agents/{agent.public_id}"
    day = (now().date() + timedelta(days=300)).isoformat()
    assert client.post(f"{path}/renew/", {"expires_on": day}).status_code == 303
    described = {"purpose": "Orders hubs.", "runtime": "Elsewhere", "model": "m", "acts_for": [dora.pk]}
    assert client.post(f"{path}/edit/", described).status_code == 303
    found = Agent.objects.get()
    assert (found.expires_on.isoformat(), found.purpose, found.acts_for) == (day, "Orders hubs.", [dora.pk])
    assert "Dora" in client.get(f"{path}/").content.decode()


def test_the_history_shows_before_and_after(alice: User, dora: User, django_assert_max_num_queries: Any) -> None:
    agent = make_agent(alice)
    make_credential(agent, make_key())
    grant = make_grant(agent, ORDER)
    services.suspend_agent(agent_id=agent.pk, actor=actor(alice), now=now(), reason="Odd orders")
    services.revoke_grant(grant_id=grant.pk, actor=actor(alice), now=now())
    Agent.objects.filter(pk=agent.pk).update(purpose="Something else")
    stray = Agent.objects.get()
    type(stray).history.bulk_history_create([stray], update=True)
    client = signed_in(dora)
    with django_assert_max_num_queries(30):
        page = client.get(f"/agents/{agent.public_id}/history/").content.decode()
    said = re.findall(r"<h2>(.*?)</h2>", page)
    assert said[0] == "Changed without an event: this was none of the services"
    assert said[1:4] == [
        f"Alice revoked a grant for {ORDER}",
        "Alice suspended the agent",
        f"Alice let a grant out of log-only for {ORDER}",
    ]
    assert said[-1] == "Alice registered the agent"
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for wanted in ("“Odd orders”", "State Active Suspended", "State Log only Active", "Something else", "100,000.00 EUR"):
        assert wanted in text
    assert "/audit/events/" not in page  # no right to read the log


def test_every_tool_has_a_page_for_its_grant(agent: Agent, alice: User) -> None:
    client = signed_in(alice)
    for tool in TOOLS.values():
        page = client.get(f"/agents/{agent.public_id}/grants/new/?tool={tool.name}")
        assert page.status_code == 200
        assert (b"Each write" in page.content) == (tool.is_grantable and str(tool.kind) == "write")
