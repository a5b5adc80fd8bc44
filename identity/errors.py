"""What identity refuses, with stable codes."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from identity.tokens.challenges import BEARER, challenge
from identity.tokens.resources import Resource
from kernel.errors import DomainError, PermissionRefused, StateConflict
from kernel.verdicts import Refused


class PrivilegedTool(DomainError):
    """The tool can't be granted to an agent by anybody."""

    code = "privileged_tool"
    status = HTTPStatus.FORBIDDEN
    title = "No agent can be granted this tool"
    is_security_denial = True


class OwnRights(PermissionRefused):
    """Nobody changes their own rights."""

    code = "own_rights"
    title = "Nobody changes their own rights"


class DutiesConflict(DomainError):
    """The two roles, or the two parts in one agent, are kept apart."""

    code = "duties_conflict"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "These duties are kept apart"


class ReviewOverdue(StateConflict):
    """The agent's review date has passed: only renewing it lets it work again."""

    code = "review_overdue"
    title = "The agent's review is overdue"


class AgentUnaccountable(StateConflict):
    """Its owner or sponsor has lost the account, the role or a company: nobody answers for the agent."""

    code = "agent_unaccountable"
    title = "Nobody answers for this agent"


class LastAdministrator(StateConflict):
    """Without an administrator nobody could repair anything."""

    code = "last_administrator"
    title = "The last administrator stays"


class CredentialLimit(StateConflict):
    """An agent has at most two live keys, the one in use and the one it rotates to, and at most four live federated credentials."""

    code = "credential_limit"
    title = "The agent has as many live credentials as it may"


class CredentialKnown(StateConflict):
    """The key was registered before, for this agent or another, revoked or not; or the subject stands for the agent already."""

    code = "credential_known"
    title = "This key was registered before"


class IssuerKnown(StateConflict):
    """The issuer was entered before: whether and how it is trusted stands there."""

    code = "issuer_known"
    title = "This issuer was entered before"


class IssuerNotActive(StateConflict):
    """The issuer waits for a second person, or is suspended: nothing can rest on it."""

    code = "issuer_not_active"
    title = "The issuer is not active"


class IssuerNeedsSecondPerson(PermissionRefused):
    """Whoever entered an issuer could have entered keys of their own: another person activates it."""

    code = "issuer_second_person"
    title = "This takes a second person"


class GrantExists(StateConflict):
    """An agent has at most one open grant per tool; new ceilings are a new grant after the old one is revoked."""

    code = "grant_exists"
    title = "The agent has an open grant for this tool"


class AgentNotActive(Refused):
    """The agent may not act now: it is a draft, suspended, decommissioned or past its review date."""

    code = "agent_not_active"
    title = "The agent may not act"


class GrantRefused(Refused):
    """No grant covers this."""

    code = "grant_refused"
    title = "No grant covers this"


@dataclass(eq=False)
class TokenInvalid(DomainError):
    """The access token is not one of ours, is malformed or does not fit the way it is presented.

    `resource` and `scheme` say at which door and how it was tried, `agent` whose token it is, where that is known: whoever presented
    it has not proved to be that agent.
    """

    code = "token_invalid"
    status = HTTPStatus.UNAUTHORIZED
    title = "The access token is not valid"
    is_security_denial = True
    oauth_error: ClassVar[str] = "invalid_token"

    resource: Resource = Resource.API
    scheme: str = BEARER
    agent: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Return the header that a 401 answer must carry (RFC 6750, RFC 9449, RFC 9728)."""
        return {"WWW-Authenticate": challenge(self.resource, scheme=self.scheme, error=self.oauth_error, description=self.title)}


class TokenExpired(TokenInvalid):
    """The access token has run out, as each does within five minutes: ask for a new one."""

    code = "token_expired"
    title = "The access token has expired"
    retryable = False
    is_security_denial = False


class TokenBindingMismatch(TokenInvalid):
    """A token bound to a key is presented without that key, or one that is not bound as if it were."""

    code = "token_binding"
    title = "The access token is bound to a key in another way"


class ProofInvalid(TokenInvalid):
    """The DPoP proof is missing, malformed, not signed by its key, or made for another request or token."""

    code = "proof_invalid"
    title = "The DPoP proof is not valid"
    oauth_error = "invalid_dpop_proof"


class ProofReplayed(ProofInvalid):
    """The DPoP proof was used before: each request needs a new one with a new `jti`."""

    code = "proof_replayed"
    title = "The DPoP proof was used before"


class ContentDigestInvalid(ProofInvalid):
    """The DPoP proof says another digest than that of the body, or none although this agent's proofs must cover the body."""

    code = "content_digest_invalid"
    title = "The DPoP proof does not cover this body"


class TokenScopeMismatch(DomainError):
    """The token is good, but for another action, tool or company."""

    code = "token_scope"
    status = HTTPStatus.FORBIDDEN
    title = "The token is for something else"
    is_security_denial = True


class NoAccountHere(DomainError):
    """The identity provider vouches for somebody who has no account here; an administrator makes accounts."""

    code = "no_account"
    status = HTTPStatus.FORBIDDEN
    title = "Nobody here is meant"
    is_security_denial = True
