"""The tables of a bundle hold every row they should, tie out to the log, and say what they add up to."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from audit.verifier.countersign_verify import Bundle, Findings, Members
from reconciliation.assurance.models import RuleRun
from reconciliation.evidence.pages import default_period
from reconciliation.evidence.report import counts
from reconciliation.evidence.report.parts import FigureBook, Section
from tests.evidence.conftest import Evidence, members_of, verified

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


def rows(members: dict[str, bytes], path: str) -> list[dict[str, str]]:
    """Return the rows of a table by column."""
    return list(csv.DictReader(io.StringIO(members[path].decode("utf-8"), newline="")))


def test_both_bundles_verify(evidence: Evidence) -> None:
    for path in (evidence.proposal, evidence.period):
        findings, _ = verified(path)
        assert findings.problems == []


def test_every_proposal_of_the_period_has_its_row(evidence: Evidence) -> None:
    found = {row["proposal"]: row for row in rows(members_of(evidence.period), "proposals.csv")}
    assert {key: row["stands"] for key, row in found.items()} == {
        evidence.small.public_id: "committed",
        evidence.large.public_id: "committed",
        evidence.waiting.public_id: "pending",
    }
    assert found[evidence.large.public_id]["amount"] == "2500.00"


def test_the_decision_names_person_page_and_policy(evidence: Evidence) -> None:
    (row,) = rows(members_of(evidence.proposal), "approvals.csv")
    decision = evidence.large.decisions.get()
    assert (row["person"], row["decision"]) == (str(decision.user_id), "approve")
    assert row["payload_digest"] == evidence.large.payload_digest
    assert row["presentation_digest"] == decision.presentation.digest
    assert row["policy_digest"].startswith("sha256:")


def test_the_journal_stands_under_the_standards_names_and_balances(evidence: Evidence) -> None:
    members = members_of(evidence.period)
    detail = rows(members, "ledgers/ads_gl_detail.csv")
    assert {row["Segment02"] for row in detail} >= {evidence.small.public_id, evidence.large.public_id}
    stated = {item["path"]: item for item in json.loads(members["tables.json"])["tables"]}["ledgers/ads_gl_detail.csv"]
    (totals,) = stated["totals"]
    assert totals["sums"]["C"] == totals["sums"]["D"]
    approved = {row["Segment02"]: row["Approved_By"] for row in detail}
    assert approved[evidence.large.public_id] == str(evidence.large.decisions.get().user_id)
    for row in rows(members, "ledgers/ads_trial_balance.csv"):
        assert row["Amount_Beginning"] == "0.00"


def test_the_report_adds_up_journal_lines_of_one_currency_only(evidence: Evidence) -> None:
    content = "Amount,Amount_Credit_Debit_Indicator,Amount_Currency,Segment02,Business_Unit_Code,Journal_ID\r\n" + "".join(
        f"{amount},{side},{currency},,DE01,JE-1\r\n"
        for amount, currency in (("1.50", "EUR"), ("2.00", "USD"), ("1.00", "EUR"))
        for side in "DC"
    )
    members = {**members_of(evidence.period), "ledgers/ads_gl_detail.csv": content.encode()}
    section = Section(4, "Population and completeness")
    counts.population(section, Bundle(Members.of(members), (), Findings()), FigureBook())
    sums = {name: cell.text for name, cell in section.figures if name.startswith("Journal lines")}
    assert sums == {
        "Journal lines, debit, EUR": "2.50", "Journal lines, debit, USD": "2.00",
        "Journal lines, credit, EUR": "2.50", "Journal lines, credit, USD": "2.00",
    }  # fmt: skip


def test_a_run_of_the_rules_is_called_after_its_last_day() -> None:
    run = RuleRun(since=datetime(2026, 10, 26, tzinfo=UTC), until=datetime(2026, 11, 25, tzinfo=UTC))
    assert str(run) == "2026-10-26 to 2026-11-24"


def test_the_period_offered_is_the_month_before_unless_the_log_is_younger() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert default_period(now, datetime(2026, 10, 31, 23, tzinfo=UTC)) == ("2026-10-01", "2026-10-31")
    assert default_period(now, datetime(2026, 11, 1, tzinfo=UTC)) == ("2026-11-01", "2026-11-24")
    assert default_period(now, None) == ("2026-11-01", "2026-11-24")


def test_the_bundle_of_a_proposal_holds_its_own_rows_only(evidence: Evidence) -> None:
    members = members_of(evidence.proposal)
    for path in ("proposals.csv", "erp/commits.csv", "erp/attempts.csv", "data_used.csv", "sod.csv"):
        assert {row["proposal"] for row in rows(members, path)} <= {evidence.large.public_id}
    rests_on = {evidence.gate.cast.agent.public_id, evidence.gate.cast.policy.public_id}
    assert rests_on <= {row["subject"] for row in rows(members, "changes.csv")}
    assert {"policy:created", "policy:submitted", "policy:activated"} <= {row["kind"] for row in rows(members, "changes.csv")}
    (commit,) = rows(members, "erp/commits.csv")
    assert commit["document"] == evidence.large.commit.receipt.document
    assert {item["reason"] for item in json.loads(members["sod.json"])["excluded"]} == {row["reason"] for row in rows(members, "sod.csv")}
    assert b"### erp/commits.csv" in members["data_dictionary.md"]
