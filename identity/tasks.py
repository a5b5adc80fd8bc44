"""Background work of identity: one service called."""

from __future__ import annotations

from identity import services, spent
from kernel.clock import now
from kernel.context import Origin, origin


def forget_expired_assertions() -> int:
    """Used assertions that have ended are forgotten; returns how many."""
    return services.forget_expired_assertions(now=now())


def forget_spent() -> int:
    """Used proofs and revoked tokens that have ended are forgotten; returns how many."""
    return spent.forget_spent(now=now())


def rotate_signing_key() -> bool:
    """The signing key is rotated once it is old enough; returns whether it was."""
    with origin(Origin(channel="task")):
        return services.rotate_signing_key_by_age(now=now())


def suspend_unreviewed() -> int:
    """Agents past their review date, or without anybody who answers for them, are suspended; returns how many."""
    with origin(Origin(channel="task")):
        return services.suspend_unreviewed(now=now())
