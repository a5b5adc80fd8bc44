"""`manage.py audit_consistency OLD NEW`: the proof that one checkpoint's tree begins with another's, for whoever kept the older one."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.models import Checkpoint
from audit.proofs import stored_consistency_path
from audit.verifier.countersign_verify import Checkpoint as Note
from audit.verifier.countersign_verify import Malformed, encode_base64


class Command(BaseCommand):
    """Writes a consistency proof in the form of C2SP tlog-witness's request."""

    help = "Writes the proof that the newer checkpoint contains the older one; countersign_verify.py --consistency takes it."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("older", type=Path, help="the older checkpoint (.note)")
        parser.add_argument("newer", type=Path, nargs="?", help="the newer checkpoint (.note); without it the newest one")
        parser.add_argument("--output", type=Path, help="file to write (default: standard output)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prove and write."""
        try:
            older = Note.parse(options["older"].read_bytes())
            text = options["newer"].read_text(encoding="utf-8") if options["newer"] else _newest()
            newer = Note.parse(text.encode("utf-8"))
        except (Malformed, OSError) as error:
            raise CommandError(str(error)) from error
        if older.size > newer.size:
            raise CommandError("The older checkpoint is the larger one.")
        path = stored_consistency_path(older.size, newer.size)
        proof = "\n".join([f"old {older.size}", *(encode_base64(node) for node in path), "", text])
        if options["output"]:
            options["output"].write_text(proof, encoding="utf-8")
        else:
            self.stdout.write(proof, ending="")


def _newest() -> str:
    row = Checkpoint.objects.order_by("-size").first()
    if row is None:
        raise CommandError("There is no checkpoint yet.")
    return row.note
