"""Drawing the sample of each day that is over, and the second person's word; nothing of it touches the proposal."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from approvals.models import Decision, Route
from approvals.oversight.events import EvidenceOpened, OversightEvent, ReviewEvent
from approvals.oversight.models import Draw, EvidenceOpening, Review
from approvals.oversight.sampling import choose, is_drawn, population_digest
from approvals.oversight.states import Verdict
from approvals.queries.authority import exclusions_now, people_by_group
from approvals.refusals import refusals_recorded
from approvals.states import DecisionKind
from audit.records import Subject
from audit.services import record
from identity.permissions import Permission, require_permission
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.errors import FieldError, NotVisible, StateConflict, ValidationFailed
from kernel.ids import Prefix, encode
from proposals.models import Citation, Proposal, ReadReceipt
from proposals.queries import get_proposal_for_person
from proposals.states import ProposalState
from proposals.subjects import subject_of

# A day that was missed for longer than this is not drawn any more: nobody remembers what they would have decided.
LOOK_BACK = timedelta(days=31)
COMMENT_LENGTH_MAX = 2_000
DRAWER = Actor.system("oversight")


def record_look(*, companies: frozenset[str], days: int, actor: Actor, now: datetime) -> None:
    """The look at how people decide is on record: whose companies, over how many days."""
    with transaction.atomic():
        record(
            kind=OversightEvent.VIEWED,
            actor=actor,
            subject=Subject(kind="user", id=actor.id),
            now=now,
            outcome={"status": "viewed", "companies": sorted(companies), "days": days},
        )


def draw_due(*, now: datetime) -> int:
    """Each company has a sample of each UTC day that is over; returns how many reviews are new. Doing it again draws nothing anew."""
    made = 0
    for company, day in _days_without_draw(now):
        made += draw(company=company, on=day, now=now)
    return made


def draw(*, company: str, on: date, now: datetime) -> int:
    """The day has a sample by a seed made now; returns how many reviews that is, and 0 when it had one already."""
    proposals = list(_population(company, on))
    seed = secrets.token_hex(32)
    drawn = [proposal for proposal in proposals if is_drawn(seed, proposal.public_id, settings.REVIEW_SHARE_PERMILLE)]
    try:
        with transaction.atomic():
            made = Draw.objects.create(
                company=company,
                on=on,
                seed=seed,
                share_permille=settings.REVIEW_SHARE_PERMILLE,
                population_count=len(proposals),
                population_digest=population_digest(proposal.public_id for proposal in proposals),
                drawn_at=now,
            )
            reviews = [_review(made, proposal, now) for proposal in drawn]
            record(
                kind=ReviewEvent.DRAWN,
                actor=DRAWER,
                subject=Subject(kind="review", id=f"{company}:{on.isoformat()}", company=company),
                now=now,
                outcome={
                    "seed": seed,
                    "share_permille": made.share_permille,
                    "population": made.population_count,
                    "population_digest": made.population_digest,
                    "drawn": [proposal.public_id for proposal in drawn],
                    "without_reviewer": sum(review.reviewer_id is None for review in reviews),
                },
            )
    except IntegrityError:
        # Another machine drew this day at the same moment.
        return 0
    return len(reviews)


def open_review(*, user: User, review_id: uuid.UUID, now: datetime) -> Review:
    """The review with its page; the first time it is opened is kept. Raises NotVisible for anybody but the reviewer."""
    with transaction.atomic():
        review = _lock(user, review_id)
        if review.shown_at is None:
            Review.objects.filter(pk=review.pk, shown_at__isnull=True).update(shown_at=now)
            review.shown_at = now
    return review


def give_review(*, user: User, review_id: uuid.UUID, verdict: str, comment: str, actor: Actor, now: datetime) -> Review:
    """The second person's word stands: what they would have decided, not knowing the decision. The proposal is not affected.

    Raises NotVisible, StateConflict when it was given or never looked at, ValidationFailed.
    """
    subject = Subject(kind="review", id=encode(Prefix.REVIEW, review_id))
    with refusals_recorded(ReviewEvent.REFUSED, actor=actor, subject=subject, now=now):
        require_permission(user, Permission.PROPOSAL_DECIDE)
        text = comment.strip()
        if verdict not in Verdict.values:
            raise ValidationFailed(
                detail="Choose what you would have decided.", errors=(FieldError("/verdict", "not chosen", ", ".join(Verdict.values)),)
            )
        if len(text) > COMMENT_LENGTH_MAX or (verdict != Verdict.APPROVE and not text):
            raise ValidationFailed(
                detail="Say in a sentence why you would not have approved.",
                errors=(FieldError("/comment", "empty or too long", f"up to {COMMENT_LENGTH_MAX} characters"),),
            )
        with transaction.atomic():
            review = _lock(user, review_id)
            if review.verdict or review.shown_at is None:
                raise StateConflict(detail="You have said this already." if review.verdict else "Look at the proposal first.")
            Review.objects.filter(pk=review.pk, verdict="").update(verdict=verdict, comment=text, reviewed_at=now)
            review.verdict, review.comment, review.reviewed_at = verdict, text, now
            record(
                kind=ReviewEvent.GIVEN,
                actor=actor,
                subject=subject_of(review.proposal),
                now=now,
                human={
                    "verdict": verdict,
                    "review": review.public_id,
                    "shown_at": wire_time(review.shown_at),
                    "presentation_digest": review.presentation.digest,
                },
                payload={"comment": text} if text else None,
            )
    return review


def open_evidence(*, user: User, proposal_id: str, read_id: uuid.UUID, actor: Actor, now: datetime) -> ReadReceipt:
    """The read receipt that this proposal cites, and that the person has looked at what it answered. Raises NotVisible."""
    proposal = get_proposal_for_person(user, proposal_id)
    citation = Citation.objects.select_related("read").filter(proposal=proposal, read_id=read_id).first()
    if citation is None:
        raise NotVisible(detail="This proposal cites no such read.")
    with transaction.atomic():
        _, is_first = EvidenceOpening.objects.get_or_create(proposal=proposal, read=citation.read, user=user, defaults={"opened_at": now})
        if is_first:
            record(
                kind=EvidenceOpened.OPENED,
                actor=actor,
                subject=subject_of(proposal),
                now=now,
                human={"read": citation.read.public_id, "result_digest": citation.read.result_digest},
            )
    return citation.read


def _lock(user: User, review_id: uuid.UUID) -> Review:
    found = Review.objects.select_for_update(of=("self",)).select_related("proposal", "presentation", "draw")
    review = found.filter(pk=review_id, reviewer=user).first()
    if review is None:
        raise NotVisible(detail="There is no such review for you.")
    return review


def _approved() -> QuerySet[Proposal]:
    """Return what people approved, whatever became of it since."""
    by_people = Exists(Decision.objects.filter(proposal=OuterRef("pk"), kind=DecisionKind.APPROVE))
    return Proposal.objects.filter(by_people, state__in=[ProposalState.APPROVED, ProposalState.VOIDED], route__is_automatic=False)


def _days_without_draw(now: datetime) -> list[tuple[str, date]]:
    today = now.astimezone(UTC).date()
    begin = today - LOOK_BACK
    found = _approved().filter(decided_at__gte=_midnight(begin), decided_at__lt=_midnight(today))
    days = set(found.values_list("company", "decided_at__date").distinct())
    return sorted(days - set(Draw.objects.filter(on__gte=begin).values_list("company", "on")))


def _population(company: str, on: date) -> QuerySet[Proposal]:
    end = _midnight(on + timedelta(days=1))
    return _approved().select_related("agent").filter(company=company, decided_at__gte=_midnight(on), decided_at__lt=end).order_by("pk")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _review(drawn: Draw, proposal: Proposal, now: datetime) -> Review:
    """Return the stored review of this proposal, before one of those who could have decided and did not; nobody when there is none."""
    route = Route.objects.select_related("policy", "row").get(pk=proposal.pk)
    decisions = list(Decision.objects.filter(proposal=proposal).order_by("-decided_at"))
    groups = people_by_group(route.steps.values_list("group_id", flat=True), proposal.company, route.routed(proposal))
    out = {item.user_id for item in exclusions_now(proposal, route, now)}
    out.update(key for decision in decisions for key in (decision.user_id, decision.acting_for_id) if key is not None)
    able = {user_id for people in groups.values() for user_id in people} - out
    return Review.objects.create(
        draw=drawn,
        proposal=proposal,
        presentation_id=decisions[0].presentation_id,
        reviewer_id=choose(drawn.seed, proposal.public_id, able),
        created_at=now,
    )
