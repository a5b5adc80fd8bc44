"""The kinds of event that the gateway records."""

from __future__ import annotations

from enum import StrEnum


class ConnectorEvent(StrEnum):
    """What happens to a connection."""

    FAULT_SWITCHED_ON = "connector:fault_switched_on"
    FAULT_SWITCHED_OFF = "connector:fault_switched_off"
