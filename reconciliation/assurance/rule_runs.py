"""The rules over a period: asked for by a person, done in the background, kept as they came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

import audit.services
from approvals.flags.queries import InForce, thresholds_in_force
from approvals.rules import RULES, Evaluation, evaluate
from audit.records import Subject
from identity.permissions import Permission, companies_with
from kernel.actors import Actor
from kernel.errors import DomainError, NotVisible
from kernel.queue import wake
from kernel.transitions import advance
from reconciliation.assurance.cases import Tested, cases
from reconciliation.assurance.models import RuleHit, RuleRun
from reconciliation.assurance.scope import Scope, require_companies
from reconciliation.assurance.states import RULE_RUN_TRANSITIONS, RuleRunState
from reconciliation.events import AssuranceEvent

ACTOR = Actor.system("assurance")
HITS_TOGETHER = 1_000
TEXT_MAX = 500
WAKE = "rules_requested"


def request_rule_run(*, scope: Scope, user: User, actor: Actor, now: datetime) -> RuleRun:
    """A run of the rules over the scope is asked for; a worker does it soon. Raises NotVisible, ValidationFailed."""
    require_companies(scope)
    if not set(scope.companies) <= companies_with(user, Permission.EVIDENCE_EXPORT):
        raise NotVisible(detail="One of these companies is not among yours.")
    with transaction.atomic():
        run = RuleRun.objects.create(since=scope.since, until=scope.until, companies=list(scope.companies), started_by=user, started_at=now)
        audit.services.record(
            kind=AssuranceEvent.RULES_REQUESTED, actor=actor, subject=subject_of(run), now=now, outcome={"scope": scope.parameters}
        )
        wake(WAKE, run.public_id)
        return run


def perform(*, key: UUID, now: datetime) -> RuleRun:
    """The run is completed with its results and hits, or aborted with the reason; a run that has ended stays as it is.

    Everything is read outside the transaction that stores it. Two workers on one run: the second finds it ended.
    """
    run = RuleRun.objects.get(pk=key)
    if run.state != RuleRunState.REQUESTED:
        return run
    scope = scope_of(run)
    try:
        outcome = _tested(scope)
    except DomainError as error:
        return _ended(run, RuleRunState.ABORTED, _Outcome(), now, detail=(error.detail or error.title)[:TEXT_MAX])
    return _ended(run, RuleRunState.COMPLETED, outcome, now)


def scope_of(run: RuleRun) -> Scope:
    """Return the scope of a run."""
    return Scope(run.since, run.until, tuple(run.companies))


def subject_of(run: RuleRun) -> Subject:
    """Return the run as the subject of an event."""
    return Subject(kind="rule_run", id=run.public_id, company=run.companies[0] if len(run.companies) == 1 else "")


@dataclass(slots=True)
class _Outcome:
    count: int = 0
    totals: Counter[str] = field(default_factory=Counter)
    versions: dict[str, int] = field(default_factory=dict)
    tested: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    not_applicable: Counter[str] = field(default_factory=Counter)
    not_tested: dict[str, Counter[str]] = field(default_factory=dict)
    hits: list[RuleHit] = field(default_factory=list)

    def add(self, tested: Tested, evaluation: Evaluation) -> None:
        self.count += 1
        self.totals[tested.amount.currency] += tested.amount.minor
        self.tested.update(evaluation.tested)
        self.not_applicable.update(evaluation.not_applicable)
        for code, why in evaluation.not_tested.items():
            self.not_tested.setdefault(code, Counter())[_without_numbers(why)] += 1
        for hit in evaluation.hits:
            self.struck[hit.rule] += 1
            self.hits.append(
                RuleHit(
                    proposal_id=tested.key,
                    rule=hit.rule,
                    rule_version=hit.version,
                    text=hit.text[:TEXT_MAX],
                    inputs=dict(hit.inputs),
                    threshold=dict(hit.threshold),
                    observed=dict(hit.observed),
                )
            )

    def results(self) -> dict[str, object]:
        return {
            rule.code: {
                "version": rule.version,
                "tested": self.tested[rule.code],
                "hits": self.struck[rule.code],
                "not_applicable": self.not_applicable[rule.code],
                "not_tested": dict(sorted(self.not_tested.get(rule.code, {}).items())),
            }
            for rule in RULES
        }


def _tested(scope: Scope) -> _Outcome:
    outcome = _Outcome()
    in_force = thresholds_in_force(scope.companies)
    for company in scope.companies:
        found = in_force.get(company, InForce.default())
        outcome.versions[company] = found.version
        for item in cases(scope, company, found):
            outcome.add(item, evaluate(item.case, found.thresholds))
    return outcome


def _ended(run: RuleRun, state: RuleRunState, outcome: _Outcome, now: datetime, *, detail: str = "") -> RuleRun:
    with transaction.atomic():
        results = outcome.results() if state == RuleRunState.COMPLETED else {}
        advance(
            run,
            state,
            transitions=RULE_RUN_TRANSITIONS,
            population_count=outcome.count,
            population_totals=dict(sorted(outcome.totals.items())),
            thresholds=outcome.versions,
            results=results,
            detail=detail,
            finished_at=now,
        )
        for part in _parts(outcome.hits):
            for hit in part:
                hit.run = run
            RuleHit.objects.bulk_create(part)
        audit.services.record(
            kind=AssuranceEvent.RULES_RUN,
            actor=ACTOR,
            subject=subject_of(run),
            now=now,
            outcome={
                "status": str(state),
                "scope": scope_of(run).parameters,
                "population": outcome.count,
                "hits": {code: count for code, count in outcome.struck.items() if count},
            },
        )
        return run


def _parts(hits: list[RuleHit]) -> Iterable[list[RuleHit]]:
    return (hits[start : start + HITS_TOGETHER] for start in range(0, len(hits), HITS_TOGETHER))


def _without_numbers(why: str) -> str:
    """Return the reason so that those that differ only in a count are one."""
    return " ".join("so many" if part.isdecimal() else part for part in why.split())
