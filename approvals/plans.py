"""From the active policy to a route for each draft: the row, the people, who is kept out; nothing is written here.

What is looked up for one draft serves the others of the same transaction, so a batch costs hardly more statements than one draft.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from approvals.errors import NoApprover
from approvals.matrix.asking import Asking, MissingGroup, PlannedStep, first_short
from approvals.matrix.rates import Conversion, Rates
from approvals.matrix.sums import RollingSums
from approvals.matrix.vendor_classes import vendor_class_of
from approvals.models import Policy, PolicyRow
from approvals.policies import EXCLUSION_LABELS
from approvals.queries.authority import Excluded, exclusions_for
from approvals.routing import Match, Question, StepNeed, band_text, first_match, reason_text
from approvals.states import PolicyState
from identity.models import Grant
from identity.queries import ask_for_issuers, issuers_in
from kernel.money import Money
from kernel.together import Reply, Together
from proposals.gate import Draft, Unroutable

ACTIVE = "SELECT id, digest FROM approvals_policy WHERE state = %s"
POLICIES_KEPT = 4
# Policies that this process has met active, by key and digest, with their rows. Which of them is active is asked every time.
_policies: dict[tuple[UUID, str], Policy] = {}


def _keep(policy: Policy) -> None:
    if not policy.digest:
        return
    _policies[policy.pk, policy.digest] = policy
    for oldest in list(_policies)[:-POLICIES_KEPT]:
        _policies.pop(oldest, None)


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """Everything that storing the route needs of what planning found."""

    match: Match
    conversion: Conversion
    policy: Policy
    reason: str
    grant: Grant
    steps: tuple[PlannedStep, ...]
    excluded: tuple[Excluded, ...]
    flags: frozenset[str]
    # As the ERP told it at submission, where the matrix asks for it.
    vendor_class: str = ""


class Planner:
    """Finds a route for each of some drafts of one agent, in their order: a planned draft counts in the sums of the next."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        """Begin with nothing looked up."""
        self._drafts = drafts
        self._policy: Policy | None = None
        self._issuers: dict[tuple[UUID, str], Reply] = {}
        self._rates = Rates()
        self._sums = RollingSums(drafts, self._rates)
        self._asking: Asking | None = None
        self._excluded: dict[tuple[int | None, UUID, str, UUID | None, int], list[Excluded]] = {}

    def ask(self, together: Together) -> None:
        """Ask with others for the active policy, the sums that the rows of the last one compare, currencies, who issued the credentials."""
        together.ask(ACTIVE, [PolicyState.ACTIVE], then=self._recognise)
        self._rates.ask(together)
        latest = next(reversed(_policies.values()), None)
        if latest is not None:
            measures = ((row.tool, row.rolling_days, row.rolling_by) for row in latest.rows.all() if row.rolling_days)
            self._sums.ask(together, dict.fromkeys(measures))
        for key in {(draft.agent.pk, draft.credential_thumbprint) for draft in self._drafts}:
            self._issuers[key] = ask_for_issuers(together, *key)

    def _recognise(self, asked: Reply) -> None:
        """The active policy is taken from memory where this process has met it: its rows and its text never change again."""
        self._policy = _policies.get(asked.rows[0]) if asked.rows else None

    def plan(self, draft: Draft, flags: frozenset[str] = frozenset()) -> PlannedRoute:
        """Return the draft's route; `flags` are the codes of the rules that struck.

        Raises Unroutable when no row covers it, NoRate without a rate to compare it, NoApprover when too few people could ever decide.
        """
        policy = self.active_policy()
        conversion = self._rates.in_base(draft.company, draft.effect.amount, draft.now.date())
        match = self._match(policy, draft, conversion.base, flags)
        excluded = self._exclusions(policy, match.row, draft)
        steps = self._steps(policy, match, draft.company, excluded)
        self._sums.count(draft)
        return PlannedRoute(
            match=match,
            conversion=conversion,
            policy=policy,
            reason=reason_text(match, conversion.base, conversion.text),
            grant=draft.grant,
            steps=steps,
            excluded=tuple(excluded),
            flags=flags,
            vendor_class=vendor_class_of(draft),
        )

    def active_policy(self) -> Policy:
        """Return the policy that routes now, with its rows; raises Unroutable when there is none."""
        if self._policy is None:
            self._policy = Policy.objects.filter(state=PolicyState.ACTIVE).defer("text_bytes").prefetch_related("rows").first()
            if self._policy is not None:
                _keep(self._policy)
        if self._policy is None:
            raise Unroutable(detail="No policy is active, so nothing can be routed; a controller has to activate one.")
        return self._policy

    def _match(self, policy: Policy, draft: Draft, amount: Money, flags: frozenset[str]) -> Match:
        rows = [row for row in policy.rows.all() if row.tool == draft.tool.name]
        sums: dict[tuple[int, str], int] = {}

        def earlier(days: int, by: str) -> int:
            if (days, by) not in sums:
                sums[days, by] = self._sums.earlier(draft, days, by)
            return sums[days, by]

        question = Question(
            tool=draft.tool.name,
            company=draft.company,
            cost_centre=draft.effect.cost_centre,
            amount=amount,
            # The grant is held against the amount as written; the cap of the row against the company's currency.
            may_be_automatic=draft.tool.is_reversible and not draft.is_log_only and _is_within(draft.grant, draft.effect.amount),
            accounts=draft.effect.accounts,
            counterparty=draft.effect.counterparty,
            vendor_class=vendor_class_of(draft, rows),
            flags=flags,
        )
        match = first_match(rows, question, earlier)
        if match is None:
            raise _unroutable(policy, rows, question, sums)
        return match

    def _exclusions(self, policy: Policy, row: PolicyRow, draft: Draft) -> list[Excluded]:
        superseded_id = draft.supersedes.pk if draft.supersedes else None
        key = (draft.on_behalf_of, draft.grant.pk, draft.credential_thumbprint, superseded_id, row.pk)
        if key not in self._excluded:
            self._excluded[key] = exclusions_for(
                agent=draft.agent,
                on_behalf_of=draft.on_behalf_of,
                grants=[draft.grant],
                credential_thumbprint=draft.credential_thumbprint,
                authors=authors_of(policy, row),
                superseded_id=superseded_id,
                issuers=issuers_in(asked) if (asked := self._issuers.get((draft.agent.pk, draft.credential_thumbprint))) else None,
            )
        return self._excluded[key]

    def _steps(self, policy: Policy, match: Match, company: str, excluded: Sequence[Excluded]) -> tuple[PlannedStep, ...]:
        """Return the steps with the people who could be asked; raises NoApprover when they could never all be satisfied."""
        if self._asking is None:
            self._asking = Asking(policy.rows.all())
        steps = self._asking.steps(match.row, company, match.compared, frozenset(item.user_id for item in excluded))
        if isinstance(steps, MissingGroup):
            raise NoApprover(detail=f"{match.row.title} asks the group {steps.code!r}, which no longer exists.")
        short = first_short(steps)
        if short is not None:
            step = steps[short.position - 1]
            people = self._asking.people(company, match.compared)
            members = frozenset().union(*(people.get(group.pk, frozenset()) for group in (step.group, *step.further)))
            kept_out = [item for item in excluded if item.user_id in members]
            raise _no_approver(match, short, of=f"{short.position} of {len(steps)}", company=company, kept_out=kept_out)
        return steps


def authors_of(policy: Policy, row: PolicyRow) -> frozenset[int]:
    """Return who wrote the deciding row: the author of the version, and whoever wrote the row last."""
    return frozenset({policy.author_id} | ({row.author_id} if row.author_id is not None else set()))


def _is_within(grant: Grant, amount: Money) -> bool:
    return grant.ceiling_minor is not None and grant.currency == amount.currency and amount.minor <= grant.ceiling_minor


def _unroutable(policy: Policy, rows: Sequence[PolicyRow], question: Question, sums: Mapping[tuple[int, str], int]) -> Unroutable:
    where = f"{question.tool} of {question.amount} in {question.company}"
    rolling = {str(days): str(Money(total + question.amount.minor, question.amount.currency)) for (days, _), total in sums.items()}
    asking = [row for row in rows if row.company in {"", question.company} and (question.may_be_automatic or not row.is_automatic)]
    bands = [
        {"band": band_text(row), "company": row.company, "cost_centre": row.cost_centre, "rolling_days": row.rolling_days} for row in asking
    ]
    if not asking:
        acceptable = f"Policy v{policy.version} has no row for {question.tool} in {question.company}."
    else:
        acceptable = "It covers " + "; ".join(dict.fromkeys(band_text(row) for row in asking)) + "."
        if any(rolling.values()):
            acceptable += " With what was proposed before, " + ", ".join(
                f"{total} count over {days} days" for days, total in rolling.items()
            )
            acceptable += "."
    return Unroutable(
        detail=f"No row of policy v{policy.version} covers {where}. {acceptable}",
        data={"policy_version": policy.version, "acceptable": bands, "rolling": rolling},
    )


def _no_approver(match: Match, short: StepNeed, *, of: str, company: str, kept_out: Sequence[Excluded]) -> NoApprover:
    why = ""
    if kept_out:
        labels = ", ".join(EXCLUSION_LABELS.get(reason, reason) for reason in sorted({item.reason for item in kept_out}))
        why = f"; {len({item.user_id for item in kept_out})} excluded by segregation of duties ({labels})"
    return NoApprover(
        detail=(
            f"{match.row.title} asks {short.min_approvals} of {short.group_title} in step {of}, but {len(short.people)} can decide"
            f" on {match.compared} in {company}{why}; one person decides once across all steps."
        ),
        data={
            "step": short.position,
            "group": short.group_title,
            "min_approvals": short.min_approvals,
            "able": len(short.people),
            "excluded": len({item.user_id for item in kept_out}),
        },
    )
