"""`manage.py untie_identity <user name>`: let somebody sign in with another identity of the provider, after theirs was made anew."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from identity.services.sign_on import untie
from kernel.actors import Actor
from kernel.clock import now
from kernel.errors import DomainError


class Command(BaseCommand):
    """Take the identity of the provider away from a person; their next single sign-on ties the one they come with."""

    help = "Take the identity of the identity provider away from a person; their next single sign-on ties the one they come with."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the user name."""
        parser.add_argument("username", help="the person's user name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Untie and say how many."""
        try:
            count = untie(username=options["username"], actor=Actor.system("command-line"), now=now())
        except DomainError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(f"{options['username']} has no identity any more." if count else f"{options['username']} had none.")
