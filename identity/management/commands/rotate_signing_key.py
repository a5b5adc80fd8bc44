"""`manage.py rotate_signing_key`: publish the next key that signs access tokens; every process notices without a restart."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from identity.services.signing_keys import rotate_signing_key
from kernel.actors import Actor
from kernel.clock import now, wire_time
from kernel.errors import DomainError


class Command(BaseCommand):
    """Rotate the signing key with overlap, or at once when it may be known to others."""

    help = "Publish a new token signing key; it signs in ten minutes, the one before it verifies until its last token has ended."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--compromised", action="store_true", help="sign with the new key at once and void every token there is")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate and say what happens when."""
        try:
            new = rotate_signing_key(actor=Actor.system("command-line"), now=now(), is_compromised=options["compromised"])
        except DomainError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(f"Key {new.key_id} is published and signs from {wire_time(new.signs_from)} on.")
