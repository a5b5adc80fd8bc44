"""The kinds of audit event about agents, their keys, grants and tokens, and about people's rights."""

from __future__ import annotations

from enum import StrEnum


class IdentityEvent(StrEnum):
    """What happens to agents and to people's roles; `…:refused` is a denied attempt, recorded once by the service."""

    AGENT_REGISTERED = "agent:registered"
    AGENT_ACTIVATED = "agent:activated"
    AGENT_SUSPENDED = "agent:suspended"
    AGENT_RESUMED = "agent:resumed"
    AGENT_RENEWED = "agent:renewed"
    AGENT_EDITED = "agent:edited"
    AGENT_TOKEN_TERMS_CHANGED = "agent:token_terms_changed"  # noqa: S105  a kind of event, not a secret
    AGENT_DECOMMISSIONED = "agent:decommissioned"
    AGENT_REFUSED = "agent:refused"

    CREDENTIAL_REGISTERED = "credential:registered"
    CREDENTIAL_REVOKED = "credential:revoked"
    CREDENTIAL_FEDERATED = "credential:federated"
    CREDENTIAL_UNFEDERATED = "credential:unfederated"
    CREDENTIAL_REFUSED = "credential:refused"

    ISSUER_ENTERED = "issuer:entered"
    ISSUER_ACTIVATED = "issuer:activated"
    ISSUER_SUSPENDED = "issuer:suspended"
    ISSUER_REFUSED = "issuer:refused"
    ISSUER_KEYS_CHANGED = "issuer:keys_changed"
    ISSUER_KEYS_FAILED = "issuer:keys_failed"

    GRANT_ISSUED = "grant:issued"
    GRANT_ACTIVATED = "grant:activated"
    GRANT_REVOKED = "grant:revoked"
    GRANT_REFUSED = "grant:refused"

    TOKEN_ISSUED = "token:issued"  # noqa: S105  a kind of event, not a secret
    TOKEN_REFUSED = "token:refused"  # noqa: S105  a kind of event, not a secret
    TOKEN_REVOKED = "token:revoked"  # noqa: S105  a kind of event, not a secret
    TOKEN_INTROSPECTED = "token:introspected"  # noqa: S105  a kind of event, not a secret
    TOKEN_SIGNING_KEY_ROTATED = "token:signing_key_rotated"  # noqa: S105  a kind of event, not a secret

    USER_ROLE_ASSIGNED = "user:role_assigned"
    USER_ROLE_REVOKED = "user:role_revoked"
    USER_GROUP_CREATED = "user:group_created"
    USER_GROUP_JOINED = "user:group_joined"
    USER_GROUP_LEFT = "user:group_left"
    USER_CREATED = "user:created"
    USER_CHANGED = "user:changed"
    USER_REFUSED = "user:refused"
    USER_PERMISSION_REFUSED = "user:permission_refused"
    USER_IDENTITY_TIED = "user:identity_tied"
    USER_IDENTITY_UNTIED = "user:identity_untied"
    USER_IDENTITY_REFUSED = "user:identity_refused"
