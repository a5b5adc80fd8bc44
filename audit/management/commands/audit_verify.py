"""`manage.py audit_verify`: verify the whole chain, and leave with exit code 0 only if everything holds."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from audit.verification import Verification, record_verification, sealed_count, verify_chain
from audit.verifier.countersign_verify import Unusable
from kernel.canonical import to_json_text
from kernel.clock import now


class Command(BaseCommand):
    """Verifies the chain and says what holds in plain sentences."""

    help = (
        "Verifies the whole audit chain. Exit code 0: everything holds. 1: something does not; each failure is named. "
        "2: whether it holds could not be told."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument(
            "--checkpoint", action="append", default=[], type=Path, metavar="FILE", help="a checkpoint you kept; may be repeated"
        )
        parser.add_argument(
            "--processes", type=int, default=0, metavar="N", help="processes that share the work (default: by the number of events)"
        )
        parser.add_argument("--chain-only", action="store_true", help="leave out what other parts keep beside the log, and the ERP")
        parser.add_argument("--no-record", action="store_true", help="do not record the result as an audit event")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, print, record, and leave with the exit code."""
        is_quiet = options["json"] or not sys.stderr.isatty()
        with tqdm(total=sealed_count(), unit=" events", disable=is_quiet, leave=False) as bar:
            try:
                verification = verify_chain(
                    extra_notes=options["checkpoint"],
                    progress=bar.update,
                    processes=options["processes"],
                    with_ties=not options["chain_only"],
                )
            except Unusable as error:
                raise CommandError(f"Whether the chain holds could not be told: {error}.", returncode=2) from error
        if options["json"]:
            self.stdout.write(to_json_text(verification.as_dict()))
        else:
            self._print(verification)
        if not options["no_record"]:
            record_verification(verification, now=now())
        if not verification.holds:
            sys.exit(1)

    def _print(self, verification: Verification) -> None:
        for name, holds, detail in verification.findings.checks:
            self.stdout.write(f"  {'holds ' if holds else 'FAILS '} {name}{': ' + detail if detail else ''}")
        for problem in verification.findings.problems:
            self.stdout.write(f"  {problem.code}: {problem.sentence}")
        for limitation in verification.findings.limitations:
            self.stdout.write(f"  note: {limitation}")
        if verification.holds:
            self.stdout.write(
                f"The chain holds: {verification.sealed} events, no gap, {verification.checkpoints} checkpoints, root {verification.root}."
            )
        else:
            self.stdout.write(f"THE CHAIN DOES NOT HOLD: {len(verification.findings.problems)} problems.")
