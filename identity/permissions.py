"""What each role may do: one table, two questions and one guard for pages.

Grammar of a permission: `<resource>:<action>`. Rights come from role assignments only: Django's superuser flag and its groups
and permissions grant nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase

from audit.records import Subject
from audit.services import record_denial
from identity.actors import actor_of
from identity.events import IdentityEvent
from identity.models import Role
from identity.queries import assignments_of, keep_assignments, roles_of
from kernel.clock import now as clock_now
from kernel.errors import PermissionRefused

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[HttpRequest, Arguments], HttpResponseBase]


SAFE_METHODS = frozenset({"GET", "HEAD"})


class Permission(StrEnum):
    """Everything a person may be allowed to do."""

    PROPOSAL_READ = "proposal:read"
    PROPOSAL_DECIDE = "proposal:decide"
    PROPOSAL_COMMENT = "proposal:comment"
    POLICY_READ = "policy:read"
    POLICY_EDIT = "policy:edit"
    POLICY_ACTIVATE = "policy:activate"
    AGENT_READ = "agent:read"
    AGENT_MANAGE = "agent:manage"
    ISSUER_TRUST = "issuer:trust"
    COMMIT_READ = "commit:read"
    COMMIT_OPERATE = "commit:operate"
    RECONCILIATION_READ = "reconciliation:read"
    RECONCILIATION_RUN = "reconciliation:run"
    RECONCILIATION_RESOLVE = "reconciliation:resolve"
    AUDIT_READ = "audit:read"
    OVERSIGHT_READ = "oversight:read"
    EVIDENCE_EXPORT = "evidence:export"
    RETENTION_MANAGE = "retention:manage"
    USER_MANAGE = "user:manage"
    TOOL_READ = "tool:read"


# What the whole gate shows to everybody who works at it.
COMMON = frozenset({Permission.PROPOSAL_READ, Permission.POLICY_READ, Permission.AGENT_READ, Permission.COMMIT_READ, Permission.TOOL_READ})

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.APPROVER: COMMON | {Permission.PROPOSAL_DECIDE, Permission.PROPOSAL_COMMENT},
    Role.CONTROLLER: COMMON
    | {
        Permission.PROPOSAL_COMMENT,
        Permission.POLICY_EDIT,
        Permission.POLICY_ACTIVATE,
        Permission.ISSUER_TRUST,
        Permission.RETENTION_MANAGE,
        Permission.RECONCILIATION_READ,
        Permission.AUDIT_READ,
        Permission.OVERSIGHT_READ,
        Permission.EVIDENCE_EXPORT,
    },
    Role.AGENT_OWNER: COMMON | {Permission.AGENT_MANAGE, Permission.PROPOSAL_COMMENT},
    Role.OPERATOR: COMMON
    | {
        Permission.PROPOSAL_COMMENT,
        Permission.COMMIT_OPERATE,
        Permission.RECONCILIATION_READ,
        Permission.RECONCILIATION_RUN,
        Permission.RECONCILIATION_RESOLVE,
    },
    # An auditor reads everything and changes nothing.
    Role.AUDITOR: COMMON | {Permission.RECONCILIATION_READ, Permission.AUDIT_READ, Permission.OVERSIGHT_READ, Permission.EVIDENCE_EXPORT},
    # An administrator manages people and agents, and for that very reason decides on nothing.
    Role.ADMINISTRATOR: COMMON
    | {Permission.AGENT_MANAGE, Permission.ISSUER_TRUST, Permission.USER_MANAGE, Permission.RETENTION_MANAGE, Permission.AUDIT_READ},
}


def permissions_of(user: User | AnonymousUser) -> frozenset[Permission]:
    """Return everything the person may do, by all their roles together; one query."""
    return frozenset(permission for role in roles_of(user) for permission in ROLE_PERMISSIONS[role])


def has_permission(user: User | AnonymousUser, permission: Permission) -> bool:
    """Return whether one of the person's roles carries the permission."""
    return permission in permissions_of(user)


def companies_with(user: User | AnonymousUser, permission: Permission) -> frozenset[str]:
    """Return the companies in which one of the person's roles carries the permission: a role counts in its own companies only."""
    return frozenset(company for role, companies in assignments_of(user) if permission in ROLE_PERMISSIONS[role] for company in companies)


def require_permission(user: User | AnonymousUser, permission: Permission) -> None:
    """The person has the permission; raises PermissionRefused naming the roles that carry it."""
    if has_permission(user, permission):
        return
    carriers = [role.label for role, permissions in ROLE_PERMISSIONS.items() if permission in permissions]
    raise PermissionRefused(
        detail=f"This needs the permission {permission.value}, which comes with the role {' or '.join(carriers)}.",
        data={"permission": permission.value, "roles": carriers},
    )


def requires(
    permission: Permission,
) -> Callable[[View[Arguments]], Callable[Concatenate[HttpRequest, Arguments], HttpResponseBase]]:
    """Guard a page: signed in (else to the login page) and with the permission (else 403, the denial recorded once)."""

    def guard(view: View[Arguments]) -> Callable[Concatenate[HttpRequest, Arguments], HttpResponseBase]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponseBase:
            if request.method in SAFE_METHODS:
                keep_assignments(request.user)
            try:
                require_permission(request.user, permission)
            except PermissionRefused as error:
                record_denial(
                    kind=IdentityEvent.USER_PERMISSION_REFUSED,
                    actor=actor_of(request),
                    subject=Subject("user", str(request.user.pk)),
                    now=clock_now(),
                    error=error,
                )
                raise
            return view(request, *args, **kwargs)

        # What the permission matrix test reads.
        guarded.required_permission = permission  # type: ignore[attr-defined]
        return login_required(guarded)

    return guard
