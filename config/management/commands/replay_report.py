"""`manage.py replay_report`: what a replay really came to, read from the ledger, the reconciliation run and the verifier."""

from __future__ import annotations

from typing import Any

from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand, CommandParser

from approvals.models import Decision
from commits.models import Commit
from commits.states import CommitState
from gateway.connections import connector_for
from kernel.canonical import canonical_bytes
from kernel.clock import now
from kernel.money import Money
from proposals.models import Proposal
from proposals.states import ProposalState
from reconciliation.models import Run
from reconciliation.states import RunState

UNSETTLED = (CommitState.QUEUED, CommitState.IN_FLIGHT, CommitState.UNKNOWN)


class Command(BaseCommand):
    """Print one JSON object as the last line."""

    help = "Print how far a replay is, or with --verify what it came to, as one JSON object."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--company", default="US01")
        parser.add_argument("--verify", action="store_true", help="read the ledger, the last run and the chain")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the object."""
        company = options["company"]
        report = self._result(company) if options["verify"] else self._progress(company)
        self.stdout.write(canonical_bytes(report).decode())

    @staticmethod
    def _progress(company: str) -> dict[str, object]:
        proposals = Proposal.objects.filter(company=company)
        approved_without_commit = proposals.filter(state=ProposalState.APPROVED, commit__isnull=True, is_log_only=False)
        unsettled = Commit.objects.filter(company=company, state__in=UNSETTLED).count()
        return {
            "pending": proposals.filter(state=ProposalState.PENDING).count(),
            "unsettled": unsettled + approved_without_commit.count(),
        }

    def _result(self, company: str) -> dict[str, object]:
        connector = connector_for(company)
        landed = list(connector.extract(company, None, now()))
        currency = landed[0].currency if landed else "USD"
        rejected = Decision.objects.filter(proposal__company=company, proposal__state=ProposalState.REJECTED, kind="reject").values_list(
            "proposal__amount_minor", flat=True
        )
        run = Run.objects.filter(company=company, state=RunState.COMPLETED).order_by("-started_at").first()
        return {
            "committed": len(landed),
            "committed_total": Money(sum(item.total_minor for item in landed), currency).decimal_text(),
            "rejected": len(rejected),
            "rejected_total": Money(sum(rejected), currency).decimal_text(),
            "reconciled": run.matched_count if run else 0,
            "breaks": run.break_count if run else -1,
            "trial_balance": "balanced" if connector.trial_balance(company)["is_balanced"] else "not balanced",
            "chain": self._chain(),
        }

    def _chain(self) -> str:
        try:
            call_command("audit_verify", stdout=self.stderr)
        except (CommandError, SystemExit) as failure:
            is_clean = isinstance(failure, SystemExit) and failure.code in {0, None}
            return "verified" if is_clean else f"not verified: {failure}"
        return "verified"
