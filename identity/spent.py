"""What may be used once: written so that of two servers only one accepts it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from identity.errors import ProofReplayed
from identity.tokens.proofs import Proof

INSERT_PROOF = "INSERT INTO identity_proofuse (digest, expires_at) VALUES (%s, %s) ON CONFLICT (digest) DO NOTHING"
FORGET = "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE expires_at < %s LIMIT %s))"
# Kept beyond its own end, so that a clock a little ahead forgets nothing too early.
MARGIN = timedelta(minutes=5)
TABLES = ("identity_proofuse", "identity_revokedtoken", "identity_foreignuse")


def spend_proof(proof: Proof) -> None:
    """The proof is used up; raises ProofReplayed when it was already, whichever process took it.

    One statement: a second insert of the same digest waits for the first one's transaction and then does nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(INSERT_PROOF, [proof.digest, proof.expires_at])
        if cursor.rowcount != 1:
            raise ProofReplayed(detail="This DPoP proof was used before; make a new one, with a new `jti`, for each request.")


def forget_spent(*, now: datetime, limit: int = 100_000) -> int:
    """Proofs, revoked tokens and exchanged foreign tokens that have ended are forgotten, so many of each at a time: returns how many."""
    count = 0
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(FORGET.format(table=table), [now - MARGIN, limit])
            count += cursor.rowcount
    return count
