"""The control matrix: each control with what it is for, the COSO principle and the area of IT general controls, and a computed result.

A result is computed or it is "not tested"; what the product can't see (backups, the network, the people's own machines) says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kernel.display import counted
from reconciliation.assurance import control_tests as tests
from reconciliation.assurance.control_tests import Context, Outcome
from reconciliation.assurance.scope import Scope
from reconciliation.assurance.states import ControlResult


@dataclass(frozen=True, slots=True)
class Control:
    """One control. `coso` names principles of COSO's Internal Control framework (2013), `itgc` the area of IT general controls."""

    code: str
    title: str
    objective: str
    coso: str
    itgc: str
    test: Callable[[Context], Outcome] | None
    untested: str = ""


@dataclass(frozen=True, slots=True)
class ControlRow:
    """One control with its result over the scope; `exceptions` lists some, `exception_count` counts all, `sentence` names the first."""

    control: Control
    result: ControlResult
    tested: int
    exception_count: int
    exceptions: tuple[str, ...]
    sentence: str


APPLICATION, ACCESS, CHANGE, OPERATIONS = "Application control", "Access", "Change management", "Operations"

CONTROLS = (
    Control("AC-1", "Every write was approved before it was sent", "No write reaches the ERP without the approvals its route asks for.",
            "10 Control activities", APPLICATION, tests.approved_before_sent),
    Control("AC-2", "Segregation of duties", "Nobody decides on what they asked for or on an agent they control; one person decides once.",
            "10 Control activities, 5 Accountability", ACCESS, tests.duties_kept_apart),
    Control("AC-3", "What was approved is what was sent", "The bytes that went to the ERP are the bytes whose digest was approved.",
            "13 Relevant information", APPLICATION, tests.sent_as_approved),
    Control("AC-4", "Exactly once", "One approved write makes one document in the ERP.",
            "10 Control activities", APPLICATION, tests.landed_once),
    Control("AC-5", "What was sent is what landed", "Each document is read back and equals what was approved.",
            "13 Relevant information", APPLICATION, tests.landed_as_approved),
    Control("AC-6", "Gate and ERP agree", "Both sides have the same documents with the same amounts; nothing was written past the gate.",
            "10 Control activities, 16 Evaluations", APPLICATION, tests.tied_out),
    Control("AC-7", "Refusals and approvals over a warning have a reason", "A decision can be followed by somebody who was not there.",
            "5 Accountability", APPLICATION, tests.refusals_have_reasons),
    Control("MO-1", "Reconciliation every night", "Each company is compared with its ERP for each day.",
            "16 Evaluations", OPERATIONS, tests.reconciled_nightly),
    Control("MO-2", "Differences are cleared", "Breaks found in the period are closed by enough people or are worked on.",
            "17 Deficiencies", OPERATIONS, tests.breaks_cleared),
    Control("IA-1", "Rights are given by somebody else", "Nobody gave a role to themselves.",
            "3 Authority, 11 Technology controls", ACCESS, tests.rights_given_by_another),
    Control("IA-2", "Auditors' access ends", "Each auditor's role ends on a day of its own.",
            "11 Technology controls", ACCESS, tests.auditors_end),
    Control("IA-3", "Agents have people who answer for them", "Each agent that may act has an owner and a sponsor with active accounts.",
            "3 Authority, 5 Accountability", ACCESS, tests.agents_accounted_for),
    Control("CM-1", "The authority matrix is changed by two people", "No version became active by its author or by somebody who edited it.",
            "12 Policies, 11 Technology controls", CHANGE, tests.policies_by_two),
    Control("CM-2", "Thresholds of the rules are changed by two people", "No version became active by its author.",
            "12 Policies, 11 Technology controls", CHANGE, tests.thresholds_by_two),
    Control("LG-1", "The log is complete", "The log's sequence over the period has no gap and nothing waits for its seal.",
            "13 Relevant information", OPERATIONS, tests.log_without_gaps),
    Control("LG-2", "The log was verified", "A verification of the whole chain that reaches this period found that it holds.",
            "16 Evaluations", OPERATIONS, tests.log_verified),
    Control("LG-3", "Logging did not stop", "Heartbeats came throughout the period.",
            "13 Relevant information", OPERATIONS, tests.log_beats),
    Control("OP-1", "Backup and restore", "What is lost can be brought back.", "11 Technology controls", OPERATIONS, None,
            "Backups are made outside the product; ask the operator for the last restore."),
    Control("CM-3", "Changes of the software", "Only tested and approved versions run.", "11 Technology controls", CHANGE, None,
            "Releases are made outside the product; ask the operator for the record of deployments."),
)  # fmt: skip


# What can be said of one write by itself; the other controls are about a period.
ABOUT_ONE_WRITE = frozenset({"AC-1", "AC-2", "AC-3", "AC-4", "AC-5", "AC-7", "MO-2"})
# How many exceptions a sentence names; `exceptions` has more of them.
NAMED_MAX = 5
ABOUT_A_PERIOD = "Tested over a period; this is about one proposal."


def control_rows(scope: Scope) -> list[ControlRow]:
    """Return each control with its result over the scope, in the order of the matrix."""
    context = Context(scope)
    return [_row(control, context) for control in CONTROLS]


def _row(control: Control, context: Context) -> ControlRow:
    if control.test is None:
        return ControlRow(control, ControlResult.NOT_TESTED, 0, 0, (), control.untested)
    if context.scope.proposal and control.code not in ABOUT_ONE_WRITE:
        return ControlRow(control, ControlResult.NOT_TESTED, 0, 0, (), ABOUT_A_PERIOD)
    outcome = control.test(context)
    if outcome.why_not:
        return ControlRow(control, ControlResult.NOT_TESTED, outcome.tested, 0, (), outcome.why_not)
    count = outcome.exception_count
    if not count:
        return ControlRow(control, ControlResult.EFFECTIVE, outcome.tested, 0, (), outcome.sentence)
    named = ", ".join(outcome.exceptions[:NAMED_MAX])
    more = f" and {count - NAMED_MAX:,} more" if count > NAMED_MAX and len(outcome.exceptions) > NAMED_MAX else ""
    sentence = f"{counted(count, 'exception', 'exceptions')}: {named}{more}."
    return ControlRow(control, ControlResult.EXCEPTIONS, outcome.tested, count, outcome.exceptions, sentence)
