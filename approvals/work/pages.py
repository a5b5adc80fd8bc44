"""Who has a proposal in hands, in words: tags for lists, a panel for the proposal page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.urls import reverse

from approvals.calendars.days import Calendar
from approvals.calendars.queries import calendars_of
from approvals.services.pages import Shown
from approvals.work.queries import Hands, hands_of, may_be_asked
from kernel.display import WEEKDAYS, Moment, Tag, Tone, due, listed
from proposals.models import Proposal
from proposals.states import ProposalState


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom one may forward to."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when one may snooze."""

    value: str
    text: str


@dataclass(frozen=True, slots=True)
class HandsPanel:
    """What the panel shows, and which of its forms this person may send."""

    sentence: str
    note: str
    looking: str
    deciding_for: str
    may_act: bool
    is_mine: bool
    may_claim: bool
    people: Sequence[Person]
    waits: Sequence[Wait]
    snoozed: Moment | None
    urls: dict[str, str]


def hands_tags(hands: Hands | None, now: datetime) -> list[Tag]:
    """Return who takes care of a proposal and who looks at it, as tags of a list."""
    if hands is None:
        return []
    tags = []
    if hands.snoozed_until is not None:
        tags.append(Tag("Snoozed", Tone.PLAIN, "pause", f"Until {due(hands.snoozed_until, now).text}"))
    if hands.given_by:
        tags.append(Tag(f"From {hands.given_by}", Tone.INFO, "arrow", hands.note))
    elif hands.claimed_by:
        tags.append(Tag(f"With {listed(list(hands.claimed_by))}", Tone.INFO if hands.is_mine else Tone.PLAIN, "people"))
    if hands.looking:
        tags.append(Tag(f"{listed(list(hands.looking))} looking", Tone.PLAIN, "search", "Has the page open, or had it two minutes ago"))
    return tags


def hands_panel(shown: Shown, user: User, now: datetime) -> HandsPanel | None:
    """Return the panel of a pending proposal for one person, or None when nothing is open any more."""
    proposal = shown.proposal
    if proposal.state != ProposalState.PENDING or proposal.expires_at <= now:
        return None
    hands = hands_of([proposal.pk], user, now).get(proposal.pk, Hands())
    may_act = shown.found.verdict.is_allowed
    delegation = shown.found.delegation
    needed = shown.found.step.min_approvals if shown.found.step else 1
    return HandsPanel(
        sentence=_sentence(hands),
        note=hands.note,
        looking=f"{listed(list(hands.looking))} has this page open as well." if hands.looking else "",
        deciding_for=_for(delegation.delegator) if delegation and may_act else "",
        may_act=may_act,
        is_mine=hands.is_mine,
        may_claim=may_act and not hands.is_mine and len(hands.claimed_by) < needed,
        people=[Person(person.pk, _name(person)) for person in may_be_asked(proposal, shown.found, user, now)] if may_act else [],
        waits=_waits(proposal, now) if may_act else [],
        snoozed=due(hands.snoozed_until, now) if hands.snoozed_until else None,
        urls={
            name: reverse(f"approvals:{name}", args=[proposal.public_id]) for name in ("claim", "forward", "give_back", "snooze", "wake_up")
        },
    )


def _sentence(hands: Hands) -> str:
    if hands.given_by:
        return f"{hands.given_by} forwarded this to you."
    if hands.is_mine:
        return "You take care of this. The others still see it under My group."
    if hands.claimed_by:
        return f"{listed(list(hands.claimed_by))} takes care of this. You may decide nevertheless."
    return "Nobody has claimed this yet."


def _for(person: User) -> str:
    return f"You decide for {_name(person)}, who delegated to you. The record will say so."


def _waits(proposal: Proposal, now: datetime) -> list[Wait]:
    """Return until when one may snooze: in three hours, or in the morning of one of the next two business days."""
    calendar = calendars_of([proposal.company]).get(proposal.company, Calendar())
    days = calendar.business_days_after(calendar.local_day(now))
    mornings = [calendar.opening(next(days)) for _ in range(2)]
    soon = now + timedelta(hours=3)
    found = [(soon, "3 hours"), *((morning, f"{WEEKDAYS[morning.weekday()]} {morning:%H:%M} UTC") for morning in mornings)]
    return [Wait(instant.isoformat(), text) for instant, text in found if instant < proposal.expires_at]


def _name(person: User) -> str:
    return person.get_full_name() or person.get_username()
