"""Verification at the moment of use: an approval is not believed because it was given, everything is looked at again.

Digest of the stored bytes, agreement of the columns with them, tool version, agent, grant and rolling ceilings, route with its
decisions and exclusions. What the ERP says is asked later, between claim and send, because no row may be locked meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast
from uuid import UUID

from django.db.models import Q, Sum

from approvals.queries import Problem, Verified, verify_routes
from audit.finality import Fact, SealedReceipt, sealed_receipts
from commits.models import Commit
from gateway.catalogue import WriteTool, get_tool
from gateway.errors import UnknownTool
from gateway.preconditions import Precondition
from identity.models import Agent, Grant
from identity.policies import Usage, agent_standing, check_grant
from identity.principals import TokenDetail
from identity.states import AgentState, GrantState
from kernel.canonical import digest_of_bytes, parse_json
from kernel.errors import DomainError
from kernel.ids import Prefix, encode
from kernel.together import Together
from kernel.verdicts import Denied
from proposals.models import Proposal
from proposals.queries import COUNTED, effect_of
from proposals.rolling import ask_usage, usage_in
from proposals.states import ProposalState

logger = logging.getLogger(__name__)

ACTION_PURPOSE = "countersign.action/1"
NOT_FINAL_CODE = "not_final_yet"


class Finding(StrEnum):
    """What verification says about one commit."""

    CLEARED = "cleared"
    FROZEN = "frozen"
    # Not sent yet: what it leans on is recorded, but final only with a sealed receipt.
    NOT_FINAL = "not_final"
    # Not sent, and the proposal stays as it is: its record cannot be trusted, or it is no longer approved.
    REFUSED = "refused"
    # Not sent, and the proposal is voided: what was approved may no longer be done.
    VOIDED = "voided"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a commit may be sent; when it may, what to send and which facts to ask the ERP for."""

    finding: Finding
    code: str = ""
    reason: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    preconditions: tuple[Precondition, ...] = ()
    # Which gate allows it, for the event.
    gate: Mapping[str, object] = field(default_factory=dict)


class _Stop(Exception):
    """One check did not hold."""

    def __init__(self, finding: Finding, code: str, reason: str) -> None:
        super().__init__(code)
        self.verdict = Verdict(finding, code, reason)


@dataclass(slots=True)
class _Facts:
    """What the batch needs from the database, read once."""

    grants: dict[tuple[UUID, str], Grant]
    usages: dict[tuple[UUID, str, str], Usage]
    routes: Mapping[UUID, Verified | Problem]
    receipts: Mapping[Fact, SealedReceipt]


def verify(commits: Sequence[Commit], *, now: datetime) -> dict[UUID, Verdict]:
    """Return a verdict for each commit (with its proposal and agent loaded and its row locked); a constant number of statements.

    A defect while looking at one commit refuses that one and leaves the others alone. It is at least as late as the latest approval
    says: a worker whose clock is behind must not find that a grant has not begun yet, and void what is valid.
    """
    now = max([now, *(commit.proposal.decided_at for commit in commits if commit.proposal.decided_at is not None)])
    facts = _facts(commits, now=now)
    verdicts = {}
    for commit in commits:
        try:
            verdicts[commit.pk] = _verdict(commit, facts, now=now)
        except _Stop as stop:
            verdicts[commit.pk] = stop.verdict
        except (DomainError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
            logger.exception("commit %s could not be verified", commit.public_id)
            reason = f"Verification failed: {type(error).__name__}: {error}"
            verdicts[commit.pk] = Verdict(Finding.REFUSED, "verification_failed", reason)
    return verdicts


def _facts(commits: Sequence[Commit], *, now: datetime) -> _Facts:
    proposals = [commit.proposal for commit in commits]
    agents = {proposal.agent_id for proposal in proposals}
    routes = verify_routes(proposals, now)
    leaned_on = {fact for route in routes.values() if isinstance(route, Verified) for fact in route.leans_on}
    grants = Grant.objects.filter(agent_id__in=agents, tool__in={proposal.tool for proposal in proposals}, state=GrantState.ACTIVE)
    together = Together()
    asked = {
        key: ask_usage(together, key[0], key[1], now, currency=key[2])
        for key in {(proposal.agent_id, proposal.tool, proposal.currency) for proposal in proposals}
    }
    together.send()
    return _Facts(
        grants={(grant.agent_id, grant.tool): grant for grant in grants},
        usages={key: usage_in(reply) for key, reply in asked.items()},
        routes=routes,
        receipts=sealed_receipts(leaned_on),
    )


def _verdict(commit: Commit, facts: _Facts, *, now: datetime) -> Verdict:
    proposal = commit.proposal
    if proposal.state != ProposalState.APPROVED:
        raise _Stop(Finding.REFUSED, "not_approved", f"The proposal is {proposal.state}.")
    action = _checked_action(commit, proposal)
    _check_agent(proposal.agent, now=now)
    if proposal.decided_at is None or proposal.decided_at > proposal.expires_at:
        raise _Stop(Finding.VOIDED, "approved_too_late", "The proposal was approved after it had expired.")
    _check_tool(proposal)
    params = cast("Mapping[str, object]", action["params"])
    _check_grant(proposal, facts, params=params, now=now)
    route = facts.routes.get(proposal.pk)
    if isinstance(route, Problem):
        raise _Stop(Finding.VOIDED, route.code, route.reason)
    if route is None:
        raise _Stop(Finding.VOIDED, "route_missing", "No route stands behind this approval.")
    receipts = [facts.receipts[fact] for fact in route.leans_on if fact in facts.receipts]
    if len(receipts) < len(route.leans_on):
        missing = ", ".join(fact.kind for fact in route.leans_on if fact not in facts.receipts)
        raise _Stop(Finding.NOT_FINAL, NOT_FINAL_CODE, f"Recorded but not sealed yet: {missing}. It is sent once it is sealed.")
    stored = cast("Sequence[Mapping[str, object]]", action["preconditions"])
    return Verdict(
        Finding.CLEARED,
        params=params,
        preconditions=tuple(Precondition.from_dict(item) for item in stored),
        gate={**route.as_gate(), "outcome": "verified", "sealed": [receipt.as_dict() for receipt in receipts]},
    )


def _checked_action(commit: Commit, proposal: Proposal) -> Mapping[str, object]:
    """Return the action behind the stored bytes, after comparing them with their digest and with the columns people saw."""
    stored = bytes(proposal.action_bytes)
    sent_before = bytes(commit.request_bytes) if commit.request_bytes is not None else stored
    if digest_of_bytes(ACTION_PURPOSE, stored) != proposal.payload_digest or sent_before != stored:
        raise _Stop(Finding.REFUSED, "action_altered", "The stored action is not the one whose digest was approved.")
    action = parse_json(stored)
    if not isinstance(action, dict):
        raise _Stop(Finding.REFUSED, "action_altered", "The stored action is not an object.")
    repeated = {
        "tool": proposal.tool,
        "tool_version": proposal.tool_version,
        "company": proposal.company,
        "agent_id": encode(Prefix.AGENT, proposal.agent_id),
    }
    for name, column in repeated.items():
        if action.get(name) != column:
            raise _Stop(Finding.REFUSED, "action_altered", f"The stored action names another {name} than the proposal.")
    if (commit.tool, commit.company) != (proposal.tool, proposal.company):
        raise _Stop(Finding.REFUSED, "action_altered", "The commit names another tool or company than the proposal.")
    return action


def _check_agent(agent: Agent, *, now: datetime) -> None:
    """Stop unless the agent may act: one that can come back freezes its commits, one that cannot voids them."""
    standing = agent_standing(agent, now)
    if isinstance(standing, Denied):
        is_final = agent.state == AgentState.DECOMMISSIONED
        raise _Stop(Finding.VOIDED if is_final else Finding.FROZEN, standing.code, standing.reason)


def _check_tool(proposal: Proposal) -> None:
    try:
        tool = get_tool(proposal.tool)
    except UnknownTool:
        raise _Stop(Finding.VOIDED, "tool_removed", f"The tool {proposal.tool} is no longer in the catalogue.") from None
    if not isinstance(tool, WriteTool) or tool.version != proposal.tool_version:
        raise _Stop(Finding.VOIDED, "tool_changed", f"The tool {proposal.tool} has another version than the one approved.")


def _check_grant(proposal: Proposal, facts: _Facts, *, params: Mapping[str, object], now: datetime) -> None:
    grant = facts.grants.get((proposal.agent_id, proposal.tool))
    if grant is None:
        raise _Stop(Finding.VOIDED, "grant_missing", "The agent no longer has an active grant for this tool.")
    effect = effect_of(proposal, params)
    usage = _without_own(facts.usages[proposal.agent_id, proposal.tool, proposal.currency], proposal, now=now)
    detail = _detail(proposal, grant)
    verdict = check_grant(grant=grant, detail=detail, effect=effect, usage=usage, now=now)
    if isinstance(verdict, Denied):
        # The sums above count later submissions too; what came first decides whether this one fitted.
        usage = _earlier_usage(proposal, now=now)
        verdict = check_grant(grant=grant, detail=detail, effect=effect, usage=usage, now=now)
    if isinstance(verdict, Denied):
        raise _Stop(Finding.VOIDED, verdict.code, verdict.reason)


def _detail(proposal: Proposal, grant: Grant) -> TokenDetail:
    """Return what a token for exactly this write would be for."""
    return TokenDetail("propose", proposal.tool, proposal.company, grant.pk, currency=proposal.currency)


def _without_own(usage: Usage, proposal: Proposal, *, now: datetime) -> Usage:
    """Return the usage of everything but this proposal; the count per hour limits submissions, not commits."""
    is_of_day = proposal.created_at > now - timedelta(hours=24)
    is_of_month = proposal.created_at > now - timedelta(days=30)
    return Usage(
        day_minor=usage.day_minor - (proposal.amount_minor if is_of_day else 0),
        thirty_days_minor=usage.thirty_days_minor - (proposal.amount_minor if is_of_month else 0),
        hour_count=0,
    )


def _earlier_usage(proposal: Proposal, *, now: datetime) -> Usage:
    sums = Proposal.objects.filter(
        agent_id=proposal.agent_id,
        tool=proposal.tool,
        currency=proposal.currency,
        state__in=COUNTED,
        created_at__gt=now - timedelta(days=30),
        pk__lt=proposal.pk,
    ).aggregate(
        day=Sum("amount_minor", filter=Q(created_at__gt=now - timedelta(hours=24))),
        thirty_days=Sum("amount_minor"),
    )
    return Usage(day_minor=sums["day"] or 0, thirty_days_minor=sums["thirty_days"] or 0, hour_count=0)
