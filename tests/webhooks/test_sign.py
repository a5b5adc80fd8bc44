"""The signature is the one of the specification, and a stored secret can't be read out of the database."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidTag
from standardwebhooks.webhooks import Webhook

from kernel.ids import new_id
from proposals.webhooks.signing import new_secret, seal, signature, signed_headers, unseal


def test_the_specification_s_test_vector() -> None:
    """From the test suites of github.com/standard-webhooks/standard-webhooks."""
    signed = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_stranger_s_package_verifies_each_secret_in_force() -> None:
    old, new = new_secret(), new_secret()
    timestamp = int(datetime.now(UTC).timestamp())  # noqa: TID251  the package compares with the real clock
    headers = signed_headers([new, old], message_id="msg_1", timestamp=timestamp, body=b'{"a":1}')
    for secret in (old, new):
        assert Webhook(secret).verify(b'{"a":1}', headers) == {"a": 1}
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(new_secret()).verify(b'{"a":1}', headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(new).verify(b'{"a":2}', headers)


def test_a_secret_has_the_form_receivers_take() -> None:
    secret = new_secret()
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert new_secret() != secret


def test_a_sealed_secret_belongs_to_its_endpoint() -> None:
    endpoint, secret = new_id(), new_secret()
    sealed = seal(secret, endpoint)
    assert secret.encode() not in sealed
    assert base64.b64decode(secret.removeprefix("whsec_")) not in sealed
    assert unseal(sealed, endpoint) == secret
    assert seal(secret, endpoint) != sealed
    with pytest.raises(InvalidTag):
        unseal(sealed, new_id())
    with pytest.raises(InvalidTag):
        unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), endpoint)
