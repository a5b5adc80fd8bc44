"""Who may do what to the log's tables: adding and reading, never changing."""

from __future__ import annotations

import re

RECORDED = ("audit_event", "audit_eventpayload")
SEALED = ("audit_seal", "audit_frontier", "audit_checkpoint", "audit_export")
ROLE_PATTERN = re.compile(r"^[a-z_][a-z0-9_]{0,62}$")


def grant_statements(runtime: str, sealer: str) -> list[str]:
    """Return the SQL that gives both roles exactly what they need, taking away whatever they had before.

    The runtime role adds and reads events and payloads, and reads the chain. The sealer role reads events, adds its own
    heartbeats and alarms, and adds to the chain. Nobody may update, delete or truncate. No table has a sequence.
    """
    for role in (runtime, sealer):
        if not ROLE_PATTERN.match(role):
            raise ValueError(f"{role!r} is not a plain PostgreSQL role name")
    recorded, sealed = ", ".join(RECORDED), ", ".join(SEALED)
    return [
        f'REVOKE ALL ON {recorded}, {sealed} FROM PUBLIC, "{runtime}", "{sealer}"',
        f'GRANT SELECT, INSERT ON {recorded} TO "{runtime}", "{sealer}"',
        f'GRANT SELECT ON {sealed} TO "{runtime}"',
        f'GRANT SELECT, INSERT ON {sealed} TO "{sealer}"',
    ]
