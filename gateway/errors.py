"""Refusals of the gateway: what a tool, a payload or the ERP cannot do, each with a code of its own."""

from __future__ import annotations

from http import HTTPStatus

from kernel.errors import DomainError, ValidationFailed


class UnknownTool(DomainError):
    """The catalogue has no tool of this name; `data.similar` lists the nearest names."""

    code = "unknown_tool"
    status = HTTPStatus.NOT_FOUND
    title = "There is no such tool"


class UnknownCompany(DomainError):
    """No ERP connection keeps the books of this company."""

    code = "unknown_company"
    status = HTTPStatus.NOT_FOUND
    title = "There is no such company"


class ErpUnavailable(DomainError):
    """The ERP gave no answer; nothing was changed by the read that failed, and it may be asked again."""

    code = "erp_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The ERP does not answer"
    retryable = True


class OutboundRefused(DomainError):
    """No connection goes there from this installation; `data` names host, address and the setting that an operator can change."""

    code = "outbound_refused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "No connection is made there"
    is_security_denial = True


class OutboundFailed(DomainError):
    """The other side of an outgoing connection gave no complete answer in time."""

    code = "outbound_failed"
    status = HTTPStatus.BAD_GATEWAY
    title = "The other side does not answer"
    retryable = True


class FaultsNotAllowed(DomainError):
    """Faults of an ERP are imitated on a demonstration only."""

    code = "faults_not_allowed"
    status = HTTPStatus.CONFLICT
    title = "This installation is no demonstration"


class UnbalancedEntry(ValidationFailed):
    """Debits and credits of the entry differ; `data` carries both totals and their difference as decimal text."""

    code = "unbalanced_entry"
    title = "The journal entry does not balance"


class PeriodClosed(ValidationFailed):
    """The accounting date lies in a period that is closed or was never opened."""

    code = "period_closed"
    title = "The period is not open"


class VendorNotActive(ValidationFailed):
    """The vendor is blocked: nothing can be ordered there."""

    code = "vendor_not_active"
    title = "The vendor is not active"


class AccountNotActive(ValidationFailed):
    """An account of the entry is inactive: nothing can be posted to it."""

    code = "account_not_active"
    title = "The account is not active"


class CustomerVersionStale(ValidationFailed):
    """The customer was changed since the version that the payload expects; read it again."""

    code = "customer_version_stale"
    title = "The customer has changed since it was read"


class AlreadyReversed(ValidationFailed):
    """The document that the entry reverses has been reversed before."""

    code = "already_reversed"
    title = "The document is already reversed"
