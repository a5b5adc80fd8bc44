"""`manage.py evidence_bundle`: write the evidence of one proposal to a file that verifies without us."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.bundle import export_bundle
from audit.queries import newest_committed_proposal
from audit.records import Subject
from audit.residency import allow_export
from kernel.actors import Actor
from kernel.clock import now
from kernel.errors import DomainError


class Command(BaseCommand):
    """Exports one bundle and says how to verify it."""

    help = "Writes the evidence bundle of a proposal, or of the newest committed one, to a file."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("proposal", nargs="?", default="", help="the proposal's id (prop_…)")
        parser.add_argument("--latest", action="store_true", help="the newest committed proposal")
        parser.add_argument("--to-region", default="", help="where the file will be kept, if not in the region of the log")
        parser.add_argument("--reason", default="", help="why it leaves the region of the log")
        parser.add_argument("--output", type=Path, help="file to write (default: countersign-<proposal>.zip)")
        parser.add_argument("--wait", type=float, default=15.0, metavar="SECONDS", help="wait for the events to be sealed (default: 15)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Build, write, record."""
        proposal = options["proposal"]
        if bool(proposal) == options["latest"]:
            raise CommandError("Name one proposal, or say --latest.")
        if options["latest"]:
            proposal = newest_committed_proposal()
            if not proposal:
                raise CommandError("No proposal has been committed yet.")
        try:
            if options["to_region"]:
                allow_export(
                    destination=options["to_region"],
                    reason=options["reason"],
                    subject=Subject("bundle", proposal),
                    actor=Actor.system("evidence_bundle"),
                    now=now(),
                )
            bundle = export_bundle(proposal=proposal, actor=Actor.system("evidence_bundle"), now=now(), wait_seconds=options["wait"])
        except DomainError as error:
            raise CommandError(str(error)) from error
        output = options["output"] or Path(bundle.file_name)
        output.write_bytes(bundle.archive)
        self.stdout.write(
            f"{output}: {bundle.events} events of {bundle.proposal}, proved by the checkpoint of size {bundle.checkpoint_size}.\n"
            f"Verify it anywhere: python3 countersign_verify.py {output}"
        )
