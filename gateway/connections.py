"""Which connection keeps the books of which company."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.conf import settings

from gateway.connectors.embedded import EmbeddedConnector
from gateway.errors import UnknownCompany
from gateway.port import Connector

_connectors: tuple[Connector, ...] = (EmbeddedConnector(),)
# Companies are created, never removed or moved: a code that was found once stays with its connection.
_found: dict[str, Connector] = {}
_override: list[Connector] = []


def all_connectors() -> Sequence[Connector]:
    """Return every configured connection."""
    return _override[-1:] or _connectors


def connector_for(company: str) -> Connector:
    """Return the connection that keeps the books of `company`; raises UnknownCompany."""
    if _override:
        return _override[-1]
    if company not in _found:
        for connector in _connectors:
            if any(row["code"] == company for row in connector.companies()):
                _found[company] = connector
                break
        else:
            raise UnknownCompany(detail=f"No ERP connection keeps the books of {company[:40]!r}.")
    return _as_switched(_found[company])


def _as_switched(connector: Connector) -> Connector:
    """Return the connector itself; on a demonstration, while a fault mode is on, one around it that misbehaves."""
    if not settings.IS_DEMO or not isinstance(connector, EmbeddedConnector):
        return connector
    from gateway.faults.connector import FaultyConnector
    from gateway.faults.switches import modes_on

    return FaultyConnector(connector) if modes_on(connector.name) else connector


@contextmanager
def use_connector(connector: Connector) -> Iterator[Connector]:
    """Make `connector` the only connection inside the block, for every company and in every thread; for tests."""
    _override.append(connector)
    try:
        yield connector
    finally:
        _override.remove(connector)
