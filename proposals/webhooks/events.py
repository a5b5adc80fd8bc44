"""The kinds of event this app records."""

from __future__ import annotations

from enum import StrEnum


class WebhookEvent(StrEnum):
    """What happens to an agent's endpoint, and messages that nobody took."""

    ENDPOINT_SET = "webhook:endpoint_set"
    SECRET_ROTATED = "webhook:secret_rotated"  # noqa: S105  a kind of event, not a secret
    SWITCHED_ON = "webhook:switched_on"
    SWITCHED_OFF = "webhook:switched_off"
    TEST_REQUESTED = "webhook:test_requested"
    GIVEN_UP = "webhook:given_up"
