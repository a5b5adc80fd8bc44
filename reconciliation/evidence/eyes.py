"""What of the log one person may see, as a bundle of a period needs it: companies, and ids of what belongs to none."""

from __future__ import annotations

from django.contrib.auth.models import User

from identity.models import Credential, Grant, RoleAssignment
from identity.queries import visible_agents
from kernel.ids import Prefix, encode


def visible_subjects(user: User, companies: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return, for subjects whose events name no company, the ids that the person may read; other kinds are everybody's.

    Agents, their keys and grants that the person may know of in these companies; people who have or had a role in one of them.
    """
    agents = list(visible_agents(user).filter(companies__overlap=sorted(companies)).values_list("pk", flat=True))
    keys = Credential.objects.filter(agent_id__in=agents).values_list("pk", flat=True)
    grants = Grant.objects.filter(agent_id__in=agents).values_list("pk", flat=True)
    people = {str(user.pk)}
    for rows in (RoleAssignment.objects, RoleAssignment.history):
        people |= {str(key) for key, where in rows.values_list("user_id", "companies") if companies & set(where)}
    return {
        "agent": frozenset({"unknown", *(encode(Prefix.AGENT, key) for key in agents)}),
        "credential": frozenset({"unknown", *(encode(Prefix.CREDENTIAL, key) for key in keys)}),
        "grant": frozenset({"unknown", *(encode(Prefix.GRANT, key) for key in grants)}),
        "user": frozenset(people),
    }
