"""People sign in at a real OpenID Connect provider, which nobody here wrote: who comes in, who does not, and what is on record."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audit.models import Event
from audit.queries import record_of
from config.single_sign_on import issuer, providers
from identity.models import Role
from identity.services.sign_on import fingerprint
from tests.builders import sign_on
from tests.builders.identity import make_user
from tests.builders.sign_on import provider_setting, running_provider

# The provider stands on Authlib, which tells it of what its next version leaves out.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:.*(get_jwt_config|authlib).*:DeprecationWarning")]
LOGIN = "/accounts/oidc/main/login/"
ADDRESS = "alice@example.com"


@pytest.fixture(scope="module")
def op() -> Iterator[str]:
    """Return the address of a provider that runs."""
    with running_provider() as url:
        yield url


@pytest.fixture
def configured(op: str, settings: Settings) -> Settings:
    settings.SOCIALACCOUNT_PROVIDERS = provider_setting(op)
    return settings


@pytest.fixture
def alice() -> User:
    return make_user("alice", [Role.APPROVER], password="correct horse battery")


def vouch(op: str, subject: str, **claims: object) -> None:
    sign_on.vouch(op, subject, {"email": ADDRESS, "email_verified": True, "name": "Alice"} | claims)


def at_the_provider(client: Client, subject: str, *, query: str = "") -> str:
    """Go out to the provider, say there who one is, and return the address that leads back."""
    out = client.get(LOGIN + query)
    assert out.status_code == 302, out.content
    asked = parse_qs(urlsplit(out["Location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == ["http://testserver/accounts/oidc/main/login/callback/"]
    answer = httpx.post(out["Location"], data={"sub": subject})
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def sign_in(client: Client, subject: str, *, query: str = "") -> HttpResponse:
    response = client.get(at_the_provider(client, subject, query=query))
    assert isinstance(response, HttpResponse)
    return response


def who(client: Client) -> str | None:
    return client.session.get("_auth_user_id")


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__startswith="user:identity").order_by("recorded_at").values_list("kind", flat=True))


def test_the_first_time_the_address_says_who_it_is_and_from_then_on_the_subject(configured: Settings, op: str, alice: User) -> None:
    vouch(op, "a-1")
    client = Client()
    answer = sign_in(client, "a-1", query="?next=/proposals/")
    assert (answer.status_code, answer["Location"]) == (302, "/proposals/")
    assert who(client) == str(alice.pk)
    (identity,) = SocialAccount.objects.all()
    # Of what the provider tells only the subject is kept.
    assert (identity.user_id, identity.uid, identity.extra_data) == (alice.pk, "a-1", {})
    assert not SocialToken.objects.exists()
    alice.refresh_from_db()
    assert not alice.has_usable_password()
    assert kinds() == ["user:identity_tied"]
    assert record_of(Event.objects.get(kind="user:identity_tied"))["outcome"] == {"identity": fingerprint("a-1")}
    records = client.session["account_authentication_methods"]
    assert [(item["method"], item["provider"]) for item in records] == [("socialaccount", "main")]

    vouch(op, "a-1", email="alice.newname@example.com")
    again = Client()
    assert sign_in(again, "a-1").status_code == 302
    assert who(again) == str(alice.pk)
    assert SocialAccount.objects.get().extra_data == {}
    assert kinds() == ["user:identity_tied"]


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "mallory@example.com"},
        {"email_verified": False},
        {"email": None},
    ],
    ids=["unknown", "not verified", "no address"],
)
def test_who_is_not_meant_does_not_come_in(configured: Settings, op: str, alice: User, claims: dict[str, object]) -> None:
    vouch(op, "m-1", **claims)
    client = Client()
    answer = sign_in(client, "m-1")
    assert b"Accounts are made by an administrator" in answer.content
    assert who(client) is None
    assert User.objects.count() == 1
    assert not SocialAccount.objects.exists()
    alice.refresh_from_db()
    assert alice.has_usable_password()
    assert kinds() == ["user:identity_refused"]


def test_an_address_is_believed_without_being_verified_where_the_operator_says_so(op: str, alice: User, settings: Settings) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = provider_setting(op, "example.com")
    vouch(op, "e-1", email_verified=False)
    client = Client()
    sign_in(client, "e-1")
    assert who(client) == str(alice.pk)
    vouch(op, "e-2", email_verified=False, email="alice@example.org")
    other = Client()
    sign_in(other, "e-2")
    assert who(other) is None


def test_an_address_that_passed_to_somebody_else_lets_nobody_in(configured: Settings, op: str, alice: User) -> None:
    vouch(op, "a-1")
    sign_in(Client(), "a-1")
    vouch(op, "a-2")
    client = Client()
    answer = sign_in(client, "a-2")
    assert b"Accounts are made by an administrator" in answer.content
    assert who(client) is None
    assert list(SocialAccount.objects.values_list("uid", flat=True)) == ["a-1"]
    assert kinds() == ["user:identity_tied", "user:identity_refused"]
    # Unless an operator says that it is the same person.
    call_command("untie_identity", "alice", verbosity=0)
    sign_in(client, "a-2")
    assert who(client) == str(alice.pk)
    assert kinds()[2:] == ["user:identity_untied", "user:identity_tied"]
    with pytest.raises(CommandError, match="nobody called zoe"):
        call_command("untie_identity", "zoe")


@pytest.mark.parametrize("process", ["connect", "redirect"])
def test_nobody_ties_an_identity_to_whoever_sits_there(configured: Settings, op: str, alice: User, process: str) -> None:
    client = Client()
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    vouch(op, "m-1", email="mallory@example.com")
    answer = sign_in(client, "m-1", query=f"?process={process}")
    assert answer.status_code == 401
    assert not SocialAccount.objects.exists()
    vouch(op, "m-1")
    assert sign_in(Client(), "m-1", query=f"?process={process}").status_code == 401
    assert not SocialAccount.objects.exists()


def test_coming_back_to_another_session_signs_nobody_in(configured: Settings, op: str, alice: User) -> None:
    vouch(op, "a-1")
    back = at_the_provider(Client(), "a-1")
    stranger = Client()
    assert stranger.get(back).status_code == 401
    assert who(stranger) is None
    # And the same answer counts once.
    client = Client()
    back = at_the_provider(client, "a-1")
    assert client.get(back).status_code == 302
    assert client.get(back).status_code == 401


def test_who_may_not_come_in_any_more_does_not_come_in_this_way(configured: Settings, op: str, alice: User) -> None:
    vouch(op, "a-1")
    sign_in(Client(), "a-1")
    alice.is_active = False
    alice.save()
    client = Client()
    sign_in(client, "a-1")
    assert who(client) is None


def test_the_second_factor_is_asked_for_as_after_a_password(configured: Settings, op: str, alice: User) -> None:
    vouch(op, "a-1")
    client = Client()
    sign_in(client, "a-1")
    # Nobody has to prove a password that they no longer have: having just signed in is enough to enrol.
    secret = client.get(reverse("mfa_activate_totp")).context["form"].secret
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    assert client.post(reverse("mfa_activate_totp"), {"code": code}).status_code == 302
    again = Client()
    assert sign_in(again, "a-1")["Location"].startswith(reverse("mfa_authenticate"))
    assert who(again) is None


def test_who_signs_in_there_gets_no_password_here(configured: Settings, op: str, alice: User) -> None:
    vouch(op, "a-1")
    client = Client()
    sign_in(client, "a-1")
    new = {"password1": "another long password", "password2": "another long password"}
    assert b"You sign in at your organisation" in client.post(reverse("account_set_password"), new).content
    stranger = Client()
    stranger.post(reverse("account_reset_password"), {"email": ADDRESS})
    (link,) = re.findall(r"http://testserver(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body))
    form = stranger.get(link, follow=True)
    assert b"You sign in at your organisation" in stranger.post(form.request["PATH_INFO"], new).content
    alice.refresh_from_db()
    assert not alice.has_usable_password()


def test_the_way_back_stays_here(configured: Settings, op: str, alice: User) -> None:
    vouch(op, "a-1")
    assert sign_in(Client(), "a-1", query="?next=https://evil.example/")["Location"] == "/"


def test_stopped_at_the_provider(configured: Settings, op: str, alice: User) -> None:
    client = Client()
    out = client.get(LOGIN)
    refused = httpx.post(out["Location"], data={"action": "deny"})
    back = urlsplit(refused.headers["Location"])
    answer = client.get(f"{back.path}?{back.query}", follow=True)
    assert b"Nobody was signed in" in answer.content
    assert who(client) is None


@pytest.mark.parametrize("url", ["http://localhost:9", "http://203.0.113.7"], ids=["down", "not allowed to be asked"])
def test_a_provider_that_cannot_be_asked(settings: Settings, url: str, alice: User) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = provider_setting(url)
    answer = Client().get(LOGIN)
    assert answer.status_code == 401
    assert b"gave no answer that can be used" in answer.content


def test_the_login_page_offers_it_where_there_is_one(op: str, settings: Settings, alice: User) -> None:
    assert b"Sign in with" not in Client().get("/accounts/login/").content
    assert Client().get(LOGIN).status_code == 404
    # A provider that somebody wrote into the database is none.
    SocialApp.objects.create(provider="openid_connect", provider_id="main", name="Evil", client_id="x", settings={"server_url": op})
    assert b"Sign in with" not in Client().get("/accounts/login/").content
    assert Client().get(LOGIN).status_code == 404
    settings.SOCIALACCOUNT_PROVIDERS = provider_setting(op)
    page = Client().get("/accounts/login/?next=/proposals/").content
    assert b"Sign in with Example Corp" in page
    assert b"/accounts/oidc/main/login/?next=%2Fproposals%2F" in page


def test_what_allauth_offers_beside_has_no_door(configured: Settings, alice: User) -> None:
    client = Client()
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    for path in ("/accounts/3rdparty/", "/accounts/3rdparty/signup/", "/accounts/social/signup/", "/accounts/3rdparty/login/error/"):
        assert client.get(path).status_code == 404
    assert client.post(LOGIN).status_code == 405


def test_settings_that_make_no_sense_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    assert providers() == {}
    monkeypatch.setenv("COUNTERSIGN_SSO_ISSUER", "login.example.com")
    with pytest.raises(SystemExit, match="not the address of an issuer"):
        issuer()
    monkeypatch.setenv("COUNTERSIGN_SSO_ISSUER", "https://login.example.com/")
    monkeypatch.setenv("COUNTERSIGN_SSO_CLIENT_SECRET", "s3cret")
    with pytest.raises(SystemExit, match="COUNTERSIGN_SSO_CLIENT_ID is not"):
        providers()
    monkeypatch.setenv("COUNTERSIGN_SSO_CLIENT_ID", "countersign")
    monkeypatch.setenv("COUNTERSIGN_SSO_EMAIL_DOMAINS", "Example.com")
    assert providers()["openid_connect"]["APPS"][0]["settings"]["verified_email"] == ["example.com"]
    monkeypatch.setenv("COUNTERSIGN_SSO_EMAIL_DOMAINS", "bob@example.com")
    with pytest.raises(SystemExit, match="is not a domain"):
        providers()
