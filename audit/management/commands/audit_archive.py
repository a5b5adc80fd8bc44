"""`manage.py audit_archive`: write old events into a file that verifies by itself and detach them, or verify such a file."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.keys import verifying_key
from audit.retention.services.archiving import ArchiveBroken, archive_before, verify_archive
from audit.verifier.countersign_verify import Malformed, pinned_key
from kernel.actors import Actor
from kernel.clock import now
from kernel.context import Origin, origin
from kernel.errors import DomainError


class Command(BaseCommand):
    """Archives whole months; the database's owner runs it."""

    help = "make: archive and detach every month before one. verify: check an archive file with the log's key or a pinned one."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("action", choices=["make", "verify"])
        parser.add_argument("file", nargs="?", type=Path, help="verify: the archive")
        parser.add_argument("--before", metavar="YYYY-MM", help="make: the first month that stays")
        parser.add_argument("--directory", type=Path, help="make: where the file is written")
        parser.add_argument("--to-region", default="", help="make: the region the directory lies in, if not that of the log")
        parser.add_argument("--reason", default="", help="make: why the file leaves the region of the log")
        parser.add_argument("--key", default="", metavar="VKEY", help="verify: a pinned key, or a file with one")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and say so."""
        try:
            if options["action"] == "verify":
                self._verify(options["file"], options["key"])
            else:
                self._make(options)
        except (DomainError, ArchiveBroken, Malformed) as error:
            raise CommandError(str(error)) from error

    def _make(self, options: dict[str, Any]) -> None:
        if not options["before"] or not options["directory"]:
            raise CommandError("Say --before YYYY-MM and --directory.")
        try:
            month = datetime.strptime(options["before"], "%Y-%m").replace(tzinfo=UTC)
        except ValueError as error:
            raise CommandError(f"{options['before']!r} is no month.") from error
        with origin(Origin(channel="command")):
            made = archive_before(
                month=month,
                directory=options["directory"],
                actor=Actor.system("archive"),
                now=now(),
                destination=options["to_region"],
                reason=options["reason"],
            )
        self.stdout.write(f"{made.file}: sequence {made.first_sequence} to {made.last_sequence}, verified, {made.sha256}.")
        self.stdout.write(f"Detached: {', '.join(made.partitions)}. Drop these tables once the file is where it shall be kept.")

    def _verify(self, file: Path | None, key: str) -> None:
        if file is None:
            raise CommandError("Name the archive.")
        result = verify_archive(file, key=pinned_key(key) if key else verifying_key())
        self.stdout.write(f"Everything holds: sequence {result.first_sequence} to {result.last_sequence} of {result.chain_id}.")
