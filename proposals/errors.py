"""The refusals of the agents' door."""

from __future__ import annotations

from http import HTTPStatus

from kernel.errors import DomainError


class IdempotencyKeyMissing(DomainError):
    """A submission needs the `Idempotency-Key` header, made by the agent before it acts."""

    code = "idempotency_key_missing"
    status = HTTPStatus.BAD_REQUEST
    title = "The Idempotency-Key header is missing"


class IdempotencyKeyInvalid(DomainError):
    """The key is not an RFC 8941 string of 1 to 200 visible ASCII characters."""

    code = "idempotency_key_invalid"
    status = HTTPStatus.BAD_REQUEST
    title = "The idempotency key has another form"


class IdempotencyKeyReused(DomainError):
    """The key already stands for another body: a new intent needs a new key."""

    code = "idempotency_key_reused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The idempotency key was used for another body"


class IdempotencyInProgress(DomainError):
    """The first submission under this key is still running: repeat the same request shortly."""

    code = "idempotency_in_progress"
    status = HTTPStatus.CONFLICT
    title = "The first request with this key is still running"
    retryable = True


class NotSupersedable(DomainError):
    """The proposal named in `supersedes` can't be revised (any more); `data.state` says where it stands."""

    code = "not_supersedable"
    status = HTTPStatus.CONFLICT
    title = "That proposal cannot be revised"


class BodyTooLarge(DomainError):
    """The body exceeds what the door takes; split it."""

    code = "body_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    title = "The body is too large"


class OnBehalfOfRefused(DomainError):
    """The agent is not registered to act for this person: it could otherwise exclude from deciding whom it likes."""

    code = "on_behalf_of_refused"
    status = HTTPStatus.FORBIDDEN
    title = "The agent does not act for this person"
    is_security_denial = True


class AnswerOverdue(DomainError):
    """The work was not done in the time a client waits; the same call again finds what came of it."""

    code = "answer_overdue"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The answer takes longer"
    retryable = True
