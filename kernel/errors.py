"""Every refusal the product can give, as typed errors with a stable code.

A `DomainError` is an expected refusal: it names what is wrong, where, and what would be acceptable. The API turns it into
RFC 9457 `application/problem+json`, the console into a page. Anything that is not a `DomainError` is a defect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that was not acceptable.

    `path` is a JSON pointer into what was sent ("/payload/lines/0/quantity"), `message` says what is wrong, `acceptable`
    says what would be taken instead, or is empty when nothing would.
    """

    path: str
    message: str
    acceptable: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the wire form used in `errors[]` of a problem document."""
        return {"path": self.path, "message": self.message, "acceptable": self.acceptable}


@dataclass(eq=False)
class DomainError(Exception):
    """A refusal with a stable `code`.

    Subclasses set the class attributes; instances carry the sentence for this case. `data` holds typed values a program can
    act on (strings, integers, booleans, lists and objects of them, never a float). `retryable` tells whether the same
    request may succeed later without being changed.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    title: ClassVar[str] = "The request was refused"
    retryable: ClassVar[bool] = False
    # A security denial leaves one audit event of its own, written after the refused transaction rolled back.
    is_security_denial: ClassVar[bool] = False

    detail: str = ""
    errors: Sequence[FieldError] = ()
    data: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return `code: detail`, for logs and command lines."""
        return f"{self.code}: {self.detail or self.title}"


class ValidationFailed(DomainError):
    """The input does not have the required form; `errors` names each field."""

    code = "validation_failed"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The input is not valid"


class NotVisible(DomainError):
    """The object does not exist or the caller may not know whether it does."""

    code = "not_found"
    status = HTTPStatus.NOT_FOUND
    title = "There is nothing here that you can see"


class PermissionRefused(DomainError):
    """The caller is known and the object is visible, but this action is not theirs."""

    code = "permission_denied"
    status = HTTPStatus.FORBIDDEN
    title = "This action is not yours"
    is_security_denial = True


class StateConflict(DomainError):
    """The row is not, or no longer, in a state from which this transition leads."""

    code = "state_conflict"
    status = HTTPStatus.CONFLICT
    title = "The state has changed"


class InvalidIdentifier(DomainError):
    """The text is not an identifier of the expected kind."""

    code = "invalid_identifier"
    status = HTTPStatus.BAD_REQUEST
    title = "Not an identifier of the expected kind"


class NotCanonical(DomainError):
    """The value has no canonical bytes (a float, an integer of 2**53 or more, a key that is not a string…)."""

    code = "not_canonical"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The value has no canonical form"
