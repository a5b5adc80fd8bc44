"""The seventeen rules: code, words, version, and what each looks at. A rule that changes its meaning gets the next version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from approvals.rules import entry_rules, history_rules, oversight_rules
from approvals.rules.facts import Case
from approvals.rules.results import Result
from approvals.rules.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `at_gate` tells whether a proposal can be held against it before anybody has decided."""

    code: str
    title: str
    text: str
    version: int
    inputs: tuple[str, ...]
    thresholds: tuple[str, ...]
    at_gate: bool
    check: Callable[[Case, Thresholds], Result]


RULES = (
    Rule("J1", "Round amount", "The amount is a large whole multiple of a round unit.", 1,
         ("amount",), ("round_unit", "round_from"), True, entry_rules.round_amount),
    Rule("J2", "Weekend or holiday", "The accounting date is no working day of the company.", 1,
         ("effective date",), ("working_days", "holidays"), True, entry_rules.weekend),
    Rule("J3", "Out of hours", "It was entered outside the company's business hours.", 1,
         ("instant of submission",), ("opens_at", "closes_at", "time_zone"), True, entry_rules.out_of_hours),
    Rule("J4", "Period end", "The accounting date lies in the last days of its month.", 1,
         ("effective date", "amount"), ("period_end_days", "period_end_from"), True, entry_rules.period_end),
    Rule("J5", "Post-close, back-dated or future-dated", "It is dated into a month that is over, far back, or far ahead.", 1,
         ("effective date", "instant of submission"), ("close_grace_days", "back_days", "future_days", "time_zone"), True,
         entry_rules.unusual_date),
    Rule("J6", "Seldom-used account", "It posts to an account that the ERP hardly uses.", 1,
         ("accounts", "postings per account in the ERP"), ("seldom_uses", "usage_days", "usage_postings_from"), True,
         history_rules.seldom_account),
    Rule("J7", "Unusual account pair", "It debits and credits accounts that hardly ever meet in the ERP.", 1,
         ("account pairs", "entries per pair in the ERP"), ("pair_uses", "usage_days", "usage_postings_from"), True,
         history_rules.unusual_pair),
    Rule("J8", "First use by this agent", "An agent with a record writes for this counterparty or account for the first time.", 1,
         ("agent", "tool", "counterparty"), ("first_use_after",), True, history_rules.first_use),
    Rule("J9", "Blank or boilerplate description", "The description says nothing, little, or a phrase that fits everything.", 1,
         ("description",), ("description_length", "boilerplate"), True, entry_rules.empty_words),
    Rule("J10", "Below-threshold cluster", "Several writes for one counterparty stay just below the same limit of the matrix.", 1,
         ("amount", "agent", "counterparty", "limits of the policy"), ("cluster_count", "cluster_days", "cluster_percent"), True,
         history_rules.below_limit_cluster),
    Rule("J11", "Duplicate", "The same amount was proposed for the same counterparty before.", 1,
         ("tool", "counterparty", "amount"), ("duplicate_days",), True, history_rules.duplicate),
    Rule("J12", "Manual entry to a sensitive account", "A manual entry touches revenue, cash, intercompany or suspense.", 1,
         ("accounts", "kind and role of each in the ERP"),
         ("sensitive_kinds", "sensitive_roles", "cash_accounts", "revenue_accounts", "intercompany_accounts", "suspense_accounts"), True,
         entry_rules.sensitive_account),
    Rule("J13", "Outlier", "The amount lies far from the usual one of its counterparty, by the robust z-score.", 1,
         ("amount", "earlier amounts of the counterparty"), ("outlier_z", "outlier_from", "usage_days"), True, history_rules.outlier),
    Rule("J14", "Fast or bulk approval", "Somebody approved within seconds of being shown the page, or many within a minute.", 1,
         ("decisions",), ("fast_seconds", "bulk_count", "bulk_seconds"), False, oversight_rules.fast_approval),
    Rule("J15", "Self-dealing", "One person stands on two sides: asked for it and controls the agent, or decided on their own.", 1,
         ("who asked", "who controls the agent", "decisions"), (), True, oversight_rules.self_dealing),
    Rule("J16", "Reversal in the next period, or twice", "It undoes an entry of the period before, or one that is undone already.", 1,
         ("what it reverses", "effective dates", "other reversals"), ("reversal_days",), True, oversight_rules.odd_reversal),
    Rule("J17", "The ERP normalised what was approved", "What landed in the ERP differs from what was approved.", 1,
         ("differences of the read-back",), (), False, oversight_rules.normalised),
)  # fmt: skip
BY_CODE = {rule.code: rule for rule in RULES}
CODES = tuple(BY_CODE)
GATE_CODES = tuple(rule.code for rule in RULES if rule.at_gate)
