"""Which second factor counts as a person's hand on this very thing: pure, so that door, service and tests mean the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from kernel.clock import wire_time

# A recovery code is a second factor of the method "mfa" as well: it proves a sheet of paper, and is left out.
STRONG_TYPES = frozenset({"totp", "webauthn"})


@dataclass(frozen=True, slots=True)
class Factor:
    """One use of a strong second factor, as the login recorded it."""

    type: str
    at: datetime
    authenticator: str
    signed: bool = False

    def as_dict(self) -> dict[str, object]:
        """Return the form kept in a decision's row and in its event: no name, no secret."""
        return {"method": "mfa", "type": self.type, "at": wire_time(self.at), "authenticator": self.authenticator, "signed": self.signed}


def strong_factor(records: Sequence[Mapping[str, object]], *, since: datetime, until: datetime) -> Factor | None:
    """Return the newest use of a strong second factor after `since` and not after `until`, or None.

    `records` are those of the login's session, as allauth keeps them: `at` is seconds since 1970.
    """
    found = []
    for record in records:
        at = record.get("at")
        if record.get("method") != "mfa" or record.get("type") not in STRONG_TYPES or not isinstance(at, int | float):
            continue
        used_at = datetime.fromtimestamp(at, UTC)
        if since < used_at <= until:
            found.append(Factor(type=str(record["type"]), at=used_at, authenticator=str(record.get("id", ""))))
    return max(found, key=lambda factor: factor.at, default=None)
