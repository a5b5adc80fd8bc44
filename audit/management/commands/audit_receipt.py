"""`manage.py audit_receipt`: write the inclusion receipt of one proposal to a file that verifies without us."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.inclusion import issue_inclusion_receipt
from kernel.actors import Actor
from kernel.clock import now
from kernel.errors import DomainError


class Command(BaseCommand):
    """Issues one receipt."""

    help = "Writes the inclusion receipt of a proposal: its events, proved to stand in a signed tree."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("proposal", help="the proposal's id (prop_…)")
        parser.add_argument("--output", type=Path, help="file to write (default: countersign-<proposal>.inclusion.json)")
        parser.add_argument("--wait", type=float, default=15.0, metavar="SECONDS", help="wait for the events to be sealed (default: 15)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue and write."""
        proposal = options["proposal"]
        try:
            receipt = issue_inclusion_receipt(
                proposal=proposal, actor=Actor.system("audit_receipt"), now=now(), wait_seconds=options["wait"]
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        output = options["output"] or Path(f"countersign-{proposal}.inclusion.json")
        output.write_bytes(receipt)
        self.stdout.write(f"{output}\nVerify it anywhere: python3 countersign_verify.py {output} --key VKEY")
