"""Who may not decide and through which thing: people on one side, what ties them to the write on the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import get_user_model
from django.urls import reverse

from approvals.models import Policy, Route
from approvals.policies import EXCLUSION_LABELS, EXCLUSION_SENTENCES
from approvals.queries.authority import Excluded, exclusions_now
from approvals.queries.rail import name_of
from approvals.states import PolicyState
from identity.federation.models import FederatedCredential
from identity.models import Agent, Grant
from identity.queries import excluded_people, grants_in_force, live_credentials
from proposals.models import Proposal

ORDER = tuple(EXCLUSION_SENTENCES)
AGENT, CREDENTIAL, GRANT, REQUEST, POLICY = "agent", "credential", "grant", "request", "policy"
THING_OF = {
    "owner": AGENT,
    "sponsor": AGENT,
    "last_editor": AGENT,
    "issued_credential": CREDENTIAL,
    "issued_grant": GRANT,
    "asked": REQUEST,
    "policy_author": POLICY,
}


@dataclass(frozen=True, slots=True)
class Thing:
    """What ties a person to the write: the agent, its credential, its grant, the request, the deciding row."""

    key: str
    title: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Tie:
    """One reason why one person may not decide; `since` says whether it stood at routing or came later."""

    person_id: int
    person: str
    reason: str
    thing: str
    since: str = ""

    @property
    def label(self) -> str:
        """Return the reason in words: owns the agent."""
        return EXCLUSION_LABELS.get(self.reason, self.reason)


@dataclass(frozen=True, slots=True)
class Graph:
    """Ties between people and things, and the write or agent that they all lead to."""

    centre: str
    ties: tuple[Tie, ...]
    things: tuple[Thing, ...]

    @property
    def people(self) -> list[tuple[int, str, list[Tie]]]:
        """Return each excluded person once, with all reasons in the order in which a refusal names them."""
        found: dict[int, list[Tie]] = {}
        for tie in self.ties:
            found.setdefault(tie.person_id, []).append(tie)
        return [(person_id, ties[0].person, ties) for person_id, ties in found.items()]


def graph_of_proposal(proposal: Proposal, route: Route, now: datetime) -> Graph:
    """Return who may not decide on this proposal: what was found at routing, and what came to be since."""
    kept = {Excluded(item.user_id, item.reason) for item in route.exclusions.all()}
    found = exclusions_now(proposal, route, now)
    grant = Grant.objects.filter(pk=route.snapshot["grant"]).first()
    asked = f"What version {proposal.revision} was asked for" if proposal.revision == 1 else "What its versions were asked for"
    things = (
        Thing(AGENT, f"Agent {proposal.agent.name}", reverse("identity:agent", args=[proposal.agent.public_id])),
        Thing(CREDENTIAL, f"Credential {proposal.credential_thumbprint[:12]}…"),
        Thing(GRANT, f"Grant of {grant.tool}" if grant else "Its grant"),
        Thing(REQUEST, asked),
        Thing(
            POLICY, f"Policy v{route.policy.version}, row {route.row.priority}", reverse("approvals:policy", args=[route.policy.public_id])
        ),
    )
    ties = _named((item.user_id, item.reason, THING_OF[item.reason], "" if item in kept else "since routing") for item in found)
    return Graph(proposal.headline, ties, _used(things, ties))


def graph_of_agent(agent: Agent, now: datetime) -> Graph:
    """Return who may not decide on anything this agent could propose now, by each credential and each grant for a write."""
    credentials = [(item.thumbprint, f"Credential {item.thumbprint[:12]}…") for item in live_credentials(agent.pk, now)]
    federated = FederatedCredential.objects.filter(agent=agent, revoked_at__isnull=True)
    credentials += [(item.public_id, f"Federated credential {item.public_id[:12]}…") for item in federated]
    grants = list(grants_in_force(agent.pk, now).filter(tool_kind="write"))
    things = [Thing(AGENT, f"Agent {agent.name}", reverse("identity:agent", args=[agent.public_id]))]
    found: dict[tuple[int, str, str], None] = {}
    for reference, title in credentials or [("", "")]:
        key = f"{CREDENTIAL}:{reference}"
        things.append(Thing(key, title))
        for user_id, reason in excluded_people(agent, None, None, reference):
            found[user_id, str(reason), key if reason == "issued_credential" else AGENT] = None
    for grant in grants:
        key = f"{GRANT}:{grant.tool}"
        things.append(Thing(key, f"Grant of {grant.tool}"))
        for user_id, reason in excluded_people(agent, None, grant, ""):
            if reason == "issued_grant":
                found[user_id, str(reason), key] = None
    policy = Policy.objects.filter(state=PolicyState.ACTIVE).first()
    if policy is not None:
        things.append(Thing(POLICY, f"Policy v{policy.version}", reverse("approvals:policy", args=[policy.public_id])))
        found[policy.author_id, "policy_author", POLICY] = None
    ties = _named((user_id, reason, thing, "") for user_id, reason, thing in found)
    return Graph(f"Whatever {agent.name} proposes", ties, _used(things, ties))


def _named(found: Iterable[tuple[int, str, str, str]]) -> tuple[Tie, ...]:
    rows = list(found)
    people = get_user_model().objects.filter(pk__in={row[0] for row in rows})
    names = {user.pk: name_of(user) for user in people}
    ties = [Tie(user_id, names[user_id], reason, thing, since) for user_id, reason, thing, since in rows]
    return tuple(sorted(ties, key=lambda tie: (tie.person, tie.person_id, ORDER.index(tie.reason), tie.thing)))


def _used(things: Sequence[Thing], ties: Sequence[Tie]) -> tuple[Thing, ...]:
    wanted = {tie.thing for tie in ties}
    return tuple(thing for thing in things if thing.key in wanted)
