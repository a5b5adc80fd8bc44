"""Trusted issuers and federated credentials: two people, mandatory claims, and keys that come through the guard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, transaction
from django.test import Client
from joserfc.jwk import ECKey, Key, RSAKey

from gateway.errors import OutboundRefused
from identity.errors import CredentialKnown, CredentialLimit, IssuerKnown, IssuerNeedsSecondPerson, IssuerNotActive
from identity.federation import fetching
from identity.federation.models import FederatedCredential, IssuerKeys, KeysFrom, TrustedIssuer
from identity.federation.services.issuers import activate_issuer, suspend_issuer
from identity.models import Agent, Role
from identity.services.proving import Known, prove_agent
from identity.tokens.errors import TokenRefused
from identity.tokens.keys import PrivateKeySent
from identity.tokens.requests import ClientProof
from kernel.canonical import to_json_text
from kernel.clock import now
from kernel.errors import NotVisible, PermissionRefused, ValidationFailed
from tests.builders.federation import ACCOUNT, BY_NAME, Shape, enter, federate, key_for, merge, sign, token_of, trust
from tests.builders.http import Listener, Reply, listening
from tests.builders.identity import actor, make_agent, make_user
from tests.identity.recorded import kinds, outcomes

pytestmark = pytest.mark.django_db

KUBERNETES, ENTRA, AWS, SPIFFE = BY_NAME["kubernetes"], BY_NAME["entra_v2"], BY_NAME["aws_sts"], BY_NAME["spiffe"]
GOOGLE = BY_NAME["gcp_service_account"]


@pytest.fixture
def ruth() -> User:
    return make_user("ruth", [Role.CONTROLLER])


def prove(token: str, at: Any = None) -> str:
    """Return the code with which the token is refused, or an empty text when it proves somebody."""
    try:
        prove_agent(ClientProof(token, "", is_grant=True), Known.nobody(), now=at or now())
    except TokenRefused as error:
        return error.code
    return ""


def test_it_takes_a_second_person(agent: Agent, bob: User, ruth: User) -> None:
    issuer = enter(KUBERNETES, bob)
    with pytest.raises(IssuerNotActive):
        federate(agent, issuer, KUBERNETES)
    assert prove(token_of(KUBERNETES)) == "issuer_not_active"
    with pytest.raises(IssuerNeedsSecondPerson):
        activate_issuer(issuer_id=issuer.pk, actor=actor(bob), now=now())
    assert outcomes("issuer:refused")[0]["code"] == "issuer_second_person"
    activate_issuer(issuer_id=issuer.pk, actor=actor(ruth), now=now())
    suspend_issuer(issuer_id=issuer.pk, actor=actor(bob), now=now())
    with pytest.raises(IssuerNeedsSecondPerson):
        activate_issuer(issuer_id=issuer.pk, actor=actor(bob), now=now())
    assert activate_issuer(issuer_id=issuer.pk, actor=actor(ruth), now=now()).state == "active"
    assert [kind for kind in kinds() if kind.startswith("issuer:")] == [
        "issuer:entered", "issuer:refused", "issuer:activated", "issuer:suspended", "issuer:refused", "issuer:activated",
    ]  # fmt: skip
    with pytest.raises(IssuerKnown):
        enter(KUBERNETES, ruth, name="The same again")


def test_who_may(alice: User, charlie: User, bob: User, ruth: User) -> None:
    with pytest.raises(PermissionRefused):
        enter(KUBERNETES, alice)
    with pytest.raises(ValidationFailed, match="DE01"):
        enter(KUBERNETES, charlie)
    issuer = trust(KUBERNETES, bob, ruth)
    with pytest.raises(NotVisible):
        suspend_issuer(issuer_id=issuer.pk, actor=actor(charlie), now=now())
    both = make_user("dana", [Role.CONTROLLER], ["DE01", "FR01"])
    shared = trust(SPIFFE, both, make_user("erik", [Role.CONTROLLER], ["DE01", "FR01"]), companies=("DE01", "FR01"))
    with pytest.raises(PermissionRefused, match="FR01"):
        suspend_issuer(issuer_id=shared.pk, actor=actor(bob), now=now())


def test_an_issuer_is_trusted_for_its_companies(alice: User, bob: User, ruth: User) -> None:
    issuer = trust(KUBERNETES, bob, ruth)
    other = make_user("frank", [Role.AGENT_OWNER], ["DE01", "FR01"])
    with pytest.raises(NotVisible):
        federate(make_agent(other, companies=["DE01", "FR01"]), issuer, KUBERNETES)


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        (KUBERNETES, {"issuer": "kubernetes/serviceaccount"}),
        (KUBERNETES, {"audience": "https://kubernetes.default.svc"}),
        (KUBERNETES, {"audience": "api"}),
        (KUBERNETES, {"audience": KUBERNETES.issuer}),
        (KUBERNETES, {"audience": ""}),
        (KUBERNETES, {"algorithms": ("HS256",)}),
        (KUBERNETES, {"algorithms": ("none",)}),
        (KUBERNETES, {"algorithms": ()}),
        (KUBERNETES, {"pinned_keys": {"keys": []}}),
        (KUBERNETES, {"pinned_keys": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}),
        (KUBERNETES, {"keys_from": "jwks_uri", "keys_url": "http://10.0.0.1/keys", "pinned_keys": ()}),
        (KUBERNETES, {"keys_url": "https://127.0.0.1/keys"}),
        (ENTRA, {"issuer": "https://login.microsoftonline.com/common/v2.0"}),
        (AWS, {"issuer": "https://sts.amazonaws.com"}),
        (GOOGLE, {"issuer": "accounts.google.com"}),
        (SPIFFE, {"issuer": "spiffe://prod.example.com"}),
    ],
)
def test_what_no_issuer_may_be(bob: User, shape: Shape, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed):
        enter(shape, bob, **changes)
    assert not TrustedIssuer.objects.exists()


def test_a_private_key_is_refused_and_not_kept(bob: User) -> None:
    with pytest.raises(PrivateKeySent):
        enter(SPIFFE, bob, pinned_keys=[ECKey.generate_key("P-256").as_dict(private=True)])


def without(shape: Shape, *path: str) -> dict[str, Any]:
    claims = merge(shape.listed, {})
    inner = claims
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return claims


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        *((ENTRA, {"claims": without(ENTRA, name)}) for name in ("tid", "oid", "azp", "idtyp")),
        (ENTRA, {"claims": {k: v for k, v in ENTRA.listed.items() if not k.startswith("xms_")}}),
        (ENTRA, {"claims": merge(ENTRA.listed, {"idtyp": "user"})}),
        (AWS, {"claims": {}}),
        (AWS, {"claims": merge(AWS.listed, {ACCOUNT: {"request_tags": {"stage": "prod"}}})}),
        (AWS, {"subject": "arn:aws:sts::123456789012:assumed-role/x/y"}),
        (GOOGLE, {"claims": without(GOOGLE, "email")}),
        (GOOGLE, {"claims": merge(GOOGLE.listed, {"email_verified": False})}),
        (GOOGLE, {"claims": merge(GOOGLE.listed, {"azp": "1"})}),
        (KUBERNETES, {"claims": without(KUBERNETES, "kubernetes.io", "serviceaccount")}),
        (KUBERNETES, {"claims": merge(KUBERNETES.listed, {"sub": "x"})}),
        (KUBERNETES, {"claims": merge(KUBERNETES.listed, {"kubernetes.io": {"warnafter": 1}})}),
        (KUBERNETES, {"subject": "system:node:node-1"}),
        (SPIFFE, {"subject": "spiffe://other.example.com/ns/finance"}),
    ],
)
def test_what_no_credential_may_rest_on(agent: Agent, bob: User, ruth: User, shape: Shape, changes: dict[str, Any]) -> None:
    issuer = trust(shape, bob, ruth)
    with pytest.raises(ValidationFailed):
        federate(agent, issuer, shape, **changes)
    # The database says the same to whoever comes past the service.
    values = {"subject": shape.subject, "claims": shape.listed} | changes
    row = FederatedCredential(
        agent=agent, issuer=issuer, not_after=now() + timedelta(days=1), issued_by=agent.owner, created_at=now(), **values
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_claims_are_plain_values(agent: Agent, bob: User, ruth: User) -> None:
    issuer = trust(SPIFFE, bob, ruth)
    many: dict[str, Any] = {str(number): "x" for number in range(21)}
    unusable: list[dict[str, Any]] = [{"a": ["b"]}, {"a": None}, {"a": {}}, {"": "x"}, many, {"aud": "x"}, {"a": "x" * 501}]
    for claims in unusable:
        with pytest.raises(ValidationFailed):
            federate(agent, issuer, SPIFFE, claims=claims)


def test_one_subject_once_and_four_at_most(agent: Agent, bob: User, ruth: User) -> None:
    issuer = trust(SPIFFE, bob, ruth)
    federate(agent, issuer, SPIFFE)
    with pytest.raises(CredentialKnown):
        federate(agent, issuer, SPIFFE, claims={"a": "b"})
    for number in range(3):
        federate(agent, issuer, SPIFFE, subject=f"{SPIFFE.subject}/{number}")
    with pytest.raises(CredentialLimit):
        federate(agent, issuer, SPIFFE, subject=f"{SPIFFE.subject}/4")


def test_what_is_trusted_does_not_change_even_by_sql(agent: Agent, bob: User, ruth: User) -> None:
    issuer = trust(KUBERNETES, bob, ruth)
    credential = federate(agent, issuer, KUBERNETES)
    for change in ({"pinned_keys": [{"kty": "EC"}]}, {"audience": "x"}, {"activated_by": bob}, {"state": "proposed"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            TrustedIssuer.objects.filter(pk=issuer.pk).update(**change)
    others: list[dict[str, Any]] = [{"subject": "x"}, {"claims": {}}, {"not_after": now()}]
    for other in others:
        with pytest.raises(DatabaseError), transaction.atomic():
            FederatedCredential.objects.filter(pk=credential.pk).update(**other)
    for row in (credential, issuer):
        with pytest.raises(DatabaseError), transaction.atomic():
            row.delete()


# Keys that are fetched ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


@contextmanager
def publishing(listener: Listener, *keys: Key, status: int = 200, body: bytes = b"") -> Iterator[Listener]:
    """Serve these keys as the issuer's JWKS."""
    listener.heard.clear()
    published = to_json_text({"keys": [KUBERNETES.jwk(key) for key in keys]}).encode()
    listener.replies = [Reply(status=status, body=body or published)]
    yield listener


def fetched(bob: User, ruth: User, listener: Listener, **changes: Any) -> TrustedIssuer:
    return trust(KUBERNETES, bob, ruth, **{"keys_from": KeysFrom.JWKS_URI, "keys_url": listener.url("/openid/v1/jwks")} | changes)


def test_keys_are_fetched_kept_and_rotated(agent: Agent, bob: User, ruth: User, listener: Listener) -> None:
    federate(agent, fetched(bob, ruth, listener), KUBERNETES)
    first, second = key_for("RS256"), RSAKey.generate_key(2048, {"kid": "k2"})
    old, new = token_of(KUBERNETES), sign(KUBERNETES, KUBERNETES.claims(), key=second, kid="k2")
    with publishing(listener, first):
        assert [prove(old), prove(old)] == ["", ""]
        assert len(listener.heard) == 1, "the second time the kept keys serve"
    with publishing(listener, second):
        # Somebody sends unknown ids: the issuer is asked once a minute and not once a request.
        assert [prove(new), prove(new)] == ["issuer_key_unknown"] * 2
        assert len(listener.heard) == 0
        IssuerKeys.objects.update(tried_at=now() - fetching.RETRY)
        assert prove(new) == ""
        assert prove(old) == "issuer_key_unknown", "a key that its issuer took back verifies nothing"
        assert len(listener.heard) == 1
    assert kinds().count("issuer:keys_changed") == 2


def test_the_last_good_keys_count_for_a_day(agent: Agent, bob: User, ruth: User, listener: Listener) -> None:
    federate(agent, fetched(bob, ruth, listener), KUBERNETES)
    with publishing(listener, key_for("RS256")):
        assert prove(token_of(KUBERNETES)) == ""
    IssuerKeys.objects.update(fetched_at=now() - fetching.KEPT + timedelta(minutes=1), tried_at=None)
    with publishing(listener, status=503):
        assert prove(token_of(KUBERNETES)) == ""
        assert "503" in IssuerKeys.objects.get().error
        IssuerKeys.objects.update(fetched_at=now() - fetching.KEPT, tried_at=None)
        assert prove(token_of(KUBERNETES)) == "issuer_keys_unavailable"
    assert kinds().count("issuer:keys_failed") == 1
    IssuerKeys.objects.update(tried_at=None)
    with publishing(listener, key_for("RS256")):
        assert prove(token_of(KUBERNETES)) == ""


@pytest.mark.parametrize(
    "body", [b"no json", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', b'{"keys": "' + b"x" * 300_000 + b'"}']
)
def test_whatever_is_no_key_set_gives_no_keys(agent: Agent, bob: User, ruth: User, listener: Listener, body: bytes) -> None:
    federate(agent, fetched(bob, ruth, listener), KUBERNETES)
    with publishing(listener, body=body):
        assert prove(token_of(KUBERNETES)) == "issuer_keys_unavailable"


def test_a_published_private_key_is_no_key(agent: Agent, bob: User, ruth: User, listener: Listener) -> None:
    federate(agent, fetched(bob, ruth, listener), KUBERNETES)
    body = to_json_text({"keys": [key_for("RS256").as_dict(private=True), KUBERNETES.jwk(RSAKey.generate_key(2048, {"kid": "k9"}))]})
    with publishing(listener, body=body.encode()):
        assert prove(token_of(KUBERNETES)) == "issuer_key_unknown"


def test_discovery_is_the_issuers_own(agent: Agent, bob: User, ruth: User, listener: Listener) -> None:
    changes = {"keys_from": KeysFrom.DISCOVERY, "keys_url": listener.url("/.well-known/openid-configuration")}
    federate(agent, fetched(bob, ruth, listener, **changes), KUBERNETES)
    keys = Reply(body=to_json_text({"keys": [KUBERNETES.jwk()]}).encode())
    address = listener.url("/openid/v1/jwks")
    for named, code in (("https://elsewhere.example.com", "issuer_keys_unavailable"), (KUBERNETES.issuer, "")):
        listener.replies = [Reply(body=to_json_text({"issuer": named, "jwks_uri": address}).encode()), keys]
        assert prove(token_of(KUBERNETES)) == code
        IssuerKeys.objects.update(tried_at=None)


def test_the_guard_judges_where_keys_come_from(settings: Any, agent: Agent, bob: User, ruth: User, listener: Listener) -> None:
    with pytest.raises(OutboundRefused, match="COUNTERSIGN_OUTBOUND_ALLOW_PUBLIC"):
        enter(KUBERNETES, bob, keys_from=KeysFrom.JWKS_URI, keys_url="https://203.0.113.7/keys")
    with pytest.raises(OutboundRefused):
        enter(KUBERNETES, bob, keys_from=KeysFrom.JWKS_URI, keys_url="https://169.254.169.254/latest/meta-data")
    assert outcomes("issuer:refused")[0]["code"] == "outbound_refused"
    # What was allowed then and leads outside now is judged again when it is fetched.
    changes = {"keys_from": KeysFrom.DISCOVERY, "keys_url": listener.url("/.well-known/openid-configuration")}
    federate(agent, fetched(bob, ruth, listener, **changes), KUBERNETES)
    document = {"issuer": KUBERNETES.issuer, "jwks_uri": "http://203.0.113.7/keys"}
    listener.replies = [Reply(body=to_json_text(document).encode())]
    assert prove(token_of(KUBERNETES)) == "issuer_keys_unavailable"
    assert "203.0.113.7" in IssuerKeys.objects.get().error


# The pages ----------------------------------------------------------------------------------------------------------------


def test_the_pages_from_entering_to_revoking(client: Client, agent: Agent, alice: User, bob: User, ruth: User) -> None:
    form = {
        "name": "Cluster finance-1", "kind": "kubernetes", "issuer": KUBERNETES.issuer, "audience": KUBERNETES.audience,
        "companies": "DE01", "algorithms": "RS256", "keys_from": "pinned", "pinned_keys": to_json_text({"keys": [KUBERNETES.jwk()]}),
    }  # fmt: skip
    client.force_login(bob)
    refused = client.post("/issuers/new/", form | {"audience": "api"})
    assert refused.status_code == 422
    assert KUBERNETES.jwk()["n"] not in refused.content.decode(), "what was pasted is not shown again"
    assert client.post("/issuers/new/", form).status_code == 303
    issuer = TrustedIssuer.objects.get()
    assert "somebody else looks at it" in client.get("/issuers/").content.decode()
    client.force_login(ruth)
    assert client.post(f"/issuers/{issuer.public_id}/activate/").status_code == 303

    client.force_login(alice)
    values = {"issuer": issuer.public_id, "subject": KUBERNETES.subject, "not_after": (now() + timedelta(days=9)).date().isoformat()}
    address = f"/agents/{agent.public_id}/federated/new/"
    answer = client.post(address, values | {"claims": "{}"})
    assert answer.status_code == 422
    assert "mandatory" in answer.content.decode()
    assert client.post(address, values | {"claims": to_json_text(KUBERNETES.listed)}).status_code == 303
    page = client.get(f"/agents/{agent.public_id}/").content.decode()
    assert KUBERNETES.subject in page
    assert "Ruth" in page, "who trusted the issuer never decides"
    found = agent.federated_credentials.get()
    assert client.post(f"/agents/{agent.public_id}/federated/{found.public_id}/revoke/").status_code == 303
    assert "registered a federated credential" in client.get(f"/agents/{agent.public_id}/history/").content.decode()


def test_keys_come_from_an_allowed_region_only(bob: User, settings: Any) -> None:
    settings.REGION, settings.ALLOWED_REGIONS, settings.ENDPOINT_REGIONS = "eu", frozenset({"eu"}), {".amazonaws.com": "us"}
    with pytest.raises(OutboundRefused) as refusal:
        enter(AWS, bob, keys_from=KeysFrom.JWKS_URI, keys_url="https://sts.amazonaws.com/keys")
    assert refusal.value.data["setting"] == "COUNTERSIGN_ALLOWED_REGIONS"
    assert not TrustedIssuer.objects.exists()
