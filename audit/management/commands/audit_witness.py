"""`manage.py audit_witness`: cosign the checkpoints of a log, as somebody who is not its operator."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.verifier.countersign_verify import Malformed, pinned_key
from audit.witness import Witness, WitnessMemory, WitnessUnusable, witness_key
from audit.witness_server import witness_server


class Command(BaseCommand):
    """Serves until stopped; asks no database."""

    help = "Cosigns checkpoints of the given logs, each only after a proof that it contains the one cosigned before."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--log", action="append", required=True, metavar="VKEY", help="key of a log: a vkey, or a file that holds one")
        parser.add_argument("--directory", type=Path, required=True, help="where this witness keeps its key and its memory")
        parser.add_argument("--name", required=True, help="name of the witness, e.g. witness.example.com/countersign")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8190)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve."""
        directory: Path = options["directory"]
        try:
            witness = Witness(
                name=options["name"],
                key=witness_key(directory / "witness_key"),
                logs=[pinned_key(text) for text in options["log"]],
                memory=WitnessMemory(directory / "witness.json"),
            )
            server = witness_server(witness, host=options["host"], port=options["port"])
        except (WitnessUnusable, Malformed, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{witness.vkey.text} http://{options['host']}:{server.server_address[1]}")
        self.stdout.flush()

        def stop(*_: object) -> None:
            # From another thread: shutdown() waits for the loop that this very thread runs.
            threading.Thread(target=server.shutdown).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        server.serve_forever()
        server.server_close()
