"""Who takes care of what, what is snoozed, who is looking, and to whom one may forward."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User

from approvals.delegation.queries import in_force
from approvals.queries.authority import Standing, standing_of
from approvals.states import StepState
from approvals.work.models import Claim, Looking, Snooze
from proposals.models import Proposal

LOOKING_FOR = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Hands:
    """In whose hands one proposal is, and who has it on screen; names only."""

    claimed_by: tuple[str, ...] = ()
    is_mine: bool = False
    given_by: str = ""
    note: str = ""
    looking: tuple[str, ...] = ()
    snoozed_until: datetime | None = None


def hands_of(keys: Iterable[uuid.UUID], user: User, now: datetime) -> dict[uuid.UUID, Hands]:
    """Return that for each of these proposals which anybody has in hands, on screen or snoozed; three queries."""
    wanted = list(keys)
    claims: dict[uuid.UUID, list[Claim]] = defaultdict(list)
    live = Claim.objects.filter(step__route_id__in=wanted, step__state=StepState.OPEN, ended_at__isnull=True)
    for item in live.select_related("user", "given_by", "step").order_by("claimed_at"):
        claims[item.step.route_id].append(item)
    looking: dict[uuid.UUID, list[str]] = defaultdict(list)
    seen = Looking.objects.filter(proposal_id__in=wanted, seen_at__gt=now - LOOKING_FOR).exclude(user=user)
    for sign in seen.select_related("user").order_by("-seen_at"):
        looking[sign.proposal_id].append(_name(sign.user))
    snoozed = dict(Snooze.objects.filter(proposal_id__in=wanted, user=user, until__gt=now).values_list("proposal_id", "until"))
    return {key: _hands(claims.get(key, []), user, tuple(looking.get(key, ())), snoozed.get(key)) for key in {*claims, *looking, *snoozed}}


def _hands(claims: list[Claim], user: User, looking: tuple[str, ...], snoozed_until: datetime | None) -> Hands:
    mine = next((item for item in claims if item.user_id == user.pk), None)
    return Hands(
        claimed_by=tuple("you" if item.user_id == user.pk else _name(item.user) for item in claims),
        is_mine=mine is not None,
        given_by=_name(mine.given_by) if mine and mine.given_by_id != user.pk else "",
        note=mine.note if mine else "",
        looking=looking,
        snoozed_until=snoozed_until,
    )


def may_be_asked(proposal: Proposal, standing: Standing, user: User, now: datetime) -> list[User]:
    """Return the other people who may decide on this proposal now, by name: whom one may forward to.

    Members of the open step's groups are those that the page names anyway; delegates, who are few, are looked at one by one.
    """
    if standing.step is None:
        return []
    people = standing.able_in(standing.step).difference(decision.acting_for_id for decision in standing.decisions)
    by_right = in_force(now).filter(delegator__in=people, companies__contains=[proposal.company]).exclude(delegate__in=people)
    delegates = {item.delegate for item in by_right.select_related("delegate")}
    found = [person for person in delegates if standing_of(person, proposal, now).verdict.is_allowed]
    found += [standing.people[key] for key in people]
    return sorted((person for person in found if person.pk != user.pk), key=_name)


def _name(user: User) -> str:
    return user.get_full_name() or user.get_username()
