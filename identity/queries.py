"""Reads about agents and people; the `lock_*` ones hold their row until the transaction ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from identity.federation.models import federated_key
from identity.models import Agent, ApprovalGroupMember, Credential, Grant, Role, RoleAssignment
from identity.states import GrantState
from kernel.errors import NotVisible, PermissionRefused
from kernel.ids import Prefix, decode
from kernel.together import Reply, Together

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser


def lock_agent(agent_id: UUID) -> Agent:
    """Return the agent, its row locked until the transaction ends: one submission or change per agent at a time.

    NO KEY UPDATE, so that rows which merely point at the agent can still be inserted. Raises NotVisible when there is none.
    """
    agent = Agent.objects.select_for_update(no_key=True).filter(pk=agent_id).first()
    if agent is None:
        raise NotVisible(detail="There is no such agent.")
    return agent


def open_grant(agent_id: UUID, tool: str) -> Grant | None:
    """Return the one grant of this agent for this tool that is not revoked, whatever its dates."""
    return Grant.objects.exclude(state=GrantState.REVOKED).filter(agent_id=agent_id, tool=tool).first()


def active_grant(agent_id: UUID, tool: str, now: datetime) -> Grant | None:
    """Return the open grant (log-only or active) of this agent for this tool that is inside its dates, or None."""
    return grants_in_force(agent_id, now).filter(tool=tool).first()


def grants_in_force(agent_id: UUID, now: datetime) -> QuerySet[Grant]:
    """Return the agent's open grants inside their dates, by tool."""
    return (
        Grant.objects.exclude(state=GrantState.REVOKED).filter(agent_id=agent_id, valid_from__lte=now, valid_until__gt=now).order_by("tool")
    )


def live_credentials(agent_id: UUID, now: datetime) -> QuerySet[Credential]:
    """Return the agent's keys that are neither revoked nor past their end."""
    return Credential.objects.filter(agent_id=agent_id, revoked_at__isnull=True, not_after__gt=now).order_by("created_at")


Assignments = tuple[tuple[Role, tuple[str, ...]], ...]
KEPT = "_assignments_of_page"
KEPT_MEMBERSHIPS = "_memberships_of_page"


def assignments_of(user: User | AnonymousUser) -> Assignments:
    """Return the person's roles, each with its companies; none for somebody inactive or not signed in, superuser or not. One query."""
    if not user.is_active or user.pk is None:
        return ()
    kept: Assignments | None = vars(user).get(KEPT)
    if kept is not None:
        return kept
    rows = RoleAssignment.objects.in_force().filter(user_id=user.pk).values_list("role", "companies")
    return tuple((Role(role), tuple(companies)) for role, companies in rows)


def keep_assignments(user: User | AnonymousUser) -> None:
    """What a page asks about the person's roles is asked once while it is made; for pages only, never where something is changed."""
    vars(user)[KEPT] = assignments_of(user)


def roles_of(user: User | AnonymousUser) -> frozenset[Role]:
    """Return the person's roles; none for somebody inactive or not signed in, superuser or not."""
    return frozenset(role for role, _ in assignments_of(user))


def companies_of(user: User | AnonymousUser) -> frozenset[str]:
    """Return the companies in which the person has any role."""
    return frozenset(company for _, companies in assignments_of(user) for company in companies)


def companies_as(user: User | AnonymousUser, role: Role) -> frozenset[str]:
    """Return the companies in which the person has this role."""
    if not user.is_active or user.pk is None:
        return frozenset()
    companies = RoleAssignment.objects.in_force().filter(user_id=user.pk, role=role).values_list("companies", flat=True).first()
    return frozenset(companies or ())


def memberships_of(user: User | AnonymousUser) -> QuerySet[ApprovalGroupMember]:
    """Return the person's memberships in approval groups, with companies and limits; none for somebody inactive."""
    members = ApprovalGroupMember.objects.select_related("group").order_by("group__code")
    return members.filter(user_id=user.pk) if user.is_active and user.pk is not None else members.none()


def kept_memberships(user: User | AnonymousUser) -> Sequence[ApprovalGroupMember]:
    """Return the person's memberships, asked once while a page is made (`keep_assignments` says so) and anew everywhere else."""
    kept: Sequence[ApprovalGroupMember] | None = vars(user).get(KEPT_MEMBERSHIPS)
    if kept is not None:
        return kept
    found = list(memberships_of(user))
    if KEPT in vars(user):
        vars(user)[KEPT_MEMBERSHIPS] = found
    return found


def member_of_groups(user: User | AnonymousUser) -> frozenset[str]:
    """Return the codes of the approval groups the person is in."""
    return frozenset(memberships_of(user).values_list("group__code", flat=True))


def visible_agents(user: User | AnonymousUser) -> QuerySet[Agent]:
    """Return the agents the person may know of: their own, and those of their companies when a role lets them read agents."""
    from identity.permissions import Permission, has_permission

    agents = Agent.objects.select_related("owner", "sponsor").order_by("name")
    if not user.is_active or user.pk is None:
        return agents.none()
    own = Q(owner_id=user.pk)
    if not has_permission(user, Permission.AGENT_READ):
        return agents.filter(own)
    return agents.filter(own | Q(companies__overlap=sorted(companies_of(user))))


def get_agent_for(user: User | AnonymousUser, public_id: str) -> Agent:
    """Return the agent behind a TypeID; raises InvalidIdentifier, or NotVisible when the person may not know of it."""
    agent = visible_agents(user).filter(pk=decode(Prefix.AGENT, public_id)).first()
    if agent is None:
        raise NotVisible(detail="There is no such agent among those you can see.")
    return agent


def companies_by_person(user_ids: Iterable[int]) -> dict[int, dict[Role, frozenset[str]]]:
    """Return, for each of these people with an active account, the companies of each of their roles; one query."""
    held = RoleAssignment.objects.in_force().filter(user_id__in=set(user_ids), user__is_active=True)
    rows = held.values_list("user_id", "role", "companies")
    found: dict[int, dict[Role, frozenset[str]]] = {}
    for user_id, role, companies in rows:
        found.setdefault(user_id, {})[Role(role)] = frozenset(companies)
    return found


def people_of(companies: Iterable[str], *, also: Iterable[int] = ()) -> list[User]:
    """Return the people with an active account and a role in one of the companies, and those named by key, active or not."""
    held = RoleAssignment.objects.in_force().filter(companies__overlap=sorted(companies))
    in_company = Q(is_active=True, pk__in=held.values("user_id"))
    return list(get_user_model().objects.filter(in_company | Q(pk__in=list(also))).order_by("pk"))


def is_managed_by(agent: Agent, user: User) -> bool:
    """Return whether the agent is this person's to manage: its owner's, or an administrator's of all its companies."""
    from identity.permissions import Permission, has_permission

    if not has_permission(user, Permission.AGENT_MANAGE):
        return False
    return agent.owner_id == user.pk or set(agent.companies) <= companies_as(user, Role.ADMINISTRATOR)


def get_managed_agent_for(user: User, public_id: str) -> Agent:
    """Return the agent; raises NotVisible when the person may not know of it, PermissionRefused when it is not theirs to manage."""
    agent = get_agent_for(user, public_id)
    if not is_managed_by(agent, user):
        raise PermissionRefused(detail=f"{agent.name} is managed by its owner or by an administrator of all its companies.")
    return agent


def missing_accountability(agent: Agent, people: Mapping[int, Mapping[Role, frozenset[str]]] | None = None) -> str:
    """Return why nobody answers for the agent, as a sentence, or an empty text when owner and sponsor both do.

    The owner is an agent owner in all of its companies, the sponsor has some role in each of them; both have active accounts.
    `people` is what `companies_by_person` found, for whoever looks at many agents.
    """
    known = companies_by_person([agent.owner_id, agent.sponsor_id]) if people is None else people
    wanted = frozenset(agent.companies)
    owned = known.get(agent.owner_id, {}).get(Role.AGENT_OWNER, frozenset())
    sponsored: frozenset[str] = frozenset().union(*known.get(agent.sponsor_id, {}).values())
    for held, words in ((owned, "owner is no active agent owner"), (sponsored, "sponsor has no active account with a role")):
        if missing := sorted(wanted - held):
            return f"Its {words} in {', '.join(missing)}."
    return ""


def person(user_id: int) -> User | None:
    """Return the active person with this primary key, or None."""
    return get_user_model().objects.filter(pk=user_id, is_active=True).first()


def excluded_people(
    agent: Agent,
    on_behalf_of: User | int | None,
    grant: Grant | None,
    credential_thumbprint: str,
    *,
    issuers: Sequence[int] | None = None,
) -> list[tuple[int, str]]:
    """Return who may not decide on what this agent proposes, each with the reason; the same person may have several.

    Reasons: `owner`, `sponsor`, `asked` (the proposal is on their behalf), `issued_credential`, `issued_grant` (issued it or
    activated it), `last_editor` (also whoever registered the agent). `issuers` is what `credential_issuers` found, for whoever asks
    about several grants.
    """
    found = [(agent.owner_id, "owner"), (agent.sponsor_id, "sponsor")]
    if on_behalf_of is not None:
        found.append((on_behalf_of if isinstance(on_behalf_of, int) else on_behalf_of.pk, "asked"))
    known = credential_issuers(agent.pk, credential_thumbprint) if issuers is None else issuers
    found.extend((issuer, "issued_credential") for issuer in known)
    if grant is not None:
        found.append((grant.issued_by_id, "issued_grant"))
        if grant.activated_by_id is not None:
            found.append((grant.activated_by_id, "issued_grant"))
    found.append((agent.last_edited_by_id, "last_editor"))
    found.append((agent.created_by_id, "last_editor"))
    return list(dict.fromkeys(found))


ISSUER_OF_KEY = "SELECT issued_by_id FROM identity_credential WHERE agent_id = %s AND thumbprint = %s"
ISSUERS_OF_FEDERATED = """
SELECT credential.issued_by_id, issuer.trusted_by_id, issuer.activated_by_id
FROM identity_federatedcredential AS credential JOIN identity_trustedissuer AS issuer ON issuer.id = credential.issuer_id
WHERE credential.agent_id = %s AND credential.id = %s
"""


def ask_for_issuers(together: Together, agent_id: UUID, reference: str) -> Reply:
    """Ask who registered what the agent proved itself with; for a federated credential also who says whose tokens are trusted."""
    federated = federated_key(reference)
    if federated is None:
        return together.ask(ISSUER_OF_KEY, [agent_id, reference])
    return together.ask(ISSUERS_OF_FEDERATED.strip(), [agent_id, federated])


def issuers_in(asked: Reply) -> list[int]:
    """Return the people in the answer to `ask_for_issuers`."""
    return list(dict.fromkeys(person for row in asked.rows for person in row if person is not None))


def credential_issuers(agent_id: UUID, reference: str) -> list[int]:
    """Return who registered what the agent proved itself with, asked alone."""
    together = Together()
    asked = ask_for_issuers(together, agent_id, reference)
    together.send()
    return issuers_in(asked)
