"""The states of an endpoint and of a message, and the transitions between them."""

from __future__ import annotations

from django.db.models import TextChoices

from kernel.transitions import Transitions


class EndpointState(TextChoices):
    """Whether messages are sent to an endpoint."""

    ON = "on", "On"
    OFF = "off", "Off"


class MessageState(TextChoices):
    """Where a message stands: on its way, or at one of its two ends."""

    PENDING = "pending", "Pending"
    DELIVERED = "delivered", "Delivered"
    GIVEN_UP = "given_up", "Given up"


ENDPOINT_TRANSITIONS: Transitions = {
    EndpointState.ON: frozenset({EndpointState.OFF}),
    EndpointState.OFF: frozenset({EndpointState.ON}),
}
MESSAGE_TRANSITIONS: Transitions = {
    MessageState.PENDING: frozenset({MessageState.DELIVERED, MessageState.GIVEN_UP}),
    MessageState.DELIVERED: frozenset(),
    MessageState.GIVEN_UP: frozenset(),
}
