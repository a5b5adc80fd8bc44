"""Fixing a set of proposals with their digests, and approving it by one decision: one transaction for each proposal."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction

from approvals.bulk.errors import BulkOutdated, NothingToApprove, StaleBulk
from approvals.bulk.events import BulkEvent
from approvals.bulk.models import Bulk, BulkItem
from approvals.bulk.policies import Candidate, Kind, common_kind, may_be_in, page_is_plain
from approvals.bulk.sets import SetItem, digest_of_set, statement_of
from approvals.bulk.states import BULK_TRANSITIONS, ITEM_TRANSITIONS, BulkState, ItemState
from approvals.models import Decision, Presentation
from approvals.queries.authority import Standing, standing_of
from approvals.refusals import refusals_recorded
from approvals.services import signing
from approvals.services.decisions import decide
from approvals.services.pages import Shown, show
from approvals.services.step_up import require_factor, step_up_from
from approvals.states import DecisionKind
from audit.records import Subject
from audit.services import record
from identity.models import ApprovalGroup
from identity.permissions import Permission, require_permission
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.errors import DomainError, FieldError, NotVisible, StateConflict, ValidationFailed
from kernel.ids import Prefix, encode, new_id
from kernel.money import Money
from kernel.transitions import advance
from kernel.verdicts import Denied
from proposals.models import Proposal
from proposals.queries import get_proposal_for_person

STEP_UP_PURPOSE = "bulk"
ITEMS_MAX = 100
VALID_FOR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class _Picked:
    proposal: Proposal
    standing: Standing
    candidate: Candidate


def prepare(*, user: User, proposal_ids: Sequence[str], actor: Actor, now: datetime) -> Bulk:
    """What was picked and may be approved together is fixed with the digests of its pages; the rest is named with its reason.

    Each page is stored as shown to this person, because the next page shows it to them. The ERP is asked about every proposal, so
    this takes a while for many. Raises PermissionRefused, ValidationFailed for none or too many, NothingToApprove.
    """
    key = new_id()
    with refusals_recorded(BulkEvent.REFUSED, actor=actor, subject=_subject(key), now=now):
        require_permission(user, Permission.PROPOSAL_DECIDE)
        wanted = list(dict.fromkeys(proposal_ids))
        if not 1 <= len(wanted) <= ITEMS_MAX:
            message = f"{len(wanted)} proposals were picked"
            raise ValidationFailed(detail=f"{message}.", errors=(FieldError("/proposals", message, f"1 to {ITEMS_MAX}"),))
        picked, excluded = _look_up(user, wanted, now)
        kind = common_kind([item.candidate for item in picked])
        pages: list[tuple[_Picked, Shown]] = []
        for item in picked:
            verdict = may_be_in(item.candidate, kind)
            if isinstance(verdict, Denied):
                excluded.append(_left_out(item.candidate.key, verdict))
                continue
            shown = show(user=user, proposal_id=item.candidate.key, now=now, actor=actor)
            verdict = page_is_plain(shown.facts, is_current=shown.is_current)
            if isinstance(verdict, Denied):
                excluded.append(_left_out(item.candidate.key, verdict))
            else:
                pages.append((item, shown))
        if kind is None or not pages:
            raise NothingToApprove(
                detail="None of what you picked may be approved in bulk; open each by itself.", data={"excluded": excluded}
            )
        return _fix(key, user=user, kind=kind, pages=pages, excluded=excluded, actor=actor, now=now)


def confirm(
    *,
    user: User,
    bulk_id: uuid.UUID,
    set_digest: str,
    actor: Actor,
    now: datetime,
    authentication: Sequence[str] = (),
    factors: Sequence[Mapping[str, object]] = (),
    answer: signing.Answer | None = None,
) -> Bulk:
    """The person has approved the set as it was shown, by one decision over its digest, and every proposal has its result.

    A signature or a second factor newer than the display is needed. Each proposal is decided on in a transaction of its own, with every
    check of a single decision, so one that is stale loses nothing else. Doing it again gives the same results, and finishes what a
    death in the middle left open. Raises NotVisible, StaleBulk, BulkOutdated, StepUpRequired, SignatureRefused.
    """
    with refusals_recorded(BulkEvent.REFUSED, actor=actor, subject=_subject(bulk_id), now=now), transaction.atomic():
        bulk = Bulk.objects.select_for_update().filter(pk=bulk_id, user=user).first()
        if bulk is None:
            raise NotVisible(detail="There is no such set of yours.")
        if bulk.set_digest != set_digest:
            raise StaleBulk(detail="The page shows another set than this; pick again.")
        if bulk.state == BulkState.PREPARED:
            _confirm(bulk, actor=actor, authentication=authentication, factors=factors, answer=answer, now=now)
    for item in bulk.items.filter(state=ItemState.PENDING).select_related("proposal", "presentation"):
        _settle(bulk, item, actor=actor, factors=factors, now=now)
    return bulk


def begin_signature(*, user: User, bulk_id: uuid.UUID, now: datetime) -> signing.Begun:
    """Return the challenge for the user's passkey over the set; raises NotVisible and SignatureRefused."""
    bulk = Bulk.objects.filter(pk=bulk_id, user=user, state=BulkState.PREPARED).first()
    if bulk is None:
        raise NotVisible(detail="There is no such set of yours.")
    return signing.begin(user=user, statement=statement_of(bulk), now=now)


def _look_up(user: User, wanted: Sequence[str], now: datetime) -> tuple[list[_Picked], list[dict[str, str]]]:
    """Return what of this the person can see, and what they can't, as excluded."""
    picked, excluded = [], []
    for proposal_id in wanted:
        try:
            proposal = get_proposal_for_person(user, proposal_id)
        except DomainError as error:
            excluded.append(_left_out(proposal_id[:80], Denied(error.code, error.detail or error.title)))
            continue
        standing = standing_of(user, proposal, now)
        route, step = standing.route, standing.step
        routed = route.routed(proposal)
        cap = route.snapshot["row"].get("bulk_up_to_minor")
        candidate = Candidate(
            key=proposal.public_id,
            kind=Kind(proposal.tool, step.group.code, step.position) if step else None,
            standing=standing.verdict,
            routed=routed,
            cap=None if cap is None else Money(int(cap), route.snapshot["currency"]),
            step_up_from=step_up_from(route),
            is_asked_again=bool(proposal.facts.get("asked_again")),
        )
        picked.append(_Picked(proposal, standing, candidate))
    return picked, excluded


def _left_out(key: str, verdict: Denied) -> dict[str, str]:
    return {"proposal": key, "code": verdict.code, "reason": verdict.reason}


def _fix(
    key: uuid.UUID,
    *,
    user: User,
    kind: Kind,
    pages: Sequence[tuple[_Picked, Shown]],
    excluded: list[dict[str, str]],
    actor: Actor,
    now: datetime,
) -> Bulk:
    set_digest = digest_of_set(
        kind,
        [SetItem(item.candidate.key, shown.payload_digest, shown.presentation_digest, item.proposal.amount) for item, shown in pages],
    )
    kept = {row.digest: row for row in Presentation.objects.filter(proposal__in=[item.proposal for item, _ in pages]).defer("stored_bytes")}
    with transaction.atomic():
        bulk = Bulk.objects.create(
            id=key,
            user=user,
            tool=kind.tool,
            group=ApprovalGroup.objects.get(code=kind.group),
            position=kind.step,
            set_digest=set_digest,
            excluded=excluded,
            prepared_at=now,
            valid_until=now + VALID_FOR,
        )
        BulkItem.objects.bulk_create(
            BulkItem(
                bulk=bulk,
                position=number,
                proposal=item.proposal,
                presentation=kept[shown.presentation_digest],
                payload_digest=shown.payload_digest,
                amount_minor=item.proposal.amount_minor,
                currency=item.proposal.currency,
            )
            for number, (item, shown) in enumerate(pages, start=1)
        )
        outcome = {"set_digest": set_digest, "count": len(pages), "excluded": len(excluded), "tool": kind.tool, "group": kind.group}
        record(kind=BulkEvent.PREPARED, actor=actor, subject=_subject(key), now=now, outcome=outcome)
    return bulk


def _confirm(
    bulk: Bulk,
    *,
    actor: Actor,
    authentication: Sequence[str],
    factors: Sequence[Mapping[str, object]],
    answer: signing.Answer | None,
    now: datetime,
) -> None:
    if bulk.valid_until <= now:
        raise BulkOutdated(detail=f"You were shown this more than {VALID_FOR.seconds // 60} minutes ago; pick again and look again.")
    human: dict[str, object] = {"decision": "approve", "set_digest": bulk.set_digest, "shown_at": wire_time(bulk.prepared_at)}
    signature = None
    if answer is not None:
        signature = signing.complete(user=bulk.user, statement=statement_of(bulk), answer=answer, now=now)
        human["signature"] = signing.as_event(signature)
    else:
        factor = require_factor(
            factors, user=bulk.user, purpose=STEP_UP_PURPOSE, subject=bulk.set_digest, shown_at=bulk.prepared_at, now=now
        )
        human["second_factor"] = factor.as_dict()
    advance(
        bulk,
        BulkState.CONFIRMED,
        transitions=BULK_TRANSITIONS,
        confirmed_at=now,
        authentication=list(authentication),
        signature=signature,
    )
    items = [{"proposal": encode(Prefix.PROPOSAL, key), "payload_digest": text} for key, text in _items(bulk)]
    record(kind=BulkEvent.CONFIRMED, actor=actor, subject=_subject(bulk.pk), now=now, human={**human, "items": items})


def _items(bulk: Bulk) -> list[tuple[uuid.UUID, str]]:
    return list(bulk.items.order_by("payload_digest").values_list("proposal_id", "payload_digest"))


def _settle(bulk: Bulk, item: BulkItem, *, actor: Actor, factors: Sequence[Mapping[str, object]], now: datetime) -> None:
    """The proposal of this item is approved, or its result says why not; its own transactions."""
    try:
        decision = decide(
            user=bulk.user,
            proposal_id=item.proposal.public_id,
            kind=DecisionKind.APPROVE,
            payload_digest=item.payload_digest,
            presentation_digest=item.presentation.digest,
            shown_at=bulk.prepared_at,
            actor=actor,
            now=now,
            authentication=bulk.authentication,
            factors=factors,
            set_digest=bulk.set_digest,
            set_signature=f"sha256:{bytes(bulk.signature.digest).hex()}" if bulk.signature else "",
        )
    except DomainError as error:
        decided = _decided_before(bulk, item) if error.code == "already_decided" else None
        if decided is None:
            values = {"code": error.code[:64], "detail": error.detail or error.title, "settled_at": now}
            _advance(item, ItemState.REFUSED, **values)
            return
        decision = decided
    _advance(item, ItemState.APPROVED, decision=decision, settled_at=now)


def _advance(item: BulkItem, to: ItemState, **values: object) -> None:
    # The same form sent twice at once settles each item twice: the second finds it settled, with the same result.
    with suppress(StateConflict):
        advance(item, to, transitions=ITEM_TRANSITIONS, **values)


def _decided_before(bulk: Bulk, item: BulkItem) -> Decision | None:
    """Return the decision that an earlier run of this very set made, when it died before it could say so."""
    found = Decision.objects.filter(
        proposal=item.proposal, user=bulk.user, kind=DecisionKind.APPROVE, presentation=item.presentation, decided_at__gte=bulk.confirmed_at
    )
    return found.first()


def _subject(key: uuid.UUID) -> Subject:
    return Subject(kind="bulk", id=encode(Prefix.BULK, key))
