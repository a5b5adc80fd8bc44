"""Every change to agents, keys, grants and people's rights: one function each, keyword-only, with `actor` and `now`."""

from __future__ import annotations

from identity.services.agents import (
    activate_agent,
    decommission_agent,
    edit_agent,
    register_agent,
    renew_agent,
    resume_agent,
    suspend_agent,
)
from identity.services.credentials import register_credential, revoke_credential
from identity.services.grants import GrantTerms, activate_grant, issue_grant, revoke_grant
from identity.services.people import (
    add_group_member,
    appoint_first_administrator,
    assign_role,
    create_group,
    record_account_change,
    remove_group_member,
    revoke_role,
)
from identity.services.proving import forget_expired_assertions
from identity.services.reviews import suspend_unreviewed
from identity.services.signing_keys import rotate_signing_key, rotate_signing_key_by_age
from identity.services.token_questions import introspect_token, revoke_token
from identity.services.token_terms import set_token_terms
from identity.services.tokens import IssuedToken, issue_token

__all__ = [
    "GrantTerms",
    "IssuedToken",
    "activate_agent",
    "activate_grant",
    "add_group_member",
    "appoint_first_administrator",
    "assign_role",
    "create_group",
    "decommission_agent",
    "edit_agent",
    "forget_expired_assertions",
    "introspect_token",
    "issue_grant",
    "issue_token",
    "record_account_change",
    "register_agent",
    "register_credential",
    "remove_group_member",
    "renew_agent",
    "resume_agent",
    "revoke_credential",
    "revoke_grant",
    "revoke_role",
    "revoke_token",
    "rotate_signing_key",
    "rotate_signing_key_by_age",
    "set_token_terms",
    "suspend_agent",
    "suspend_unreviewed",
]
