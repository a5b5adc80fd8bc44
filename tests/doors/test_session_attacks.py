"""Attempts with sessions: guessed passwords, sessions given or kept, rights that ended, being led elsewhere."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from identity.models import RoleAssignment
from tests.doors.world import Reply, World, decision_path, form_of, nothing_decided, page_path, signed_in

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])

ELSEWHERE = [
    "//elsewhere.example/",
    "https://elsewhere.example/",
    "/\\elsewhere.example",
    "javascript:alert(1)",
    "\thttps://elsewhere.example",
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_nobody_is_led_elsewhere(world: World, target: str) -> None:
    password = world.installation.passwords["maria"]
    answers: list[Reply] = [
        Client().post("/theme/", {"theme": "dark", "next": target}),
        Client().post(f"/accounts/login/?next={target}", {"login": "maria", "password": password, "next": target}),
        Client().post("/accounts/logout/", {"next": target}),
    ]
    for response in answers:
        assert response.status_code in {302, 303}, response.content
        location = response["Location"]
        assert location.startswith("/"), location
        assert not location.startswith(("//", "/\\")), location


def test_login_gives_a_new_session_and_logout_ends_it(world: World) -> None:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    client.get("/accounts/login/")
    answer = client.post("/accounts/login/", {"login": "maria", "password": world.installation.passwords["maria"]})
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    kept = cookie.value

    assert answer.status_code == 302
    assert kept not in {"", "a" * 32}
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert client.get("/inbox/").status_code == 200

    assert client.post("/accounts/logout/").status_code == 302
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = kept
    assert thief.get("/inbox/").status_code == 302


def test_logout_needs_a_post(world: World) -> None:
    client = signed_in(world.person("bob"))
    client.get("/accounts/logout/")
    assert client.get("/inbox/").status_code == 200


def test_passwords_are_not_guessed_for_long(world: World) -> None:
    """After a few wrong ones the right one is refused as well."""
    password = world.installation.passwords["maria"]
    for number in range(5):
        Client().post("/accounts/login/", {"login": "maria", "password": f"wrong-{number}"})
    answer = Client().post("/accounts/login/", {"login": "maria", "password": password})
    assert answer.status_code == 200
    assert settings.SESSION_COOKIE_NAME not in answer.cookies


def test_login_says_the_same_of_a_person_and_of_nobody(world: World) -> None:
    said = []
    for login in ("jonas", "nobody-of-this-name"):
        answer: Reply = Client().post("/accounts/login/", {"login": login, "password": "wrong horse battery"})
        said.append(re.findall(r"The (?:user)?name[^<]*|[^<>]*password[^<>]*not correct[^<>]*", answer.content.decode()))
    assert said[0] == said[1] != []


@pytest.mark.parametrize("how", ["closed account", "no role any more", "superuser without a role"])
def test_rights_are_read_at_every_request(world: World, how: str) -> None:
    proposal = world.mine.proposed()
    client = world.as_("bob")
    form = form_of(client.get(page_path(proposal))) | {"kind": "approve"}
    if how == "closed account":
        User.objects.filter(username="bob").update(is_active=False)
    else:
        RoleAssignment.objects.filter(user__username="bob").delete()
    if how.startswith("superuser"):
        User.objects.filter(username="bob").update(is_superuser=True, is_staff=True)

    status = 302 if how == "closed account" else 403
    assert client.get("/inbox/").status_code == status
    nothing_decided(client.post(decision_path(proposal), form), status)


def test_signing_in_has_one_door(world: World) -> None:
    """Django's admin page does not take passwords past the rate limit and the second factor."""
    client = Client()
    answer: Reply = client.post("/admin/login/", {"username": "adele", "password": world.installation.passwords["adele"]})
    assert settings.SESSION_COOKIE_NAME not in answer.cookies
    assert answer.status_code in {302, 404, 405}
