"""How each control is tested: one function each over the whole population of the scope, never over a sample; mostly one statement each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection

import audit.queries
from audit.queries import EventFilter
from identity.models import Agent, Role, RoleAssignment
from identity.queries import companies_by_person, missing_accountability
from identity.states import AgentState
from kernel.display import counted, span
from kernel.ids import Prefix, encode
from reconciliation.assurance.access import access_rows, auditors_without_end, duty_rows, own_rights
from reconciliation.assurance.scope import Scope
from reconciliation.assurance.tie_out import TieOut, tie_out

LISTED_MAX = 100
HEARTBEATS_MISSED = 3

SENT = """
FROM commits_commit AS opened JOIN proposals_proposal AS proposal ON proposal.id = opened.proposal_id
JOIN commits_receipt AS receipt ON receipt.commit_id = opened.id
WHERE opened.company = ANY(%(companies)s) AND receipt.recorded_at >= %(since)s AND receipt.recorded_at < %(until)s
    AND (%(proposal)s::uuid IS NULL OR proposal.id = %(proposal)s)
"""
COUNT_SENT = "SELECT count(*) " + SENT
# An approval late, missing, or with too few different people: each makes an exception.
NOT_APPROVED = """
AND (proposal.decided_at IS NULL OR opened.first_sent_at < proposal.decided_at
    OR NOT EXISTS (SELECT FROM approvals_route AS route WHERE route.proposal_id = proposal.id)
    OR EXISTS (
        SELECT FROM approvals_routestep AS step WHERE step.route_id = proposal.id AND (step.state <> 'satisfied' OR (
            SELECT count(DISTINCT coalesce(decision.acting_for_id, decision.user_id)) FROM approvals_decision AS decision
            WHERE decision.step_id = step.id AND decision.kind = 'approve') < step.min_approvals)))
ORDER BY proposal.id
"""
UNAPPROVED = "SELECT proposal.id " + SENT + NOT_APPROVED
NOT_AS_APPROVED = """
AND (opened.request_bytes IS DISTINCT FROM proposal.action_bytes
    OR proposal.payload_digest <> 'sha256:' || encode(
        sha256(convert_to('countersign.action/1', 'UTF8') || decode('00', 'hex') || proposal.action_bytes), 'hex'))
ORDER BY proposal.id
"""
OTHERWISE_SENT = "SELECT proposal.id " + SENT + NOT_AS_APPROVED
SHARED = """
AND EXISTS (SELECT FROM commits_receipt AS other JOIN commits_commit AS others ON others.id = other.commit_id
    WHERE others.company = opened.company AND other.document = receipt.document AND other.commit_id <> receipt.commit_id)
"""
SHARED_DOCUMENT = "SELECT proposal.id " + SENT + SHARED
LANDED_TWICE = "SELECT min(proposal.id::text)::uuid " + SENT + " GROUP BY opened.company, receipt.document HAVING count(*) > 1"
DIFFERING = "SELECT proposal.id " + SENT + " AND receipt.differences <> '[]'::jsonb ORDER BY proposal.id"
REFUSALS = """
FROM approvals_decision AS decision JOIN proposals_proposal AS proposal ON proposal.id = decision.proposal_id
WHERE proposal.company = ANY(%(companies)s) AND decision.decided_at >= %(since)s AND decision.decided_at < %(until)s
    AND decision.kind <> 'approve' AND (%(proposal)s::uuid IS NULL OR proposal.id = %(proposal)s)
"""
WITHOUT_REASON = "SELECT proposal.id " + REFUSALS + " AND (decision.reason_code = '' OR decision.comment = '') ORDER BY proposal.id"
NIGHTS = """
SELECT wanted.company, day::date::text, EXISTS (
    SELECT FROM reconciliation_run AS run WHERE run.company = wanted.company AND run.business_date = day::date
        AND run.kind = 'nightly' AND run.state = 'completed')
FROM unnest(%(companies)s::text[]) AS wanted (company)
CROSS JOIN LATERAL (
    SELECT min(business_date) AS first_on FROM reconciliation_run WHERE company = wanted.company AND kind = 'nightly'
) AS nightly
CROSS JOIN LATERAL generate_series(
    greatest(%(first)s::date, nightly.first_on), least(%(last)s::date, current_date - 1), interval '1 day') AS day
WHERE nightly.first_on IS NOT NULL
ORDER BY 1, 2
"""
BREAKS = """
FROM reconciliation_break WHERE company = ANY(%(companies)s) AND opened_at >= %(since)s AND opened_at < %(until)s
    AND (%(proposal)s::uuid IS NULL OR proposal_id = %(proposal)s)
"""
UNCLEARED = "SELECT id " + BREAKS + " AND closed_at IS NULL AND owner_id IS NULL AND state = 'open' ORDER BY id"
POLICIES = "FROM approvals_policy WHERE activated_at >= %(since)s AND activated_at < %(until)s"
BY_A_WRITER = """
AND (activated_by_id = author_id OR EXISTS (
    SELECT FROM approvals_policyeditor AS editor WHERE editor.policy_id = approvals_policy.id AND editor.user_id = activated_by_id))
"""
BY_AUTHOR = "SELECT version::text " + POLICIES + BY_A_WRITER
THRESHOLDS = """
FROM approvals_thresholdset WHERE activated_at >= %(since)s AND activated_at < %(until)s AND company = ANY(%(companies)s || ARRAY[''])
"""
BEATS = """
SELECT count(*), max(recorded_at - before), min(recorded_at), max(recorded_at) FROM (
    SELECT recorded_at, lag(recorded_at) OVER (ORDER BY recorded_at) AS before FROM audit_event
    WHERE kind = 'log:heartbeat' AND recorded_at >= %(since)s AND recorded_at < %(until)s
) AS beats
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What testing came to: how many were tested, which were not in order; `why_not` says why nothing could be tested."""

    tested: int
    sentence: str = ""
    exceptions: tuple[str, ...] = ()
    exception_count: int = 0
    why_not: str = ""


class Context:
    """One scope; what several controls need is looked up once."""

    def __init__(self, scope: Scope) -> None:
        """Begin with nothing looked up."""
        self.scope = scope
        self.values: dict[str, Any] = {
            "companies": list(scope.companies),
            "since": scope.since,
            "until": scope.until,
            "first": scope.first_day,
            "last": scope.last_day,
            "proposal": scope.proposal,
        }

    @property
    def where(self) -> str:
        """Return what is tested, as a sentence ends with it."""
        return "of this proposal" if self.scope.proposal else "in this period"

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of one statement over the scope."""
        with connection.cursor() as cursor:
            cursor.execute(statement, self.values)
            return list(cursor.fetchall())

    @cached_property
    def sent(self) -> int:
        """Return how many writes landed in the scope."""
        return int(self.rows(COUNT_SENT)[0][0])

    @cached_property
    def tied(self) -> list[TieOut]:
        """Return the comparison of gate and ERP."""
        return tie_out(self.scope)

    @cached_property
    def population(self) -> audit.queries.Population:
        """Return the log's range over the scope."""
        return audit.queries.population(since=self.scope.since, until=self.scope.until)


def approved_before_sent(context: Context) -> Outcome:
    """Test that each write that landed had its route satisfied by different people before it was first sent."""
    return _over_sent(context, UNAPPROVED, "write that landed", "writes that landed", "each approved before it was sent")


def duties_kept_apart(context: Context) -> Outcome:
    """Test every decision against who was excluded, who had asked, and who had decided already."""
    rows = duty_rows(context.scope)
    wrong = _people([row.user_id for row in rows if row.excluded or row.asked or row.twice])
    count = sum(row.excluded + row.asked + row.twice for row in rows)
    tested = sum(row.decisions for row in rows)
    if not tested:
        return Outcome(0, why_not="Nobody decided." if context.scope.proposal else "Nobody decided in this period.")
    whose = f"{counted(tested, 'decision', 'decisions')} of {counted(len(rows), 'person', 'people')}"
    return Outcome(tested, f"{whose}, none by somebody excluded.", wrong, count)


def sent_as_approved(context: Context) -> Outcome:
    """Test that the approved action's bytes stand in the stored request, and that their digest is the approved one."""
    return _over_sent(context, OTHERWISE_SENT, "request", "requests", "each byte by byte what was approved")


def landed_once(context: Context) -> Outcome:
    """Test that no document of the ERP answers two commits, and that the ERP has none twice under one proposal."""
    if context.scope.proposal:
        return _over_sent(context, SHARED_DOCUMENT, "document", "documents", "each of one commit")
    outcome = _over_sent(context, LANDED_TWICE, "document", "documents", "each of one commit")
    twice = [side.reference for found in context.tied for side in found.only_erp if side.reference.startswith("prop_")]
    if not twice or outcome.why_not:
        return outcome
    listed = tuple(dict.fromkeys([*outcome.exceptions, *twice]))
    return Outcome(outcome.tested, outcome.sentence, listed[:LISTED_MAX], outcome.exception_count + len(twice))


def landed_as_approved(context: Context) -> Outcome:
    """Test that no read-back differs from what was approved."""
    return _over_sent(context, DIFFERING, "document", "documents", "each read back as approved")


def tied_out(context: Context) -> Outcome:
    """Test that gate and ERP have the same documents with the same amounts."""
    silent = [f"{found.company}: {found.why}" for found in context.tied if found.why]
    if silent:
        return Outcome(0, why_not=" ".join(silent))
    tested = sum(found.gate_count + found.only_erp_count for found in context.tied)
    if not tested:
        return Outcome(0, why_not="Nothing landed in this period.")
    wrong = [side.reference or side.document for found in context.tied for side in (*found.only_gate, *found.only_erp)]
    wrong += [gate.reference for found in context.tied for gate, _ in found.differing]
    count = sum(found.only_gate_count + found.only_erp_count + found.differing_count for found in context.tied)
    return Outcome(tested, f"{counted(tested, 'document', 'documents')} on both sides, all matched.", tuple(wrong[:LISTED_MAX]), count)


def refusals_have_reasons(context: Context) -> Outcome:
    """Test that each rejection and each request for changes carries a reason code and a sentence."""
    tested = int(context.rows("SELECT count(*) " + REFUSALS)[0][0])
    if not tested:
        return Outcome(0, why_not=f"No rejection and no request for changes {context.where}.")
    return _with_exceptions(
        tested, context.rows(WITHOUT_REASON), f"{counted(tested, 'refusal', 'refusals')}, each with a reason and a sentence."
    )


def reconciled_nightly(context: Context) -> Outcome:
    """Test that each company has a completed nightly run for each day since its first one."""
    rows = context.rows(NIGHTS)
    if not rows:
        return Outcome(0, why_not="No nightly run has been made yet.")
    missed = tuple(f"{company} {day}" for company, day, is_done in rows if not is_done)
    return Outcome(len(rows), f"{counted(len(rows), 'night', 'nights')}, each compared.", missed[:LISTED_MAX], len(missed))


def breaks_cleared(context: Context) -> Outcome:
    """Test that each break found in the period is closed or has somebody who works on it."""
    tested = int(context.rows("SELECT count(*) " + BREAKS)[0][0])
    if not tested:
        return Outcome(0, why_not=f"Reconciliation opened no break {context.where}.")
    rows = context.rows(UNCLEARED)
    return Outcome(tested, f"{counted(tested, 'break', 'breaks')}, each closed or owned.", _ids(rows, Prefix.BREAK), len(rows))


def rights_given_by_another(context: Context) -> Outcome:
    """Test every change of a role for being made by the person it favours."""
    changes = [row for row in access_rows(context.scope) if row.changed_at >= context.scope.since]
    if not changes:
        return Outcome(0, why_not="No role was changed in this period.")
    wrong = own_rights(context.scope)
    sentence = f"{counted(len(changes), 'change', 'changes')} of roles, none by the person concerned."
    return Outcome(len(changes), sentence, _people([row.user_id for row in wrong]), len(wrong))


def auditors_end(context: Context) -> Outcome:
    """Test that each auditor's role has a last day."""
    held = RoleAssignment.objects.filter(role=Role.AUDITOR, companies__overlap=list(context.scope.companies)).count()
    if not held:
        return Outcome(0, why_not="There is no auditor in these companies.")
    endless = auditors_without_end(context.scope)
    return Outcome(held, f"{counted(held, 'auditor', 'auditors')}, each with a last day.", _people(endless), len(endless))


def agents_accounted_for(context: Context) -> Outcome:
    """Test that each active agent of the companies has an owner and a sponsor with the roles it takes."""
    agents = list(Agent.objects.filter(state=AgentState.ACTIVE, companies__overlap=list(context.scope.companies)).order_by("name"))
    if not agents:
        return Outcome(0, why_not="No agent is active in these companies.")
    people = companies_by_person(person for agent in agents for person in (agent.owner_id, agent.sponsor_id))
    wrong = [agent.public_id for agent in agents if missing_accountability(agent, people)]
    sentence = f"{counted(len(agents), 'active agent', 'active agents')}, each with an owner and a sponsor; as it stands now."
    return Outcome(len(agents), sentence, tuple(wrong[:LISTED_MAX]), len(wrong))


def policies_by_two(context: Context) -> Outcome:
    """Test that no version of the matrix was activated by somebody who wrote on it."""
    return _changes(context, POLICIES, BY_AUTHOR, "matrix", "No version of the matrix became active in this period.")


def thresholds_by_two(context: Context) -> Outcome:
    """Test that no version of thresholds was activated by its author."""
    by_author = "SELECT company || ' v' || version " + THRESHOLDS + " AND activated_by_id = author_id"
    return _changes(context, THRESHOLDS, by_author, "thresholds", "No thresholds became active in this period.")


def log_without_gaps(context: Context) -> Outcome:
    """Test that the log's sequence over the period has no gap."""
    found = context.population
    if not found.count:
        return Outcome(0, why_not="The log has no event of this period.")
    wrong = [text for text, count in ((f"{found.gaps} missing", found.gaps), (f"{found.unsealed} not sealed yet", found.unsealed)) if count]
    sentence = f"{counted(found.count, 'event', 'events')}, #{found.first_sequence or 0:,} to #{found.last_sequence or 0:,}, none missing."
    return Outcome(found.count, sentence, tuple(wrong), found.gaps + found.unsealed)


def log_verified(context: Context) -> Outcome:
    """Test that the newest verification of the chain reaches this period and found that it holds."""
    newest = audit.queries.events(EventFilter(kind="log:verified"), limit=1).rows
    last = context.population.last_sequence or 0
    size = int(newest[0].outcome.get("size", 0)) if newest else 0
    if not newest or size < last:
        return Outcome(0, why_not=f"No verification reaches #{last:,} yet; run manage.py audit_verify.")
    holds = newest[0].outcome.get("status") == "holds"
    wrong = () if holds else (newest[0].event_id,)
    return Outcome(size, f"Verified to #{size:,} on {newest[0].occurred_at:%Y-%m-%d}: the chain holds.", wrong, len(wrong))


def log_beats(context: Context) -> Outcome:
    """Test that no two heartbeats of the period lie further apart than three of their intervals."""
    count, widest, _, _ = context.rows(BEATS)[0]
    if not count or widest is None:
        return Outcome(int(count), why_not="Fewer than two heartbeats lie in this period.")
    allowed = timedelta(seconds=HEARTBEATS_MISSED * float(settings.AUDIT_HEARTBEAT_SECONDS))
    wrong = (f"{span(widest)} without a heartbeat",) if widest > allowed else ()
    return Outcome(int(count), f"{counted(int(count), 'heartbeat', 'heartbeats')}, at most {span(widest)} apart.", wrong, len(wrong))


def _over_sent(context: Context, statement: str, one: str, many: str, kept: str) -> Outcome:
    if not context.sent:
        return Outcome(0, why_not=f"Nothing landed {context.where}.")
    return _with_exceptions(context.sent, context.rows(statement), f"{counted(context.sent, one, many)}, {kept}.")


def _with_exceptions(tested: int, rows: Sequence[tuple[Any, ...]], sentence: str) -> Outcome:
    return Outcome(tested, sentence, _ids(rows, Prefix.PROPOSAL), len(rows))


def _changes(context: Context, population: str, wrong: str, what: str, none: str) -> Outcome:
    tested = int(context.rows("SELECT count(*) " + population)[0][0])
    if not tested:
        return Outcome(0, why_not=none)
    rows = context.rows(wrong)
    return Outcome(
        tested,
        f"{counted(tested, 'version', 'versions')} of the {what}, each activated by a second person.",
        tuple(str(row[0]) for row in rows),
        len(rows),
    )


def _ids(rows: Sequence[tuple[Any, ...]], prefix: Prefix) -> tuple[str, ...]:
    return tuple(encode(prefix, row[0]) for row in rows[:LISTED_MAX])


def _people(keys: Sequence[int]) -> tuple[str, ...]:
    """Return people with their names and their keys, cut off; one query, none when there are none."""
    found = User.objects.in_bulk(keys[:LISTED_MAX]) if keys else {}
    return tuple(
        f"{(found[key].get_full_name() or found[key].get_username()) if key in found else 'Person'} ({key})" for key in keys[:LISTED_MAX]
    )
