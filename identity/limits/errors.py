"""The refusals of somebody who knocks too often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from kernel.errors import DomainError


@dataclass(eq=False)
class RateLimited(DomainError):
    """The quota is used up; wait as long as Retry-After says, then go on at the pace that RateLimit-Policy allows."""

    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS
    title = "Too many requests"
    retryable = True
    is_security_denial = True

    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class LockedOut(RateLimited):
    """Too many refused attempts came from this address: what does not prove itself is not looked at until the pause is over."""

    code = "locked_out"
    title = "Too many refused attempts"
