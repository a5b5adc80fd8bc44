"""What people may do about retention; every other app calls these and nothing deeper."""

from __future__ import annotations

from audit.retention.services.disposals import approve, decline, list_due, list_erasure, list_expired
from audit.retention.services.holds import place_hold, release_hold
from audit.retention.services.rules import set_rule
from audit.retention.services.shredding import carry_out

__all__ = ["approve", "carry_out", "decline", "list_due", "list_erasure", "list_expired", "place_hold", "release_hold", "set_rule"]
