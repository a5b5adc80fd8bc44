"""The work queue of breaks as an address asks for it: filters, ageing buckets, the most alarming first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Case, Count, IntegerField, Q, QuerySet, When
from django.http import QueryDict

from kernel.listing import address_with
from reconciliation.models import Break
from reconciliation.queries import visible_breaks
from reconciliation.states import KIND_ORDER, BreakKind, BreakState

ALL = "all"
MINE, NOBODYS = "me", "nobody"
TEXT_LENGTH_MAX = 80


@dataclass(frozen=True, slots=True)
class Age:
    """One ageing bucket: opened at least `from_days` and less than `to_days` ago."""

    name: str
    title: str
    from_days: int
    to_days: int | None

    def condition(self, now: datetime) -> Q:
        """Return what opened within the bucket."""
        condition = Q(opened_at__lte=now - timedelta(days=self.from_days)) if self.from_days else Q()
        return condition & Q(opened_at__gt=now - timedelta(days=self.to_days)) if self.to_days else condition


AGES = (
    Age("1d", "under 1 day", 0, 1),
    Age("3d", "1 to 3 days", 1, 3),
    Age("7d", "3 to 7 days", 3, 7),
    Age("30d", "7 to 30 days", 7, 30),
    Age("older", "30 days and more", 30, None),
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What the work queue is filtered by; an empty field filters nothing."""

    state: str = BreakState.OPEN
    kind: str = ""
    company: str = ""
    owner: str = ""
    age: str = ""
    text: str = ""

    @classmethod
    def of(cls, query: QueryDict) -> Filters:
        """Return what the address asks for; anything that is no sensible value filters nothing."""
        state, kind, owner, age = (query.get(name, "") for name in ("state", "kind", "owner", "age"))
        return cls(
            state=state if state in (*BreakState.values, ALL) else BreakState.OPEN,
            kind=kind if kind in BreakKind.values else "",
            company=query.get("company", "")[:12].replace("\x00", ""),
            owner=owner if owner in (MINE, NOBODYS) else "",
            age=age if age in {item.name for item in AGES} else "",
            text=query.get("q", "")[:TEXT_LENGTH_MAX].replace("\x00", "").strip(),
        )

    @property
    def count(self) -> int:
        """Return how many of the fields that are typed or chosen narrow the queue; state and age have their own places."""
        return sum(map(bool, (self.kind, self.company, self.owner, self.text)))

    def rows(self, user: User, now: datetime, *, is_aged: bool = True) -> QuerySet[Break]:
        """Return the breaks a person may see that pass: writes without an approval first, the oldest of each kind first."""
        found = visible_breaks(user)
        if self.state != ALL:
            found = found.filter(state=self.state)
        if self.kind:
            found = found.filter(kind=self.kind)
        if self.company:
            found = found.filter(company=self.company)
        if self.owner:
            found = found.filter(owner=user) if self.owner == MINE else found.filter(owner__isnull=True)
        if self.text:
            found = found.filter(Q(document__icontains=self.text) | Q(reference=self.text) | Q(proposal__headline__icontains=self.text))
        if self.age and is_aged:
            found = found.filter(next(item for item in AGES if item.name == self.age).condition(now))
        return found.order_by(alarm_order(), "opened_at", "pk")


@dataclass(frozen=True, slots=True)
class Bucket:
    """One ageing bucket with the number of breaks in it and the address that shows them."""

    title: str
    count: int
    url: str
    is_current: bool


def buckets(filters: Filters, query: QueryDict, user: User, now: datetime) -> Sequence[Bucket]:
    """Return how old the breaks of the queue are, in one statement; the bucket that is shown leads back to all."""
    counts = filters.rows(user, now, is_aged=False).aggregate(
        **{f"age_{item.name}": Count("pk", filter=item.condition(now) or Q(pk__isnull=False)) for item in AGES}
    )
    return [
        Bucket(
            title=item.title,
            count=counts[f"age_{item.name}"],
            url=address_with(query, age="" if filters.age == item.name else item.name),
            is_current=filters.age == item.name,
        )
        for item in AGES
    ]


def alarm_order() -> Case:
    """Return the order of kinds as an expression: what the gate exists to prevent comes first."""
    return Case(*(When(kind=kind, then=position) for position, kind in enumerate(KIND_ORDER)), output_field=IntegerField())
