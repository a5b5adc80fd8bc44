"""Preconditions: facts an approval leans on, each with a comparator and a tolerance, asked again before the commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from gateway.port import Connector, Fact


class Comparator(StrEnum):
    """How the present value is held against the expected one."""

    EQUALS = "equals"
    AT_LEAST = "at_least"


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
        )

    def holds(self, value: str) -> bool:
        """Return whether `value` satisfies this precondition."""
        if value == "absent":
            return False
        if self.comparator is Comparator.EQUALS:
            return value == self.expected
        return Decimal(value) >= Decimal(self.expected)


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


def check_all(connector: Connector, preconditions: Sequence[Precondition]) -> list[Check]:
    """Ask the ERP for every fact now and return each with its verdict, in order; one round trip per connector."""
    values = connector.observe([item.fact for item in preconditions])
    return [Check(item, value, item.holds(value)) for item, value in zip(preconditions, values, strict=True)]
