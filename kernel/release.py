"""Which release this is: stamped on every audit event, so that an auditor knows which code wrote it."""

from __future__ import annotations

RELEASE = "0.1.0"
