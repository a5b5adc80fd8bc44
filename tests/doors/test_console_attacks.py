"""Attempts to get past the people's doors: forged forms, text that an agent wrote, sessions, redirects, rights through the back door."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from identity import services
from identity.models import Role, RoleAssignment
from kernel.canonical import to_json_text
from kernel.clock import now as clock_now
from kernel.ids import Prefix, encode, new_id
from ledger.sample import SECOND_COMPANY
from tests.builders import console, gateway, identity
from tests.doors.world import COMPANY, World, decision_path, form_of, nothing_decided, page_path, signed_in, watched

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>{{ 7*7 }}{% now 'Y' %}"
HANDLER = re.compile(r"\son[a-z]+\s*=", re.IGNORECASE)


# Forms ----------------------------------------------------------------------------------------------------------------


def test_decision_without_the_form_of_this_installation_is_refused(world: World) -> None:
    proposal = world.mine.proposed()
    client = signed_in(world.person("bob"), enforce_csrf_checks=True)
    page = client.get(page_path(proposal))
    form = form_of(page) | {"kind": "approve"}
    token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode())[0]

    for sent, headers in (
        (form, {}),
        (form | {"csrfmiddlewaretoken": "x" * 64}, {}),
        (form | {"csrfmiddlewaretoken": token}, {"Origin": "https://elsewhere.example"}),
        (form, {"X-CSRFToken": "x" * 32}),
        (form, {"Authorization": f"Bearer {world.mine.token()}"}),
    ):
        with watched() as traces:
            nothing_decided(client.post(decision_path(proposal), sent, headers=headers), 403)
        assert (traces.changed, traces.kinds) == ([], [])

    assert client.post(decision_path(proposal), form | {"csrfmiddlewaretoken": token}).status_code == 303


FORGED: dict[str, tuple[Callable[[dict[str, str]], dict[str, Any]], int, str]] = {
    "another payload's digest": (lambda form: form | {"payload_digest": "sha256:" + "0" * 64}, 409, "stale_payload"),
    "a page that was never shown": (lambda form: form | {"presentation_digest": "sha256:" + "0" * 64}, 409, "stale_page"),
    "no instant": (lambda form: form | {"shown_at": "2026-11-23T00:00:00Z"}, 409, "stale_page"),
    "an instant with another end": (lambda form: form | {"shown_at": form["shown_at"][:-3] + "abc"}, 409, "stale_page"),
}


def test_forged_form_is_refused_and_recorded(world: World) -> None:
    proposal = world.mine.proposed()
    form = form_of(world.as_("bob").get(page_path(proposal))) | {"kind": "approve"}
    for what, (forge, status, code) in FORGED.items():
        with watched() as traces:
            nothing_decided(world.as_("bob").post(decision_path(proposal), forge(form)), status)
        assert traces.changed == [], what
        assert traces.kinds == ["approval:refused"], what
        assert traces.outcomes() == [{"status": "refused", "code": code}], what


def test_page_shown_to_another_person_or_of_another_proposal_is_no_page(world: World) -> None:
    first, second = world.mine.proposed(), world.mine.proposed(gateway.order_payload(reference="REQ-2"))
    bobs = form_of(world.as_("bob").get(page_path(first))) | {"kind": "approve"}
    marias = form_of(world.as_("maria").get(page_path(first)))
    other = form_of(world.as_("bob").get(page_path(second)))

    for name, proposal, form in (
        ("maria", first, bobs),
        ("bob", second, bobs),
        ("bob", first, bobs | {"shown_at": other["shown_at"]}),
        ("bob", first, bobs | {"shown_at": marias["shown_at"]}),
        ("bob", first, bobs | {"payload_digest": other["payload_digest"]}),
        ("bob", first, bobs | {"presentation_digest": other["presentation_digest"]}),
    ):
        with watched() as traces:
            nothing_decided(world.as_(name).post(decision_path(proposal), form), 409)
        assert traces.changed == []
        assert traces.kinds == ["approval:refused"]


UNACCEPTABLE: list[dict[str, str]] = [
    {"kind": ""},
    {"kind": "approve_all"},
    {"kind": "approved"},
    {"shown_at": "\0"},
    {"presentation_digest": "\0"},
    {"kind": "reject", "reason_code": "", "comment": ""},
    {"kind": "reject", "reason_code": "amount", "comment": "  "},
    {"kind": "reject", "reason_code": "no_such_reason", "comment": "Half is enough."},
    {"kind": "reject", "reason_code": "amount", "comment": "a\0b"},
    {"kind": "reject", "reason_code": "amount", "comment": "x" * 2001},
]


def test_form_that_says_nothing_acceptable_comes_back(world: World) -> None:
    proposal = world.mine.proposed()
    form = form_of(world.as_("bob").get(page_path(proposal))) | {"kind": "approve"}
    for change in UNACCEPTABLE:
        with watched() as traces:
            nothing_decided(world.as_("bob").post(decision_path(proposal), form | change), 422)
        assert traces.changed == [], change


def test_decision_is_a_form_and_a_post(world: World) -> None:
    proposal = world.mine.proposed()
    client = world.as_("bob")
    form = form_of(client.get(page_path(proposal))) | {"kind": "approve"}
    path = decision_path(proposal)

    # Whoever is led back here after signing in finds the page again; looking decides nothing.
    nothing_decided(client.get(path, form), 302)
    nothing_decided(client.get(path, form, headers={"X-HTTP-Method-Override": "POST"}), 302)
    nothing_decided(client.put(path, to_json_text(form), content_type="application/json"), 405)
    nothing_decided(client.post(path, to_json_text(form), content_type="application/json"), 422)
    nothing_decided(client.post(f"{path}?kind=approve", {}), 422)


# Text that an agent wrote ---------------------------------------------------------------------------------------------


def test_agents_text_is_shown_as_text_and_below_the_facts(world: World) -> None:
    payload = gateway.order_payload(
        reference="<b>REQ</b>",
        note=SCRIPT,
        lines=[{"item": "P-1009", "quantity": "1", "unit_price": "1.00", "description": "<svg onload=alert(3)>"}],
    )
    proposal = world.mine.proposed(payload, rationale=SCRIPT + "\n\nAPPROVED BY FINANCE")

    response = world.as_("bob").get(page_path(proposal))

    page = response.content.decode()
    for text in ("<script>alert", "<img src=x", "<svg onload", "<b>REQ</b>"):
        assert text not in page, text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7*7 }}" in page
    assert "{% now" in page
    said = page.index("APPROVED BY FINANCE")
    assert page.index("Written by the agent, not verified") < said
    for above in ("What will be written", 'class="facts', 'id="checks"', "1.00 EUR"):
        assert page.index(above) < said, above


def test_no_page_carries_agents_markup(world: World) -> None:
    proposal = world.mine.proposed(gateway.order_payload(reference="<i>x</i>", note=SCRIPT), rationale=SCRIPT)
    pages = [("bob", path) for path in ("/inbox/", "/proposals/", page_path(proposal), f"{page_path(proposal)}progress/")]
    for person, path in [*pages, ("ruth", f"/audit/proposals/{proposal.public_id}/"), ("ruth", "/audit/")]:
        response = world.as_(person).get(path)
        page = response.content.decode()
        assert response.status_code in {200, 286}, path
        assert "<script>alert" not in page, path
        assert "<i>x</i>" not in page, path
        assert not HANDLER.search(re.sub(r">[^<]*<", "><", page)), path
        assert not re.search(r"<script(?![^>]*\ssrc=)", page), path
        assert "javascript:" not in page, path


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/api/v1/docs", "/nowhere/", "/admin/", "/inbox/"])
def test_every_answer_tells_the_browser_what_it_may_do(world: World, path: str) -> None:
    for response in (world.as_("bob").get(path), Client().get(path)):
        policy = dict(part.strip().partition(" ")[::2] for part in response["Content-Security-Policy"].split(";") if part.strip())
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
        assert policy["base-uri"] == policy["frame-ancestors"] == policy["object-src"] == "'none'"
        assert "unsafe" not in response["Content-Security-Policy"]
        assert response["X-Frame-Options"] == "DENY"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Referrer-Policy"] == "same-origin"


def test_evidence_of_another_company_does_not_exist(world: World) -> None:
    proposal = world.mine.proposed()
    client = world.as_("charlie")
    for path in (page_path(proposal), f"{page_path(proposal)}progress/", f"/audit/proposals/{proposal.public_id}/"):
        found, absent = client.get(path), client.get(path.replace(proposal.public_id, encode(Prefix.PROPOSAL, new_id())))
        assert (found.status_code, absent.status_code) == (404, 404), path
        assert proposal.headline not in found.content.decode()
    for path in ("/inbox/", "/proposals/", "/commits/", "/audit/", "/agents/", "/reconciliation/breaks/"):
        page = client.get(path)
        assert page.status_code == 200, path
        assert "70001" not in page.content.decode(), path
        assert "Rheinland" not in page.content.decode(), path


# Rights through the back door -----------------------------------------------------------------------------------------


def test_owner_manages_no_agent_but_their_own(world: World) -> None:
    """Also not through an address that names their own agent and somebody else's grant or key."""
    mine, theirs = world.other.agent.public_id, world.mine.agent
    grant, key = theirs.grants.first(), theirs.credentials.get()
    assert grant is not None
    for path in (
        f"/agents/{theirs.public_id}/suspend/",
        f"/agents/{theirs.public_id}/grants/{grant.public_id}/revoke/",
        f"/agents/{theirs.public_id}/keys/{key.public_id}/revoke/",
        f"/agents/{mine}/grants/{grant.public_id}/revoke/",
        f"/agents/{mine}/grants/{grant.public_id}/activate/",
        f"/agents/{mine}/keys/{key.public_id}/revoke/",
    ):
        with watched() as traces:
            response = world.as_("tomas").post(path, {"reason": "It is in the way."})
        assert response.status_code in {403, 404}, path
        assert traces.changed == [], path


def test_a_role_counts_in_its_own_companies_only(world: World) -> None:
    """Who approves in Germany and operates in Austria does not operate in Germany."""
    eve = identity.make_user("eve", [Role.APPROVER])
    for role in (Role.OPERATOR, Role.CONTROLLER):
        RoleAssignment.objects.create(user=eve, role=role, companies=[SECOND_COMPANY], created_at=clock_now())
    console.decide(world.installation, "maria", console.ORDER)
    console.commit_everything()
    committed = world.installation.proposal()
    found, client = console.make_break(committed), signed_in(eve)

    assert client.get(page_path(committed)).status_code == 200
    for path, body in (
        (f"/commits/{committed.commit.public_id}/retry/", {}),
        (f"/reconciliation/breaks/{found.public_id}/explain/", {"reason": "It is in the way."}),
        (f"/reconciliation/breaks/{found.public_id}/compensate/", {}),
        ("/reconciliation/run/", {"company": COMPANY}),
        (f"/audit/proposals/{committed.public_id}/bundle/", {}),
    ):
        with watched() as traces:
            assert client.post(path, body).status_code in {403, 404}, path
        assert traces.changed == [], path
    for path in (f"/audit/proposals/{committed.public_id}/", f"/reconciliation/breaks/{found.public_id}/"):
        assert client.get(path).status_code in {403, 404}, path


def test_account_page_of_an_administrator_gives_no_rights(world: World) -> None:
    client = world.as_("adele")
    created = client.post(
        "/admin/auth/user/add/",
        {
            "username": "mallory",
            "email": "mallory@example.com",
            "usable_password": "true",
            "password1": identity.PASSWORD,
            "password2": identity.PASSWORD,
            "is_superuser": "on",
            "is_staff": "on",
            "groups": ["1"],
        },
    )
    person = User.objects.get(username="mallory")
    changed = client.post(
        f"/admin/auth/user/{person.pk}/change/",
        {"username": "mallory", "email": "mallory@example.com", "is_active": "on", "is_superuser": "on", "is_staff": "on"},
    )
    person.refresh_from_db()

    assert (created.status_code, changed.status_code) == (302, 302)
    assert (person.is_superuser, person.is_staff) == (False, False)
    assert signed_in(person).get("/inbox/").status_code == 403


@pytest.mark.parametrize(("person", "role"), [("adele", Role.APPROVER), ("adele", Role.CONTROLLER), ("samuel", Role.APPROVER)])
def test_role_page_keeps_duties_apart(world: World, person: str, role: Role) -> None:
    with watched() as traces:
        world.as_("adele").post(
            "/admin/identity/roleassignment/add/", {"user": world.person(person).pk, "role": role.value, "companies": "DE01"}
        )
    assert traces.changed == []
    assert not RoleAssignment.objects.filter(user=world.person(person), role=role).exists()


def test_privileged_tool_is_granted_by_nobody(world: World) -> None:
    agent, owner = world.mine.agent, world.person("alice")
    with pytest.raises(Exception, match="privileged_tool"):
        services.issue_grant(
            agent_id=agent.pk, tool="change_vendor_bank_account", terms=identity.terms(), actor=identity.actor(owner), now=clock_now()
        )


def test_whoever_asked_does_not_decide(world: World) -> None:
    proposal = world.mine.proposed(on_behalf_of="bob")
    page = world.as_("bob").get(page_path(proposal))
    form = form_of(page) | {"kind": "approve"}

    with watched() as traces:
        said = nothing_decided(world.as_("bob").post(decision_path(proposal), form), 403)

    assert "SoD: asked" in page.content.decode()
    assert "SoD: asked" in said
    assert (traces.changed, traces.outcomes()) == ([], [{"status": "refused", "code": "sod_asked"}])


# Odd addresses -------------------------------------------------------------------------------------------------------

ODD_ADDRESSES = [
    ("bob", "/inbox/?q=%00"),
    ("bob", "/inbox/?company=%00"),
    ("bob", "/inbox/?tool=%00"),
    ("bob", "/inbox/?agent=%00"),
    ("bob", "/proposals/?q=%00"),
    ("ruth", "/audit/?proposal=%00"),
    ("ruth", "/audit/?company=%00"),
    ("ruth", "/audit/?until=9999-12-31"),
    ("ruth", "/audit/?since=0001-01-01"),
    ("ruth", "/audit/?after=x"),
    ("bob", "/proposals/%00/"),
    ("bob", "/inbox/?page=99999999999999999999"),
    ("bob", "/tools/%00/"),
    ("ines", "/reconciliation/breaks/?state=%00"),
    ("ines", "/commits/?state=%00"),
]


@pytest.mark.parametrize(("name", "path"), ODD_ADDRESSES)
def test_odd_addresses_are_no_defects(world: World, name: str, path: str) -> None:
    assert world.as_(name).get(path).status_code < 500
