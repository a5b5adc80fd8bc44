"""Preconditions: facts an approval leans on, each with a comparator and a tolerance, asked again before the commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from gateway.port import Connector, Fact

# The value of a fact whose subject does not exist.
ABSENT = "absent"
# The code of the precondition that nobody wrote the same since: two writes that ask it of the same fact are twins.
NO_DUPLICATE = "no_duplicate_since"


class Comparator(StrEnum):
    """How the present value is held against the expected one; WITHIN takes a tolerance in percent of it."""

    EQUALS = "equals"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    WITHIN = "within"


class Drift(StrEnum):
    """What became of a fact since it was captured, and with it of the approval.

    Tolerated: the commit goes on and old and new value are recorded. Material: the same approvers are asked about what drifted. Hard:
    the proposal is voided.
    """

    NONE = "none"
    TOLERATED = "tolerated"
    MATERIAL = "material"
    HARD = "hard"


class Severity(StrEnum):
    """What a fact that no longer holds does: `material` goes back to the approvers, `hard` voids the proposal."""

    MATERIAL = "material"
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class Precondition:
    """One fact with what is expected of it; `observed` is its value at submission."""

    code: str
    label: str
    fact: Fact
    comparator: Comparator
    expected: str
    severity: Severity
    observed: str = ""
    tolerance: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the canonical form stored on the proposal and hashed in its action."""
        return {
            "code": self.code,
            "label": self.label,
            "fact": self.fact.name,
            "company": self.fact.company,
            "arguments": dict(self.fact.arguments),
            "comparator": self.comparator.value,
            "expected": self.expected,
            "severity": self.severity.value,
            "observed": self.observed,
            **({"tolerance": self.tolerance} if self.tolerance else {}),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> Precondition:
        """Return the precondition that `as_dict` stored."""
        arguments = stored["arguments"]
        assert isinstance(arguments, Mapping)
        return cls(
            code=str(stored["code"]),
            label=str(stored["label"]),
            fact=Fact(str(stored["fact"]), str(stored["company"]), {str(k): str(v) for k, v in arguments.items()}),
            comparator=Comparator(str(stored["comparator"])),
            expected=str(stored["expected"]),
            severity=Severity(str(stored["severity"])),
            observed=str(stored["observed"]),
            tolerance=str(stored.get("tolerance", "")),
        )

    def holds(self, value: str) -> bool:
        """Return whether `value` satisfies this precondition."""
        if value == ABSENT:
            return False
        if self.comparator is Comparator.EQUALS:
            return value == self.expected
        found, expected = Decimal(value), Decimal(self.expected)
        if self.comparator is Comparator.AT_LEAST:
            return found >= expected
        if self.comparator is Comparator.AT_MOST:
            return found <= expected
        return abs(found - expected) * 100 <= abs(expected) * Decimal(self.tolerance or "0")

    @property
    def terms(self) -> str:
        """Return what has to hold, in words beside the label: "at least 6,912.00"."""
        expected = f"{Decimal(self.expected):,f}" if self.comparator is not Comparator.EQUALS else self.expected
        return {
            Comparator.EQUALS: f"exactly {expected}",
            Comparator.AT_LEAST: f"at least {expected}",
            Comparator.AT_MOST: f"at most {expected}",
            Comparator.WITHIN: f"within {self.tolerance} % of {expected}",
        }[self.comparator]

    def accepting(self, value: str) -> Precondition:
        """Return this precondition as captured again at `value`, for people to approve: what broke is expected as it now is."""
        return replace(self, observed=value, expected=self.expected if self.holds(value) else value)


@dataclass(frozen=True, slots=True)
class Check:
    """A precondition with its value now."""

    precondition: Precondition
    value: str
    is_holding: bool

    @property
    def has_drifted(self) -> bool:
        """Return whether the value is no longer the one seen at submission."""
        return self.value != self.precondition.observed

    @property
    def drift(self) -> Drift:
        """Return what the present value means for the approval; a subject that is gone can't be approved again."""
        if self.is_holding:
            return Drift.TOLERATED if self.has_drifted else Drift.NONE
        is_hard = self.precondition.severity is Severity.HARD or self.value == ABSENT
        return Drift.HARD if is_hard else Drift.MATERIAL

    def as_dict(self) -> dict[str, str]:
        """Return old and new value with what had to hold, as approvers, agents and the log are told."""
        condition = self.precondition
        return {
            "field": condition.code,
            "label": condition.label,
            "expected": condition.expected,
            "needed": condition.terms,
            "observed": condition.observed,
            "approved": condition.observed,
            "landed": self.value,
            "now": self.value,
            "drift": self.drift.value,
        }


def check_all(connector: Connector, preconditions: Sequence[Precondition]) -> list[Check]:
    """Ask the ERP for every fact now and return each with its verdict, in order; one round trip per connector."""
    values = connector.observe([item.fact for item in preconditions])
    return [Check(item, value, item.holds(value)) for item, value in zip(preconditions, values, strict=True)]
