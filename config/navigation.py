"""What the shell around every page shows: the side navigation of this person's permissions, who they are, the theme."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from approvals.queries import badge
from identity.models import Role
from identity.permissions import Permission, permissions_of
from identity.queries import roles_of
from kernel.clock import now as clock_now

THEME_COOKIE = "countersign_theme"
THEMES = frozenset({"light", "dark"})


@dataclass(frozen=True, slots=True)
class Place:
    """One page of the console that a permission opens."""

    group: str
    title: str
    url_name: str
    icon: str
    permission: Permission


PLACES = (
    Place("Work", "Inbox", "approvals:inbox", "inbox", Permission.PROPOSAL_DECIDE),
    Place("Work", "Proposals", "approvals:proposals", "list", Permission.PROPOSAL_READ),
    Place("Control", "Policies", "approvals:policies", "policy", Permission.POLICY_READ),
    Place("Control", "Agents", "identity:agents", "agent", Permission.AGENT_READ),
    Place("Control", "Tools", "identity:tools", "tool", Permission.TOOL_READ),
    Place("Operate", "Commits", "commits:list", "commit", Permission.COMMIT_READ),
    Place("Operate", "Reconciliation", "reconciliation:runs", "reconcile", Permission.RECONCILIATION_READ),
    Place("Audit", "Audit log", "audit:log", "audit", Permission.AUDIT_READ),
    Place("Administer", "People and groups", "admin:index", "people", Permission.USER_MANAGE),
)


# Where each role begins its day; a person with several roles begins at the first of them.
HOMES = (
    (Role.APPROVER, "approvals:inbox"),
    (Role.OPERATOR, "commits:list"),
    (Role.CONTROLLER, "approvals:policies"),
    (Role.AGENT_OWNER, "identity:agents"),
    (Role.AUDITOR, "audit:log"),
    (Role.ADMINISTRATOR, "identity:agents"),
)


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
    labels = dict(Role.choices)
    roles = sorted(str(labels[role]) for role in roles_of(user))
    groups: dict[str, list[Item]] = {}
    for place in places_of(user):
        url = reverse(place.url_name)
        waiting = badge(user, clock_now()) if place.url_name == "approvals:inbox" else 0
        item = Item(place.title, url, place.icon, request.path.startswith(url), waiting)
        groups.setdefault(place.group, []).append(item)
    return Shell(
        person=user.get_full_name() or user.get_username(),
        roles=", ".join(roles) or "No role yet",
        groups=tuple(Group(title, tuple(items)) for title, items in groups.items()),
    )


def places_of(user: User | AnonymousUser) -> list[Place]:
    """Return the pages this person may see, in the order of the navigation; the first is their start page."""
    held = permissions_of(user)
    return [place for place in PLACES if place.permission in held]


def home_of(user: User | AnonymousUser) -> str:
    """Return the name of the page that this person's work begins on, or an empty text for somebody without a role."""
    roles = roles_of(user)
    return next((url_name for role, url_name in HOMES if role in roles), "")
