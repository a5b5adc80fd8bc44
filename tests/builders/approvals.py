"""The gate for tests: a cast, an active policy, proposals routed by it, pages opened and decided on as a person would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from approvals.models import Decision, Policy
from approvals.services import RowDraft, Shown, activate_policy, create_policy, decide, show, submit_policy
from approvals.states import DecisionKind
from identity.models import Agent, ApprovalGroup, Grant, Role
from identity.principals import AgentPrincipal, TokenDetail
from kernel.actors import Actor
from kernel.clock import now as clock_now
from proposals.models import Proposal
from tests.builders.identity import COMPANY, actor, make_agent, make_credential, make_grant, make_group, make_key, make_user, terms
from tests.builders.kept import kept
from tests.builders.proposals import an_order_over, submit

TOOL = "create_purchase_order"
# A fixed grammar of amounts: the bands of `usual_rows`, in minor units.
ONE_APPROVER_UP_TO = 25_000_00
TWO_STEPS_UP_TO = 50_000_00


@dataclass(frozen=True, slots=True)
class Cast:
    """Alice and Bob buy, Dora and Erik are finance, Charlie sees another company, Olga owns the agent, Cora writes policies."""

    alice: User
    bob: User
    charlie: User
    dora: User
    erik: User
    olga: User
    cora: User
    cem: User
    purchasing: ApprovalGroup
    finance: ApprovalGroup
    agent: Agent
    grant: Grant
    principal: AgentPrincipal
    policy: Policy


def a_row(priority: int = 10, **changes: Any) -> RowDraft:
    """Return a row that asks one person of purchasing for any order."""
    values: dict[str, Any] = {
        "title": f"Row {priority}",
        "tool": TOOL,
        "currency": "EUR",
        "steps": ({"group": "purchasing", "min_approvals": 1},),
    }
    return RowDraft(priority=priority, **{**values, **changes})


def usual_rows() -> list[RowDraft]:
    """Return the matrix of most tests: one buyer up to 25,000.00 EUR, then two steps up to 50,000.00 EUR, no row above."""
    return [
        a_row(10, title="Small orders", up_to_minor=ONE_APPROVER_UP_TO),
        a_row(
            20,
            title="Larger orders",
            from_minor=ONE_APPROVER_UP_TO + 1,
            up_to_minor=TWO_STEPS_UP_TO,
            steps=({"group": "purchasing", "min_approvals": 1}, {"group": "finance", "min_approvals": 1}),
        ),
    ]


def make_policy(rows: Sequence[RowDraft], *, author: User, activator: User, now: datetime | None = None) -> Policy:
    """Return a policy with these rows, written by one controller and activated by another."""
    at = now or clock_now()
    draft = create_policy(title="For tests", rows=rows, user=author, actor=actor(author), now=at)
    submit_policy(policy_id=draft.pk, user=author, actor=actor(author), now=at)
    return activate_policy(policy_id=draft.pk, user=activator, actor=actor(activator), now=at)


def make_cast(rows: Sequence[RowDraft] | None = None, *, is_log_only: bool = False) -> Cast:
    """Return the cast with an active policy and an agent that may order for up to 100,000.00 EUR at a time."""
    return kept(f"cast {rows} {is_log_only}", lambda: _cast(rows, is_log_only=is_log_only))


def _cast(rows: Sequence[RowDraft] | None, *, is_log_only: bool) -> Cast:
    alice, bob = (make_user(name, [Role.APPROVER]) for name in ("alice", "bob"))
    dora, erik = (make_user(name, [Role.APPROVER]) for name in ("dora", "erik"))
    charlie = make_user("charlie", [Role.APPROVER], companies=("US01",))
    olga = make_user("olga", [Role.AGENT_OWNER])
    cora, cem = (make_user(name, [Role.CONTROLLER]) for name in ("cora", "cem"))
    purchasing, finance = make_group("purchasing", alice, bob), make_group("finance", dora, erik)
    make_group("purchasing", charlie, companies=("US01",))
    agent = make_agent(olga, name="AP-Bot", acts_for=(alice, bob, dora, erik))
    credential = make_credential(agent, make_key())
    grant = make_grant(agent, TOOL, is_active=not is_log_only, bounds=terms(ceiling_minor=100_000_00))
    policy = make_policy(usual_rows() if rows is None else rows, author=cora, activator=cem)
    return Cast(
        alice=alice,
        bob=bob,
        charlie=charlie,
        dora=dora,
        erik=erik,
        olga=olga,
        cora=cora,
        cem=cem,
        purchasing=purchasing,
        finance=finance,
        agent=agent,
        grant=grant,
        principal=principal_of(agent, grant, credential.thumbprint),
        policy=policy,
    )


def principal_of(agent: Agent, grant: Grant, thumbprint: str, company: str = COMPANY) -> AgentPrincipal:
    """Return what the token endpoint would make of this agent and grant."""
    return AgentPrincipal(
        agent_id=agent.pk,
        agent_name=agent.name,
        details=(TokenDetail("propose", grant.tool, company, grant.pk),),
        credential_thumbprint=thumbprint,
        token_id="test",
    )


def an_order(cast: Cast, amount: str = "9870.00", *, now: datetime | None = None, **fields: Any) -> Proposal:
    """Return a pending order over this amount, proposed by the cast's agent and routed by the active policy."""
    vendor = fields.pop("vendor", "1580")
    return submit(cast.principal, TOOL, an_order_over(amount, vendor=vendor), now=now, **fields)


def opened(user: User, proposal: Proposal, now: datetime | None = None) -> Shown:
    """Return the page as the person opens it."""
    return show(user=user, proposal_id=proposal.public_id, now=now or clock_now())


def decided(user: User, page: Shown, kind: str = DecisionKind.APPROVE, *, now: datetime | None = None, **changes: Any) -> Decision:
    """Return the decision on exactly this page; a refusal gets a reason unless told otherwise."""
    at = now or max(clock_now(), page.shown_at + timedelta(milliseconds=1))
    is_refusal = kind != DecisionKind.APPROVE
    values: dict[str, Any] = {
        "payload_digest": page.payload_digest,
        "presentation_digest": page.presentation_digest,
        "shown_at": page.shown_at,
        "reason_code": "wrong_amount" if is_refusal else "",
        "comment": "Half of it is enough." if is_refusal else "",
        "authentication": ["password"],
        "actor": Actor.human(user.pk, authentication=("password",)),
    }
    return decide(user=user, proposal_id=page.proposal.public_id, kind=kind, now=at, **{**values, **changes})


def decided_by(user: User, proposal: Proposal, kind: str = DecisionKind.APPROVE, **changes: Any) -> Decision:
    """Return the person's decision on the page as it is now."""
    return decided(user, opened(user, proposal), kind, **changes)


def approved(proposal: Proposal, *people: User) -> Proposal:
    """Return the proposal after these people approved it, one after the other."""
    for person in people:
        decided_by(person, proposal)
    proposal.refresh_from_db()
    return proposal
