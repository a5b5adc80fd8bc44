"""What a quota is and what it says of itself in HTTP; pure.

The fields are those of draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy` names each quota and its window, `RateLimit` what
is left of it and when there will be more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

QUOTA_PATTERN = re.compile(r"^(?P<limit>[1-9][0-9]{0,6})/(?P<seconds>[1-9][0-9]{0,4})$")


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` units in any `seconds`; they come back evenly, one every `seconds / limit`."""

    name: str
    limit: int
    seconds: int

    @property
    def interval(self) -> timedelta:
        """Return how long one unit takes to come back."""
        return timedelta(seconds=self.seconds) / self.limit

    @property
    def window(self) -> timedelta:
        """Return how long a quota used up takes to come back whole."""
        return timedelta(seconds=self.seconds)

    def as_policy(self) -> str:
        """Return the item of the RateLimit-Policy field."""
        return f'"{self.name}";q={self.limit};w={self.seconds}'


@dataclass(frozen=True, slots=True)
class Standing:
    """How one caller stands with one quota after asking; `full_at` is when nothing of it will be used any more."""

    quota: Quota
    is_allowed: bool
    full_at: datetime
    now: datetime

    @property
    def remaining(self) -> int:
        """Return how many units are left now."""
        used = max(self.full_at - self.now, timedelta(0)) / self.quota.interval
        return max(0, min(self.quota.limit, math.floor(self.quota.limit - used + 1e-6)))

    @property
    def wait_seconds(self) -> int:
        """Return the whole seconds after which one more unit is there for certain, at least 1."""
        free_at = self.full_at - self.quota.window + self.quota.interval
        return max(1, math.ceil((free_at - self.now).total_seconds()))

    def as_field(self) -> str:
        """Return the item of the RateLimit field: what remains, and when there will be more."""
        return f'"{self.quota.name}";r={self.remaining};t={self.wait_seconds if self.full_at > self.now else 0}'


def parse_quota(name: str, text: str) -> Quota | None:
    """Return the quota that a setting spells, e.g. `600/60` for 600 in any 60 seconds; None for `off`. Raises ValueError."""
    if text.strip().lower() == "off":
        return None
    found = QUOTA_PATTERN.match(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is neither off nor a number of requests and of seconds, as in 600/60")
    return Quota(name, int(found["limit"]), int(found["seconds"]))


def rate_limit_headers(standings: Sequence[Standing]) -> dict[str, str]:
    """Return the two fields for these quotas; nothing where there is none."""
    if not standings:
        return {}
    return {
        "RateLimit-Policy": ", ".join(item.quota.as_policy() for item in standings),
        "RateLimit": ", ".join(item.as_field() for item in standings),
    }
