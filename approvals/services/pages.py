"""Showing a proposal: the page's facts are stored as bytes, and who opened them first when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from approvals import presentation as page
from approvals.events import PageEvent
from approvals.matrix.rate_checks import check_all
from approvals.models import Opening, Presentation, Route
from approvals.queries.authority import Standing, standing_of
from approvals.renderers import page_digest, render
from audit.services import record
from gateway.connections import connector_for
from gateway.errors import ErpUnavailable
from gateway.preconditions import Check
from kernel.actors import Actor
from kernel.clock import wire_time
from kernel.verdicts import Denied, Verdict
from proposals.models import Proposal
from proposals.queries import get_proposal_for_person
from proposals.states import ProposalState
from proposals.subjects import subject_of


@dataclass(frozen=True, slots=True)
class Shown:
    """A page as one person sees it.

    `facts` is what the presentation digest covers; `checks` carries the live values beside. `is_current` tells whether the checks
    were asked just now; a decided proposal shows the page that was decided on, or the state at submission.
    """

    proposal: Proposal
    route: Route
    facts: dict[str, Any]
    checks: Sequence[Check]
    payload_digest: str
    presentation_digest: str
    shown_at: datetime
    found: Standing
    needs_reason: bool
    is_current: bool

    @property
    def standing(self) -> Verdict:
        """Return whether the person may decide on this page."""
        return self.found.verdict


def show(*, user: User, proposal_id: str, now: datetime, actor: Actor | None = None, locale: str = page.LOCALE) -> Shown:
    """Store the page of a pending proposal, record its first opening by this person, and return it.

    The ERP is asked about every check before the transaction begins; when it does not answer, the page shows the checks of the
    submission and nothing can be decided. Raises NotVisible.
    """
    proposal = get_proposal_for_person(user, proposal_id, also=("route__policy", "route__row"))
    found = standing_of(user, proposal, now, route=proposal.route)
    route, standing = found.route, found.verdict
    if proposal.state != ProposalState.PENDING:
        return _kept(proposal, found, now, locale)
    try:
        checks = checks_now(proposal, now)
    except ErpUnavailable as error:
        reason = f"The ERP does not answer, so the checks can't be asked again now: {error.detail or error.title}"
        unavailable = standing if isinstance(standing, Denied) else Denied(error.code, reason)
        return _kept(proposal, replace(found, verdict=unavailable), now, locale)
    facts = page.build(proposal, route, checks, locale)
    stored, digest = page.stored(facts)
    if not Opening.objects.filter(presentation__proposal=proposal, presentation__digest=digest, user=user).exists():
        _opened(proposal, facts, stored, digest, user=user, actor=actor or Actor.human(user.pk), now=now)
    return Shown(
        proposal=proposal,
        route=route,
        facts=facts,
        checks=checks,
        payload_digest=proposal.payload_digest,
        presentation_digest=digest,
        shown_at=now,
        found=found,
        needs_reason=page.needs_reason(facts),
        is_current=True,
    )


def _opened(proposal: Proposal, facts: Mapping[str, Any], stored: bytes, digest: str, *, user: User, actor: Actor, now: datetime) -> None:
    """The page is stored, unless it is there already, and its first opening by this person is recorded, once."""
    with transaction.atomic():
        presentation, _ = Presentation.objects.get_or_create(
            proposal=proposal,
            digest=digest,
            defaults={  # a page that is there already is not rendered again: the stubs don't know values that are asked for
                "stored_bytes": stored,
                "renderer": page.RENDERER,
                "locale": facts["locale"],
                "page_digest": lambda: page_digest(render(stored)),  # type: ignore[misc]
                "needs_reason": page.needs_reason(facts),
                "first_shown_at": now,
            },
        )
        _, is_first = Opening.objects.get_or_create(presentation=presentation, user=user, defaults={"opened_at": now})
        if is_first:
            record(
                kind=PageEvent.OPENED,
                actor=actor,
                subject=subject_of(proposal),
                now=now,
                human={"presentation_digest": digest, "payload_digest": proposal.payload_digest, "shown_at": wire_time(now)},
            )


def checks_now(proposal: Proposal, now: datetime) -> list[Check]:
    """Return every precondition with its value now; the ERP is asked, so never call this inside a transaction."""
    return check_all(connector_for(proposal.company), page.preconditions_of(proposal), now)


def _kept(proposal: Proposal, found: Standing, now: datetime, locale: str) -> Shown:
    """Return the page that was decided on, else the last one shown, else the one of the submission; nothing is written."""
    pages = Presentation.objects.filter(proposal=proposal)
    kept = pages.filter(decisions__isnull=False).order_by("-decisions__decided_at").first()
    kept = kept or pages.order_by("-first_shown_at").first()
    checks = page.checks_at_submission(proposal)
    facts = kept.facts if kept else page.build(proposal, found.route, checks, locale)
    return Shown(
        proposal=proposal,
        route=found.route,
        facts=facts,
        checks=checks,
        payload_digest=proposal.payload_digest,
        presentation_digest=kept.digest if kept else page.stored(facts)[1],
        shown_at=now,
        found=found,
        needs_reason=False,
        is_current=False,
    )
