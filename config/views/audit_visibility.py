"""Who may read which event: by the company it names, or for one without a company by whom it is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import User

from audit.queries import EventView
from identity.models import Credential, Grant, RoleAssignment
from identity.permissions import Permission, companies_with
from identity.queries import visible_agents
from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode

# What the token endpoint calls a caller that proved to be nobody.
UNKNOWN = "unknown"
KEY_LENGTH_MAX = 19
PREFIXES = {"agent": Prefix.AGENT, "credential": Prefix.CREDENTIAL, "grant": Prefix.GRANT}


@dataclass(frozen=True, slots=True)
class Visibility:
    """Which of some events one person may read: computed for a page of them at once, with a constant number of queries."""

    companies: frozenset[str]
    agents: frozenset[str]
    people: frozenset[str]

    def shows(self, event: EventView) -> bool:
        """Return whether the person may read the event.

        An event of a company needs the permission there. One about an agent, its key or its grant needs an agent that the person may
        know of; one about a person, somebody with a role in a company of theirs. What is about neither is about the installation.
        """
        if event.company:
            return event.company in self.companies
        if event.subject_kind in PREFIXES:
            return event.subject_id == UNKNOWN or event.subject_id in self.agents
        return event.subject_kind != "user" or event.subject_id in self.people


def visibility_of(user: User, events: Iterable[EventView], permission: Permission = Permission.AUDIT_READ) -> Visibility:
    """Return which of these events the person may read."""
    companies = companies_with(user, permission)
    about = {kind: _subjects(events, kind) for kind in (*PREFIXES, "user")}
    return Visibility(
        companies=companies,
        agents=frozenset(_agents(user, about, companies)),
        people=frozenset(_people(user, about["user"], companies)),
    )


def _subjects(events: Iterable[EventView], kind: str) -> frozenset[str]:
    return frozenset(event.subject_id for event in events if event.subject_kind == kind and not event.company)


def _agents(user: User, about: dict[str, frozenset[str]], companies: frozenset[str]) -> Iterable[str]:
    """Yield the subjects that lead to an agent that the person may know of, in one of these companies."""
    keys = {kind: _decoded(about[kind], prefix) for kind, prefix in PREFIXES.items()}
    leads_to: dict[str, UUID] = {text: key for key, text in keys["agent"].items()}
    for kind, model in (("credential", Credential), ("grant", Grant)):
        if found := keys[kind]:
            rows = model.objects.filter(pk__in=found).values_list("pk", "agent_id")
            leads_to |= {found[key]: agent_id for key, agent_id in rows}
    visible: set[UUID] = set()
    if leads_to:
        concerned = visible_agents(user).filter(pk__in=set(leads_to.values()), companies__overlap=sorted(companies))
        visible = set(concerned.values_list("pk", flat=True))
    return (text for text, agent_id in leads_to.items() if agent_id in visible)


def _decoded(texts: Iterable[str], prefix: Prefix) -> dict[UUID, str]:
    found = {}
    for text in texts:
        try:
            found[decode(prefix, text)] = text
        except InvalidIdentifier:
            continue
    return found


def _people(user: User, texts: Iterable[str], companies: frozenset[str]) -> Iterable[str]:
    """Yield the people who have or had a role in one of the companies, or never had one anywhere, and the person themselves.

    Roles that were taken back count, so that an event about somebody who left stays readable where they worked.
    """
    wanted = {int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) < KEY_LENGTH_MAX}
    held: dict[int, set[str]] = {key: set() for key in wanted}
    for rows in (RoleAssignment.objects, RoleAssignment.history) if wanted else ():
        for key, listed in rows.filter(user_id__in=wanted).values_list("user_id", "companies"):
            held[key].update(listed)
    yield from (str(key) for key, where in held.items() if not where or companies & where)
    yield str(user.pk)
