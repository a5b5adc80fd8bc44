"""Who is to be mailed about what: one row for each mail, by a key that says once and for all what it is for.

Nothing is sent here. Preparing again finds the same keys, so a missed hour is made up for and nothing is said twice; the digest of a
day that is over is not made up for, because the next one says the same.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from approvals.calendars.days import DUE_SOON, Calendar
from approvals.calendars.queries import calendars_of
from approvals.mail.models import Mail, MailPreference
from approvals.mail.states import MailKind
from approvals.models import RouteStep
from approvals.queries.authority import deciding_roles
from approvals.queries.turns import Person
from approvals.states import StepState
from approvals.work.models import Claim
from gateway.catalogue import Risk, write_tools
from kernel.ids import Prefix, encode, new_id
from proposals.models import Proposal
from proposals.states import ProposalState

URGENT_MAX = 100
DIGEST_MAX = 50


def prepare_mails(*, now: datetime) -> int:
    """Every approver has a mail for what is due soon or high and waits for them, and from the morning on today's digest.

    Returns how many mails are new. About six queries for each approver with an address.
    """
    made = 0
    for user in people_to_mail():
        wants = MailPreference.objects.filter(user=user).first() or MailPreference(user=user)
        person = Person(user, now)
        mails = [*(_urgent(person) if wants.at_once else ()), *(_digest(person) if wants.digest else ())]
        known = set(Mail.objects.filter(key__in=[mail.key for mail in mails]).values_list("key", flat=True)) if mails else set()
        fresh = [mail for mail in mails if mail.key not in known]
        # Two machines may prepare at the same moment: the key lets one of them win.
        Mail.objects.bulk_create(fresh, ignore_conflicts=True)
        made += len(fresh)
    return made


def people_to_mail() -> QuerySet[User]:
    """Return the approvers with an active account and an address."""
    approvers = get_user_model().objects.filter(is_active=True, role_assignments__role__in=deciding_roles())
    return approvers.exclude(email="").distinct().order_by("pk")


def waiting_for(person: Person) -> QuerySet[Proposal]:
    """Return what waits for this person now, by their own right or somebody else's, what is due first at the top."""
    open_step = RouteStep.objects.filter(route=OuterRef("pk"), state=StepState.OPEN)
    pending = Proposal.objects.filter(state=ProposalState.PENDING, expires_at__gt=person.now, company__in=person.companies)
    found = pending.filter(person.mine() | person.delegated()) if person.held else pending.filter(person.mine())
    return found.annotate(
        step_id=Subquery(open_step.values("pk")[:1]),
        due_at=Subquery(open_step.values("due_at")[:1]),
        escalated_at=Subquery(open_step.values("escalated_at")[:1]),
    ).order_by(F("due_at").asc(nulls_last=True), "expires_at", "pk")


def _urgent(person: Person) -> list[Mail]:
    """Return a mail for each proposal that can't wait for the digest, with the first reason that holds."""
    high = [tool.name for tool in write_tools() if tool.risk in {Risk.HIGH, Risk.PRIVILEGED}]
    given = Claim.objects.filter(step__route=OuterRef("pk"), step__state=StepState.OPEN, user=person.user, ended_at__isnull=True)
    found = waiting_for(person).annotate(is_given=Exists(given.exclude(given_by=person.user)))
    urgent = Q(due_at__lte=person.now + DUE_SOON) | Q(escalated_at__isnull=False) | Q(is_given=True) | Q(tool__in=high)
    return [_at_once(person, proposal, high) for proposal in found.filter(urgent)[:URGENT_MAX]]


def _at_once(person: Person, proposal: Proposal, high: list[str]) -> Mail:
    # The annotations of `_urgent` are attributes that the model does not declare.
    columns = vars(proposal)
    due_at = columns["due_at"]
    reasons = {
        "forwarded": columns["is_given"],
        "escalated": columns["escalated_at"] is not None,
        "due_soon": due_at is not None and due_at <= person.now + DUE_SOON,
        "high": proposal.tool in high,
    }
    reason = next(name for name, holds in reasons.items() if holds)
    return Mail(
        id=new_id(),
        user=person.user,
        kind=MailKind.NOW,
        reason=reason,
        key=f"{reason}:{columns['step_id']}:{person.user.pk}",
        companies=[proposal.company],
        proposals=[proposal.public_id],
        next_at=person.now,
        created_at=person.now,
    )


def _digest(person: Person) -> list[Mail]:
    """Return today's digest once the hour has come on a business day of the person's first company, if anything waits."""
    companies = sorted(person.deciding)
    calendar = calendars_of(companies[:1]).get(companies[0], Calendar()) if companies else Calendar()
    local = person.now.astimezone(ZoneInfo(calendar.time_zone))
    key = f"digest:{local.date().isoformat()}:{person.user.pk}"
    if local.hour < settings.MAIL_DIGEST_HOUR or not calendar.is_business_day(local.date()) or Mail.objects.filter(key=key).exists():
        return []
    waiting = list(waiting_for(person).values_list("pk", "company")[:DIGEST_MAX])
    if not waiting:
        return []
    return [
        Mail(
            id=new_id(),
            user=person.user,
            kind=MailKind.DIGEST,
            key=key,
            companies=sorted({company for _, company in waiting}),
            proposals=[encode(Prefix.PROPOSAL, proposal_id) for proposal_id, _ in waiting],
            next_at=person.now,
            created_at=person.now,
        )
    ]
