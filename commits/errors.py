"""The refusals of the commit engine."""

from __future__ import annotations

from http import HTTPStatus

from kernel.errors import DomainError, StateConflict


class NotRetryable(StateConflict):
    """The commit did not fail, or it failed in a way that the same bytes can never get past."""

    code = "commit_not_retryable"
    title = "This commit cannot be tried again"


class NotRecommittable(StateConflict):
    """The ERP still has the write, or remembers its key, or the approval no longer holds: the same key can land nothing any more."""

    code = "commit_not_recommittable"
    title = "This commit cannot be sent once more"


class NotUnknown(StateConflict):
    """The outcome is known already: there is nothing for a person to say."""

    code = "commit_not_unknown"
    title = "The outcome of this commit is known"


class LandedAfterAll(StateConflict):
    """A person said the write never landed, but the ERP has it under the commit's key."""

    code = "commit_landed"
    title = "The ERP has this write"


class DocumentNotFound(DomainError):
    """The document that a person named is not in the ERP, or belongs to another proposal."""

    code = "document_not_found"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The ERP has no such document for this commit"


class CommentMissing(DomainError):
    """A person's statement about the ERP needs a reason in words."""

    code = "comment_missing"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "A comment is needed"
