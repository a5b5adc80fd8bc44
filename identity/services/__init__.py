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
from identity.services.reviews import suspend_unreviewed
from identity.services.tokens import IssuedToken, forget_expired_assertions, issue_token

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
    "suspend_agent",
    "suspend_unreviewed",
]
