"""Named places at which a test kills the process, to prove that nothing is posted twice and nothing is lost."""

from __future__ import annotations

import os
import signal
from enum import StrEnum

VARIABLE = "COUNTERSIGN_CRASH_AT"


class CrashPoint(StrEnum):
    """The instants between which a commit may be interrupted."""

    BEFORE_CLAIM = "before_claim"
    IN_CLAIM = "in_claim"
    AFTER_CLAIM = "after_claim"
    BEFORE_SEND = "before_send"
    AFTER_SEND = "after_send"
    BEFORE_SETTLE = "before_settle"
    IN_SETTLE = "in_settle"
    AFTER_SETTLE = "after_settle"


def crash_point(point: CrashPoint) -> None:
    """Kill this process with SIGKILL when the environment names this point; otherwise nothing happens."""
    if os.environ.get(VARIABLE) == point:
        os.kill(os.getpid(), signal.SIGKILL)
