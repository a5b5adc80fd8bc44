"""What one rule says about one write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Found:
    """The rule holds something: `text` says it in a sentence; the values are text, so that they are stored and hashed exactly."""

    text: str
    inputs: Mapping[str, str]
    threshold: Mapping[str, str]
    observed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Clean:
    """The rule was tested and holds nothing."""


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """The rule is about something this write does not have."""


@dataclass(frozen=True, slots=True)
class NotTested:
    """The rule could not be tested, and why: never the same as clean."""

    why: str


Result: TypeAlias = Found | Clean | NotApplicable | NotTested
CLEAN = Clean()
NOT_APPLICABLE = NotApplicable()


@dataclass(frozen=True, slots=True)
class Hit:
    """What one rule of one version found in one write."""

    rule: str
    version: int
    title: str
    text: str
    inputs: Mapping[str, str]
    threshold: Mapping[str, str]
    observed: Mapping[str, str]
