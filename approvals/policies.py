"""Who may decide: a pure function of facts, so that the disabled button and the refusal say the same sentence."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.money import Money
from kernel.verdicts import Allowed, Denied, Verdict

# Why somebody is excluded, in words; the order is the order in which reasons are named.
EXCLUSION_SENTENCES = {
    "owner": "You own agent {agent}, so you can't decide on its proposals (SoD: owner).",
    "sponsor": "You sponsor agent {agent}, so you can't decide on its proposals (SoD: sponsor).",
    "asked": "Agent {agent} acted on your behalf, so you can't decide on this proposal (SoD: asked).",
    "issued_credential": "You issued the credential that agent {agent} used, so you can't decide on this proposal"
    " (SoD: issued_credential).",
    "issued_grant": "You issued the grant that agent {agent} used, so you can't decide on this proposal (SoD: issued_grant).",
    "last_editor": "You were the last to change agent {agent}, so you can't decide on its proposals (SoD: last_editor).",
    "policy_author": "You wrote the policy row that routed this proposal, so you can't decide on it (SoD: policy_author).",
}
EXCLUSION_LABELS = {
    "owner": "owns the agent",
    "sponsor": "sponsors the agent",
    "asked": "the agent acted on their behalf",
    "issued_credential": "issued the agent's credential",
    "issued_grant": "issued the agent's grant",
    "last_editor": "last changed the agent",
    "policy_author": "wrote the deciding policy row",
}


@dataclass(frozen=True, slots=True)
class Membership:
    """One person's place in the group of the open step, in the proposal's company; no limit when None."""

    group_title: str
    limit: Money | None

    def covers(self, amount: Money) -> bool:
        """Return whether the limit reaches the amount; a limit in another currency never does."""
        if self.limit is None:
            return True
        return self.limit.currency == amount.currency and amount <= self.limit


@dataclass(frozen=True, slots=True)
class Case:
    """One person before one proposal, with everything that decides whether they may decide.

    `amount` is what the route was found for (the rolling sum where the row compares that), so that splitting an amount does not
    get round a limit either.
    """

    state: str
    state_label: str
    is_expired: bool
    has_decided: bool
    agent_name: str
    agent_standing: Verdict
    exclusions: frozenset[str]
    has_permission: bool
    open_group_title: str
    membership: Membership | None
    amount: Money


def may_decide(case: Case) -> Verdict:
    """Return whether this person may decide on this proposal now, or the first reason why not."""
    if case.has_decided:
        return Denied("already_decided", "You have already decided on this proposal; one person decides once, across all steps.")
    if case.state != "pending":
        return Denied(
            "proposal_not_pending",
            f"This proposal is no longer open for decisions: it is {case.state_label.lower()}.",
            observed=case.state,
        )
    if case.is_expired:
        return Denied("proposal_expired", "This proposal was not decided in time and has expired.")
    for reason, sentence in EXCLUSION_SENTENCES.items():
        if reason in case.exclusions:
            return Denied(f"sod_{reason}", sentence.format(agent=case.agent_name), "another person of the group decides")
    return _authority(case)


def _authority(case: Case) -> Verdict:
    if not case.has_permission:
        return Denied("permission_denied", "None of your roles lets you decide on proposals of this company.")
    if case.membership is None:
        return Denied("not_a_member", f"The open step asks {case.open_group_title}, and you are not a member in this company.")
    if not case.membership.covers(case.amount):
        limit = str(case.membership.limit)
        return Denied(
            "over_limit",
            f"Your limit in {case.membership.group_title} is {limit}; this proposal counts as {case.amount}.",
            acceptable=f"up to {limit}",
            observed=str(case.amount),
        )
    if isinstance(case.agent_standing, Denied):
        return Denied("agent_suspended", f"{case.agent_standing.reason} None of its proposals can be decided meanwhile.")
    return Allowed()
