"""Holding the drafts of one transaction against the rules, and storing what they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from approvals.flags.models import Flag
from approvals.flags.observing import MISSING, ORIGINAL_ON, USAGE
from approvals.flags.queries import AskedPast, AskedThresholds, InForce, past_of, thresholds_in_force
from approvals.flags.reading import entry_of
from approvals.models import Policy
from approvals.rules import RULES, Case, Entry, Evaluation, Past, People, Reversal, Thresholds, Usage, evaluate
from kernel.ids import Prefix, encode
from kernel.rows import insert_rows
from kernel.together import Together
from proposals.gate import Draft
from proposals.models import Proposal
from proposals.queries import COUNTED

GATE_RULES = tuple(rule for rule in RULES if rule.at_gate)
SAME_BATCH = "another one of the same batch"
TEXT_MAX = 500


@dataclass(frozen=True, slots=True)
class Flagged:
    """What the rules said about one draft, and by which version of the thresholds."""

    evaluation: Evaluation
    thresholds_version: int

    @property
    def codes(self) -> frozenset[str]:
        """Return the codes of the rules that struck."""
        return self.evaluation.codes

    def gate_facts(self) -> dict[str, object]:
        """Return what the event of the route says of it: codes and versions only, nothing of the write."""
        return {
            "thresholds": self.thresholds_version,
            "struck": [f"{hit.rule}/{hit.version}" for hit in self.evaluation.hits],
            "tested": list(self.evaluation.tested),
            "not_tested": sorted(self.evaluation.not_tested),
        }


class Flagger:
    """The rules over the drafts of one agent, in their order: a draft that was planned counts as past for the next."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        """Begin with nothing looked up."""
        self._drafts = drafts
        self._in_force: Mapping[str, InForce] | None = None
        self._past: Past | None = None
        self._reversals: dict[tuple[str, str], tuple[str, ...]] | None = None
        self._asked_thresholds: AskedThresholds | None = None
        self._asked_past: AskedPast | None = None

    def ask(self, together: Together) -> None:
        """Ask with others for the thresholds and, as far back as the last time was enough, for what was proposed before."""
        if not self._drafts:
            return
        self._asked_thresholds = AskedThresholds(together, (draft.company for draft in self._drafts))
        first = self._drafts[0]
        days, writes_up_to = _reach_of_last_time
        entries = [_entry(draft) for draft in self._drafts]
        self._asked_past = AskedPast(together, entries, agent_id=first.agent.pk, now=first.now, days=days, writes_up_to=writes_up_to)

    def of(self, draft: Draft, policy: Policy) -> Flagged:
        """Return what the rules say about the draft; the limits of the policy's rows are those one can stay just below."""
        in_force = self._thresholds()[draft.company]
        entry = _entry(draft)
        usage = draft.observed.get(USAGE)
        missing = str(draft.observed.get(MISSING, ""))
        case = Case(
            entry=entry,
            history=self._history().history(entry, in_force.thresholds, limits=limits_of(policy, draft)),
            usage=usage if isinstance(usage, Usage) else None,
            people=people_around(draft),
            reversal=self._reversal(draft, entry),
            missing={"usage": missing, "reversal": missing} if missing else {},
        )
        return Flagged(evaluate(case, in_force.thresholds, GATE_RULES), in_force.version)

    def count(self, draft: Draft) -> None:
        """The draft is going to be a proposal: the next one of the batch sees it."""
        entry = _entry(draft)
        self._history().add(entry, key=SAME_BATCH)
        if entry.reverses:
            others = self._others()
            others[draft.company, entry.reverses] = (*others.get((draft.company, entry.reverses), ()), SAME_BATCH)

    def _thresholds(self) -> Mapping[str, InForce]:
        if self._in_force is None:
            asked = self._asked_thresholds
            self._in_force = asked.found() if asked else thresholds_in_force(draft.company for draft in self._drafts)
        return self._in_force

    def _history(self) -> Past:
        if self._past is None:
            first = self._drafts[0]
            reach = _reach([item.thresholds for item in self._thresholds().values()])
            if self._asked_past is not None and (self._asked_past.days, self._asked_past.writes_up_to) == reach:
                self._past = self._asked_past.found(agent=first.agent.public_id)
            else:
                self._past = past_of(
                    [_entry(draft) for draft in self._drafts],
                    agent_id=first.agent.pk,
                    agent=first.agent.public_id,
                    now=first.now,
                    days=reach[0],
                    writes_up_to=reach[1],
                )
                _remember_reach(reach)
        return self._past

    def _reversal(self, draft: Draft, entry: Entry) -> Reversal | None:
        if not entry.reverses or ORIGINAL_ON not in draft.observed:
            return None
        original = draft.observed[ORIGINAL_ON]
        return Reversal(
            document=entry.reverses,
            original_on=original if isinstance(original, date) else None,
            others=self._others().get((draft.company, entry.reverses), ()),
        )

    def _others(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return which proposals already want to reverse what some of the drafts reverse."""
        if self._reversals is None:
            wanted = {(draft.company, document) for draft in self._drafts if (document := str(draft.params.get("reverses") or ""))}
            self._reversals = {}
            documents = [document for _, document in wanted]
            rows = Proposal.objects.filter(reference__in=documents, state__in=COUNTED, payload__has_key="reverses").order_by("pk")
            for key, company, document in rows.values_list("pk", "company", "reference") if wanted else ():
                found = self._reversals.get((company, document), ())
                self._reversals[company, document] = (*found, encode(Prefix.PROPOSAL, key))
        return self._reversals


# How far back the rules looked the last time, in days and in writes: a guess of what to ask for before the thresholds are known. It is
# held against the thresholds of the submission itself, and asked again when they are others.
_reach_of_last_time: tuple[int, int] = (Thresholds().usage_days, Thresholds().first_use_after + 1)


def _reach(found: Sequence[Thresholds]) -> tuple[int, int]:
    return max(item.usage_days for item in found), max(item.first_use_after for item in found) + 1


def _remember_reach(reach: tuple[int, int]) -> None:
    global _reach_of_last_time  # noqa: PLW0603  one guess for the process
    _reach_of_last_time = reach


def _entry(draft: Draft) -> Entry:
    return entry_of(
        tool=draft.tool.name,
        company=draft.company,
        agent=draft.agent.public_id,
        params=draft.params,
        amount=draft.effect.amount,
        counterparty=draft.effect.counterparty,
        effective_on=draft.effect.effective_on,
        entered_at=draft.now,
        is_asked_again=draft.is_asked_again,
    )


def limits_of(policy: Policy, draft: Draft) -> list[int]:
    """Return the upper ends of the rows that could cover the draft, in minor units of its currency."""
    return sorted(
        {
            row.up_to_minor
            for row in policy.rows.all()
            if row.up_to_minor
            and row.tool == draft.tool.name
            and row.company in {"", draft.company}
            and row.currency == draft.effect.amount.currency
        }
    )


def people_around(draft: Draft) -> People:
    """Return who asked for the draft, and what the people around its agent do for it."""
    agent, grant = draft.agent, draft.grant
    involved: dict[str, tuple[str, ...]] = {}
    for user_id, role in (
        (agent.owner_id, "owner"),
        (agent.sponsor_id, "sponsor"),
        (agent.last_edited_by_id, "last_editor"),
        (grant.issued_by_id, "issued_grant"),
        (grant.activated_by_id, "issued_grant"),
    ):
        if user_id is not None:
            involved[str(user_id)] = tuple(dict.fromkeys((*involved.get(str(user_id), ()), role)))
    return People(asked="" if draft.on_behalf_of is None else str(draft.on_behalf_of), involved=involved)


def store_flags(found: Sequence[tuple[Proposal, Flagged]], now: datetime) -> None:
    """Insert a row for each rule that struck, in one statement."""
    insert_rows(
        [
            Flag(
                proposal=proposal,
                rule=hit.rule,
                rule_version=hit.version,
                thresholds_version=flagged.thresholds_version,
                text=hit.text[:TEXT_MAX],
                inputs=dict(hit.inputs),
                threshold=dict(hit.threshold),
                observed=dict(hit.observed),
                created_at=now,
            )
            for proposal, flagged in found
            for hit in flagged.evaluation.hits
        ]
    )
