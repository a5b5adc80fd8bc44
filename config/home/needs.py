"""What needs this person, by the roles they have: numbers that lead to the page where something can be done about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.urls import reverse

from approvals.models import Policy
from approvals.queries import counts
from approvals.states import PolicyState
from audit.queries import chain_status
from audit.watch import log_health
from commits.models import Breaker, Commit
from commits.states import CommitState
from identity.models import Agent, Credential, Role
from identity.permissions import Permission, companies_with
from identity.states import AgentState
from kernel.display import Tag, Tone, ago, counted
from reconciliation.models import Break, Run
from reconciliation.states import UNRESOLVED, RunState

SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that waits, or the good news that nothing does."""

    number: str
    text: str
    tag: Tag
    url: str


CALM = Tag("Nothing to do", Tone.GOOD, "check")
NOW = Tag("Needs you", Tone.WARN, "clock")
BAD = Tag("Look now", Tone.BAD, "warn")
WAITS = Tag("For information", Tone.PLAIN, "info")


def needs_of(user: User, roles: frozenset[Role], now: datetime) -> list[Need]:
    """Return what needs the person, role by role in the order of their day; the most pressing of each first."""
    return [need for role, found in BY_ROLE.items() if role in roles for need in found(user, now)]


def _need(number: int, one: str, many: str, url: str, tag: Tag = NOW) -> Need:
    words = counted(number, one, many).removeprefix(f"{number:,} ")
    return Need(f"{number:,}", words, tag if number else CALM, url)


def _approver(user: User, now: datetime) -> Iterator[Need]:
    waiting, inbox = counts(user, now), reverse("approvals:inbox")
    yield _need(waiting.mine, "proposal waits for you", "proposals wait for you", inbox)
    if waiting.delegated:
        yield _need(waiting.delegated, "waits by delegation", "wait by delegation", f"{inbox}?view=delegated")
    yield _need(waiting.waiting, "waits on others", "wait on others", f"{inbox}?view=waiting", WAITS)


def _controller(user: User, _now: datetime) -> Iterator[Need]:
    reviewed = Policy.objects.filter(state=PolicyState.REVIEW).exclude(author=user).count()
    yield _need(reviewed, "policy waits for a second person", "policies wait for a second person", reverse("approvals:policies"))
    active = Policy.objects.filter(state=PolicyState.ACTIVE).values_list("version", flat=True).first()
    text = f"policy v{active} is active" if active else "no policy is active: every write is refused"
    yield Need(f"v{active}" if active else "0", text, WAITS if active else BAD, reverse("approvals:policies"))


def _agent_owner(user: User, now: datetime) -> Iterator[Need]:
    own = Agent.objects.filter(Q(owner=user) | Q(sponsor=user)).exclude(state=AgentState.DECOMMISSIONED)
    url, soon = reverse("identity:agents"), now + SOON
    yield _need(own.filter(state=AgentState.SUSPENDED).count(), "agent of yours is suspended", "agents of yours are suspended", url, BAD)
    due = own.filter(state=AgentState.ACTIVE, expires_on__lte=soon.date()).count()
    yield _need(due, "agent is to be reviewed within 14 days", "agents are to be reviewed within 14 days", url)
    keys = Credential.objects.filter(agent__in=own, revoked_at=None, not_after__gt=now, not_after__lte=soon).count()
    yield _need(keys, "key runs out within 14 days", "keys run out within 14 days", url)


def _operator(user: User, _now: datetime) -> Iterator[Need]:
    companies = companies_with(user, Permission.COMMIT_OPERATE)
    commits, url = Commit.objects.filter(company__in=companies), reverse("commits:list")
    unknown = commits.filter(state=CommitState.UNKNOWN).count()
    yield _need(unknown, "commit with an unknown outcome", "commits with an unknown outcome", f"{url}?state=unknown", BAD)
    failed = commits.filter(state=CommitState.FAILED, is_retryable=True).count()
    yield _need(failed, "failed commit can be tried again", "failed commits can be tried again", f"{url}?state=failed")
    stopped = Breaker.objects.exclude(state="closed").count()
    yield _need(stopped, "connection is stopped", "connections are stopped", reverse("commits:connections"), BAD)
    yield from _breaks(user, Permission.RECONCILIATION_RESOLVE)


def _auditor(user: User, now: datetime) -> Iterator[Need]:
    status, troubles, url = chain_status(), log_health(now=now).troubles, reverse("audit:log")
    tag = Tag("Look now", Tone.BAD, "warn") if troubles else Tag("Well", Tone.GOOD, "check")
    said = " ".join(item.sentence for item in troubles) or "events sealed, none missing from the chain"
    yield Need(f"{status.sealed_to:,}", said, tag, url)
    checked = f"the chain was verified {ago(status.verified_at, now).text}" if status.verified_at else "the chain was never verified"
    yield Need(f"{status.verified_size:,}", checked, WAITS if status.verified_holds else BAD, url)
    yield from _breaks(user, Permission.RECONCILIATION_READ)


def _administrator(_user: User, _now: datetime) -> Iterator[Need]:
    idle = User.objects.filter(is_active=True, role_assignments__isnull=True).count()
    yield _need(idle, "person without a role", "people without a role", reverse("admin:index"))


def _breaks(user: User, permission: Permission) -> Iterator[Need]:
    companies = companies_with(user, permission)
    still_open = Break.objects.filter(company__in=companies, state__in=UNRESOLVED).count()
    yield _need(still_open, "open break", "open breaks", reverse("reconciliation:breaks"), BAD)
    last = Run.objects.filter(company__in=companies, state=RunState.COMPLETED).order_by("-started_at").first()
    if last is not None:
        text = f"matched of {last.intended_count:,} by the last run, {counted(last.break_count, 'difference', 'differences')}"
        yield Need(f"{last.matched_count:,}", text, WAITS, reverse("reconciliation:run", args=[last.public_id]))


BY_ROLE: Mapping[Role, Callable[[User, datetime], Iterator[Need]]] = {
    Role.APPROVER: _approver,
    Role.CONTROLLER: _controller,
    Role.AGENT_OWNER: _agent_owner,
    Role.OPERATOR: _operator,
    Role.AUDITOR: _auditor,
    Role.ADMINISTRATOR: _administrator,
}
