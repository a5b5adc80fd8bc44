"""`manage.py audit_sealer`: seal what is recorded and sign checkpoints, until told to stop."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit.sealer_process import SealerProcess


class Command(BaseCommand):
    """Runs the sealer; a second one stands by until the first is gone."""

    help = (
        "Seals audit events and signs checkpoints. Exit code 0: stopped. 3: the log is not what the application wrote; "
        "the error names it. 4: with --once, another sealer is at work."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--once", action="store_true", help="seal and sign everything there is, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run and leave with the sealer's exit code."""
        process = SealerProcess()
        process.stop_on_signals()
        code = process.run_once() if options["once"] else process.run()
        if code:
            sys.exit(int(code))
