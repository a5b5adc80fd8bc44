"""What an operator configures about the places for checkpoints: plain values, refused when they make no sense; no Django in here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from audit.verifier.countersign_verify import COSIGNATURE_ALGORITHM, VerifyingKey

# Bucket and prefix, in characters that are signed and sent as they are.
PATH = re.compile(r"^/[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9._-]+)*/?$")
MODES = frozenset({"COMPLIANCE", "GOVERNANCE"})


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """Where checkpoints go: `https://host[:port]/bucket[/prefix]`, with whose key, and for how long they stay locked (0: not at all)."""

    url: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    lock_days: int = 2557
    lock_mode: str = "COMPLIANCE"
    interval_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what can't work; raises ValueError."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"https", "http"} or not parts.netloc or not PATH.match(parts.path) or parts.query or parts.fragment:
            raise ValueError(f"{self.url!r} is not https://host/bucket or https://host/bucket/prefix")
        if not self.access_key or not self.secret_key:
            raise ValueError("an object store needs an access key and a secret key")
        if self.lock_mode not in MODES or self.lock_days < 0:
            raise ValueError(f"the lock is one of {', '.join(sorted(MODES))} for a number of days")


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness: the prefix of its address, and its key."""

    url: str
    key: VerifyingKey
    interval_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a key that does not cosign; raises ValueError."""
        if self.key.algorithm != COSIGNATURE_ALGORITHM:
            raise ValueError(f"the key of {self.key.name} is not one of a witness (its algorithm is not {COSIGNATURE_ALGORITHM})")


@dataclass(frozen=True, slots=True)
class TimestampAuthority:
    """A time-stamp authority: its address, the file with the certificates it is believed by, and how often it is asked."""

    url: str
    ca_file: Path
    interval_seconds: float = 86_400.0
