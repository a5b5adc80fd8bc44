"""`manage.py audit_status`: say whether logging works, and leave with exit code 0 only if it does."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit.watch import LogHealth, log_health
from kernel.canonical import to_json_text
from kernel.clock import now


class Command(BaseCommand):
    """Says what is wrong with logging, and where checkpoints were brought."""

    help = "Says whether logging works. Exit code 0: it does. 1: it does not; each trouble is named."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, print, and leave with the exit code."""
        found = log_health(now=now())
        if options["json"]:
            self.stdout.write(to_json_text(found.as_dict()))
        else:
            self._print(found)
        if not found.is_well:
            sys.exit(1)

    def _print(self, found: LogHealth) -> None:
        for trouble in found.troubles:
            self.stdout.write(f"  {trouble.code}: {trouble.sentence}")
        for row in found.exports:
            state = f"FAILS since {row.failing_since:%Y-%m-%d %H:%M} UTC: {row.detail}" if row.failing_since else "in order"
            self.stdout.write(f"  {row.title}: {f'size {row.size}' if row.at else 'nothing yet'}, {state}")
        self.stdout.write("Logging works." if found.is_well else "LOGGING DOES NOT WORK AS IT SHOULD.")
