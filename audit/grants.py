"""Who may do what to the log's tables: adding and reading, never changing."""

from __future__ import annotations

import re

RECORDED = ("audit_event", "audit_link", "audit_eventpayload")
# Added like events, and emptied in one way only: these columns, under the trigger that asks for two people's approval.
KEYS = "audit_payloadkey"
SHREDDING_COLUMNS = "shredded_at, disposal_id, tombstone_id"
LISTED = ("audit_retentionrule", "audit_disposalitem", "audit_disposalapproval", "audit_archive")
STATEFUL = ("audit_legalhold", "audit_disposal")
SEALED = ("audit_seal", "audit_frontier", "audit_checkpoint", "audit_export")
ROLE_PATTERN = re.compile(r"^[a-z_][a-z0-9_]{0,62}$")


def grant_statements(runtime: str, sealer: str) -> list[str]:
    """Return the SQL that gives both roles exactly what they need, taking away whatever they had before.

    The runtime role adds and reads events and payloads, and reads the chain. The sealer role reads events, adds its own
    heartbeats and alarms, adds to the chain, and makes the partitions of months to come. Nobody may update, delete or
    truncate what is recorded. The runtime role keeps holds and lists of what is destroyed, whose triggers know the rules, and
    may empty payload keys on such a list. No table has a sequence.
    """
    for role in (runtime, sealer):
        if not ROLE_PATTERN.match(role):
            raise ValueError(f"{role!r} is not a plain PostgreSQL role name")
    recorded, sealed, listed, stateful = (", ".join(tables) for tables in (RECORDED, SEALED, LISTED, STATEFUL))
    return [
        f'REVOKE ALL ON {recorded}, {sealed}, {KEYS}, {listed}, {stateful} FROM PUBLIC, "{runtime}", "{sealer}"',
        f'GRANT SELECT, INSERT ON {recorded}, {KEYS} TO "{runtime}", "{sealer}"',
        f'GRANT UPDATE ({SHREDDING_COLUMNS}) ON {KEYS} TO "{runtime}"',
        f'GRANT SELECT, INSERT ON {listed} TO "{runtime}"',
        f'GRANT SELECT ON {listed} TO "{sealer}"',
        f'GRANT SELECT, INSERT, UPDATE ON {stateful} TO "{runtime}"',
        f'GRANT EXECUTE ON FUNCTION audit_make_partition(date) TO "{sealer}"',
        f'GRANT SELECT ON {sealed} TO "{runtime}"',
        f'GRANT SELECT, INSERT ON {sealed} TO "{sealer}"',
    ]
