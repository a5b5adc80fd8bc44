"""What the retention pages show, as finished texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.urls import reverse

from audit.retention.classes import FLOOR_DAYS, RetentionClass
from audit.retention.models import Disposal, HoldScope, LegalHold, Purpose
from audit.retention.queries import ClassView, classes, expired
from audit.retention.states import DisposalState, HoldState
from identity.pages import name_of
from kernel.display import Moment, Tag, Tone, counted, utc
from kernel.errors import NotVisible

ROWS_MAX = 50
REASONS = {
    **{name.value: f"{name.label}: its time has not ended" for name in RetentionClass},
    "hold": "A legal hold keeps it",
    "floor": f"Younger than {FLOOR_DAYS} days",
}
DISPOSAL_TONES = {
    DisposalState.LISTED: Tone.INFO,
    DisposalState.APPROVED: Tone.INFO,
    DisposalState.COMPLETED: Tone.GOOD,
    DisposalState.DECLINED: Tone.PLAIN,
}


@dataclass(frozen=True, slots=True)
class HoldRow:
    """One hold."""

    id: str
    matter: str
    covers: str
    period: str
    reason: str
    state: Tag
    is_placed: bool
    placed: str


@dataclass(frozen=True, slots=True)
class ListRow:
    """One list of what is destroyed."""

    url: str
    id: str
    title: str
    state: Tag
    counts: str
    prepared: Moment


@dataclass(frozen=True, slots=True)
class RetentionPage:
    """Classes, holds, lists."""

    classes: Sequence[ClassView]
    holds: Sequence[HoldRow]
    lists: Sequence[ListRow]
    scopes: Sequence[tuple[str, str]]
    due: str
    floor_days: int
    may_manage: bool


@dataclass(frozen=True, slots=True)
class ListPage:
    """One list."""

    id: str
    title: str
    state: Tag
    facts: Sequence[tuple[str, object]]
    kept: Sequence[tuple[str, int]]
    approvals: Sequence[tuple[str, Moment]]
    list_digest: str
    sentence: str
    may_decide: bool
    has_approved: bool
    certificate_url: str


def retention_page(now: datetime, companies: frozenset[str], *, may_manage: bool) -> RetentionPage:
    """Return the page; holds and lists of other companies stay hidden."""
    holds = [hold for hold in LegalHold.objects.order_by("state", "-id")[:ROWS_MAX] if _concerns(hold, companies)]
    lists = [row for row in Disposal.objects.order_by("-id")[:ROWS_MAX] if set(row.companies) <= companies]
    names = _names([hold.placed_by for hold in holds])
    return RetentionPage(
        classes=classes(),
        holds=[_hold_row(hold, names) for hold in holds],
        lists=[_list_row(row) for row in lists],
        scopes=HoldScope.choices,
        due=_due(now),
        floor_days=FLOOR_DAYS,
        may_manage=may_manage,
    )


def list_page(disposal: Disposal, companies: frozenset[str], person: User, *, may_manage: bool) -> ListPage:
    """Return one list; raises NotVisible when it concerns other companies."""
    if not set(disposal.companies) <= companies:
        raise NotVisible(detail=f"There is no list {disposal.public_id} in your companies.")
    approvals = list(disposal.approvals.order_by("approved_at", "id"))
    names = _names([disposal.prepared_by, *(approval.person for approval in approvals)])
    kept = Counter(disposal.items.exclude(exempt="").values_list("exempt", flat=True))
    is_open = disposal.state == DisposalState.LISTED
    facts: list[tuple[str, object]] = [
        ("To be destroyed", counted(disposal.listed, "payload", "payloads")),
        ("Exempt", counted(disposal.exempt, "payload", "payloads")),
        ("Companies", ", ".join(disposal.companies) or "–"),
        ("Prepared by", names.get(disposal.prepared_by, disposal.prepared_by)),
        ("Prepared", utc(disposal.prepared_at)),
    ]
    if disposal.person:
        facts.insert(0, ("Person", disposal.person))
    if disposal.state == DisposalState.COMPLETED:
        facts += [("Destroyed", f"{disposal.shredded:,}"), ("Held back by a hold", f"{disposal.held_back:,}")]
    return ListPage(
        id=disposal.public_id,
        title=_title(disposal),
        state=_state(disposal),
        facts=facts,
        kept=[(REASONS.get(reason, reason), count) for reason, count in sorted(kept.items())],
        approvals=[
            (names.get(approval.person, approval.person), Moment(approval.approved_at, utc(approval.approved_at))) for approval in approvals
        ],
        list_digest=disposal.list_digest,
        sentence=disposal.reason or "Every class of these payloads has ended, and no hold keeps them.",
        may_decide=may_manage and is_open,
        has_approved=str(person.pk) in {approval.person for approval in approvals},
        certificate_url=reverse("retention:certificate", args=[disposal.public_id]) if disposal.certificate is not None else "",
    )


def _concerns(hold: LegalHold, companies: frozenset[str]) -> bool:
    return hold.scope != HoldScope.COMPANY or hold.value in companies


def _due(now: datetime) -> str:
    """Return how much has expired, in words; what holds keep is said beside it."""
    free, held = 0, 0
    for _, is_held in expired(now):
        held, free = held + is_held, free + (not is_held)
    kept = f"; {counted(held, 'more is', 'more are')} kept by a hold" if held else ""
    return f"{counted(free, 'payload is', 'payloads are')} past every class{kept}."


def _hold_row(hold: LegalHold, names: dict[str, str]) -> HoldRow:
    is_placed = hold.state == HoldState.PLACED
    period = " to ".join(f"{instant:%Y-%m-%d}" if instant else "…" for instant in (hold.since, hold.until))
    return HoldRow(
        id=hold.public_id,
        matter=hold.matter,
        covers=f"{hold.get_scope_display()} {hold.value}".strip(),
        period=period if hold.since or hold.until else "always",
        reason=hold.reason,
        state=Tag(hold.get_state_display(), Tone.INFO if is_placed else Tone.PLAIN, "clock" if is_placed else "check"),
        is_placed=is_placed,
        placed=f"{names.get(hold.placed_by, hold.placed_by)}, {utc(hold.placed_at)}",
    )


def _list_row(disposal: Disposal) -> ListRow:
    return ListRow(
        url=reverse("retention:list", args=[disposal.public_id]),
        id=disposal.public_id,
        title=_title(disposal),
        state=_state(disposal),
        counts=f"{disposal.listed:,} listed, {disposal.exempt:,} exempt, {disposal.shredded:,} destroyed",
        prepared=Moment(disposal.prepared_at, utc(disposal.prepared_at)),
    )


def _title(disposal: Disposal) -> str:
    return f"Erasure for person {disposal.person}" if disposal.purpose == Purpose.ERASURE else "Expiry"


def _state(disposal: Disposal) -> Tag:
    state = DisposalState(disposal.state)
    return Tag(state.label, DISPOSAL_TONES[state], "check" if state == DisposalState.COMPLETED else "clock")


def _names(ids: Iterable[str]) -> dict[str, str]:
    wanted = {int(text) for text in ids if text.isascii() and text.isdecimal()}
    return {str(user.pk): name_of(user) for user in User.objects.filter(pk__in=wanted)}
