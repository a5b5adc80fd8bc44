"""What the shell around every page shows: the side navigation of this person's permissions, who they are, the theme."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from approvals.oversight.queries import reviews_badge
from approvals.queries import badge
from identity.models import Role
from identity.permissions import ROLE_PERMISSIONS, Permission
from identity.preferences.queries import views_of
from identity.queries import keep_assignments, roles_of
from kernel.clock import now as clock_now
from kernel.context import current_origin

THEME_COOKIE = "countersign_theme"
SHORTCUTS_COOKIE = "countersign_shortcuts"
THEMES = frozenset({"light", "dark"})


Badge = Callable[[User, datetime], int]


@dataclass(frozen=True, slots=True)
class Place:
    """One page of the console that a permission opens; `badge` counts what the person can act on there now."""

    group: str
    title: str
    url_name: str
    icon: str
    permission: Permission
    badge: Badge | None = None


PLACES = (
    Place("Work", "Inbox", "approvals:inbox", "inbox", Permission.PROPOSAL_DECIDE, badge),
    Place("Work", "Proposals", "approvals:proposals", "list", Permission.PROPOSAL_READ),
    Place("Work", "Delegations", "approvals:delegations", "people", Permission.PROPOSAL_DECIDE),
    Place("Work", "Second reviews", "approvals:reviews", "search", Permission.PROPOSAL_DECIDE, reviews_badge),
    Place("Work", "Notifications", "approvals:notifications", "clock", Permission.PROPOSAL_DECIDE),
    Place("Control", "Policies", "approvals:policies", "policy", Permission.POLICY_READ),
    Place("Control", "Agents", "identity:agents", "agent", Permission.AGENT_READ),
    Place("Control", "Tools", "identity:tools", "tool", Permission.TOOL_READ),
    Place("Control", "Issuers", "identity:issuers", "people", Permission.ISSUER_TRUST),
    Place("Control", "Thresholds", "approvals:thresholds", "policy", Permission.POLICY_READ),
    Place("Control", "Business calendars", "approvals:calendars", "clock", Permission.POLICY_READ),
    Place("Operate", "Commits", "commits:list", "commit", Permission.COMMIT_READ),
    Place("Operate", "Connections", "commits:connections", "link", Permission.COMMIT_OPERATE),
    Place("Operate", "Reconciliation", "reconciliation:runs", "reconcile", Permission.RECONCILIATION_READ),
    Place("Operate", "Breaks", "reconciliation:breaks", "warn", Permission.RECONCILIATION_READ),
    Place("Operate", "Mail log", "approvals:mails", "list", Permission.COMMIT_OPERATE),
    Place("Audit", "Auditor's desk", "desk:home", "audit", Permission.AUDIT_READ),
    Place("Audit", "Audit log", "audit:log", "list", Permission.AUDIT_READ),
    Place("Audit", "Retention", "retention:home", "clock", Permission.AUDIT_READ),
    Place("Audit", "Evidence bundles", "evidence:bundles", "download", Permission.EVIDENCE_EXPORT),
    Place("Audit", "Oversight quality", "approvals:oversight", "search", Permission.OVERSIGHT_READ),
    Place("Administer", "People and groups", "admin:index", "people", Permission.USER_MANAGE),
)
# What a role's day is about comes first in its navigation; the other groups follow in the order of PLACES.
FIRST_GROUPS = {
    Role.APPROVER: "Work",
    Role.CONTROLLER: "Control",
    Role.AGENT_OWNER: "Control",
    Role.OPERATOR: "Operate",
    Role.AUDITOR: "Audit",
    Role.ADMINISTRATOR: "Administer",
}
HOME = "home"


@dataclass(frozen=True, slots=True)
class Item:
    """One link of the side navigation; `count` is what waits there for this person."""

    title: str
    url: str
    icon: str
    is_current: bool
    count: int


@dataclass(frozen=True, slots=True)
class Group:
    """Links under one heading."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Shell:
    """What surrounds a page."""

    person: str
    roles: str
    groups: tuple[Group, ...]


def navigation(request: HttpRequest) -> dict[str, object]:
    """Return the shell, computed only by pages that show it, and the theme the person chose (empty: the device's)."""
    return {
        "shell": SimpleLazyObject(lambda: shell_for(request)),
        "theme": theme_of(request),
        "has_shortcuts": request.COOKIES.get(SHORTCUTS_COOKIE) != "off",
        "saved_views": SimpleLazyObject(lambda: views_of(getattr(request, "user", None), request.path)),
        "request_id": current_origin().request_id,
        "is_demo": settings.IS_DEMO,
    }


def theme_of(request: HttpRequest) -> str:
    """Return light, dark, or nothing for what the device prefers."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else ""


def shell_for(request: HttpRequest) -> Shell:
    """Return name, roles and navigation of the signed-in person; an empty shell for anybody else."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return Shell("", "", ())
    keep_assignments(user)
    labels, roles, now = dict(Role.choices), roles_of(user), clock_now()
    here = _current(request.path, [HOME, *(place.url_name for place in PLACES)])
    groups: dict[str, list[Item]] = {"": [Item("Today", reverse(HOME), "bolt", here == HOME, 0)]} if roles else {}
    for place in places_of(user, roles):
        waiting = place.badge(user, now) if place.badge else 0
        item = Item(place.title, reverse(place.url_name), place.icon, place.url_name == here, waiting)
        groups.setdefault(place.group, []).append(item)
    return Shell(
        person=user.get_full_name() or user.get_username(),
        roles=", ".join(sorted(str(labels[role]) for role in roles)) or "No role yet",
        groups=tuple(Group(title, tuple(items)) for title, items in groups.items()),
    )


def places_of(user: User | AnonymousUser, roles: Collection[Role] | None = None) -> list[Place]:
    """Return the pages this person may see, in the order of their navigation."""
    held = roles_of(user) if roles is None else roles
    permissions = {permission for role in held for permission in ROLE_PERMISSIONS[role]}
    first = next((group for role, group in FIRST_GROUPS.items() if role in held), "")
    return sorted((place for place in PLACES if place.permission in permissions), key=lambda place: place.group != first)


def _current(path: str, names: Sequence[str]) -> str:
    """Return which place this address belongs to: the one with the longest address that it begins with."""
    found = [(len(url), name) for name in names if path.startswith(url := reverse(name)) and (url != "/" or path == "/")]
    return max(found)[1] if found else ""
