"""What the owner of a database, or somebody with the application's keys, can do to a log: the attacks that verification must name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.db import connection
from django.test import override_settings

from audit.keys import chain_id
from audit.verifier.countersign_verify import Frontier, entry_hash, genesis_entry
from tests.builders.audit import database_owner

LOG_TABLES = (
    "audit_seal", "audit_link", "audit_event", "audit_frontier", "audit_checkpoint", "audit_eventpayload", "audit_payloadkey",
)  # fmt: skip


def owner(sql: str, *parameters: str | UUID | bytes | int) -> None:
    """Do it as the owner of the database, triggers off."""
    with database_owner(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def forget_log() -> None:
    """Nothing of the log is left in the database."""
    with database_owner(), connection.cursor() as cursor:
        for table in LOG_TABLES:
            cursor.execute(f"DELETE FROM {table}")


def rewrite_seals() -> None:
    """Recompute the whole chain over what the event table holds now, as an owner with the source code could."""
    frontier, entry = Frontier(), genesis_entry(chain_id())
    with database_owner(), connection.cursor() as cursor:
        cursor.execute("SELECT s.event_id, e.leaf FROM audit_seal s JOIN audit_event e USING (event_id) ORDER BY s.sequence")
        rows = cursor.fetchall()
        cursor.execute("DELETE FROM audit_seal")
        for number, (event_id, leaf) in enumerate(rows, start=1):
            previous, entry = entry, entry_hash(number, entry, bytes(leaf))
            frontier.append(bytes(leaf))
            cursor.execute(
                "INSERT INTO audit_seal (sequence, event_id, entry, previous) VALUES (%s, %s, %s, %s)",
                [number, event_id, entry, previous],
            )
        cursor.execute("DELETE FROM audit_frontier")
        cursor.execute(
            "INSERT INTO audit_frontier (size, subtrees, root, entry) VALUES (%s, %s, %s, %s)",
            [len(rows), b"".join(frontier.subtrees), frontier.root(), entry],
        )


def new_signing_key() -> str:
    """Return the PEM of a key that signs like the log's, and is not it."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


@contextmanager
def another_directory(path: Path, **changes: Any) -> Iterator[None]:
    """Sign elsewhere, with an empty memory, as a second copy of the installation would."""
    with override_settings(AUDIT_CHECKPOINT_DIR=path, **changes):
        yield
