"""What a pure policy answers: allowed, or denied with a reason that a person and a program can act on."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Self

from kernel.errors import DomainError


@dataclass(frozen=True, slots=True)
class Allowed:
    """The policy has nothing against it."""

    is_allowed: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Denied:
    """The policy refuses: a stable `code`, a sentence with what was observed and what is allowed, and the two on their own.

    `acceptable` says what would be taken instead and is empty when nothing would; `observed` is the value that broke the rule.
    """

    is_allowed: ClassVar[bool] = False

    code: str
    reason: str
    acceptable: str = ""
    observed: str = ""


Verdict = Allowed | Denied


class Refused(DomainError):
    """A policy denied it; the code is the verdict's."""

    code = "refused"
    status = HTTPStatus.FORBIDDEN
    title = "A rule refuses this"
    is_security_denial = True

    @classmethod
    def because(cls, denied: Denied) -> Self:
        """Return the refusal that carries a verdict: its code, its sentence, observed and acceptable as data."""
        data = {"observed": denied.observed, "acceptable": denied.acceptable}
        error = cls(detail=denied.reason, data={name: value for name, value in data.items() if value})
        # One class for many codes: the table of codes stands in the policies, not in a class for each.
        object.__setattr__(error, "code", denied.code)
        return error
