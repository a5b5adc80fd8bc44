"""`manage.py rates_import [FILE or URL]`: take published exchange rates over, all of them or none."""

from __future__ import annotations

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.matrix.importing import import_rates
from gateway.reference_rates import fetch
from kernel.clock import now
from kernel.context import Origin, origin
from kernel.display import counted
from kernel.errors import DomainError


class Command(BaseCommand):
    """Imports a file of reference rates in the form of the European Central Bank, CSV or XML, and says what was new."""

    help = "Import exchange rates from a file or an address (ECB reference rates, CSV or XML); without one, from the configured source."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the place and the name of the source."""
        parser.add_argument("place", nargs="?", default=settings.RATES_URL, help="a file, or an https address")
        parser.add_argument("--source", default=settings.RATES_SOURCE, help="whose rates they are, as it is shown beside them")

    def handle(self, *args: object, **options: object) -> None:
        """Fetch, import, say so."""
        place = str(options["place"])
        if not place:
            raise CommandError("Name a file or an address, or set COUNTERSIGN_RATES_URL.")
        with origin(Origin(channel="command")):
            try:
                found = import_rates(content=fetch(place), source=str(options["source"]), now=now())
            except DomainError as error:
                raise CommandError(error.detail or error.title) from error
        known = f"{counted(found.known, 'rate was', 'rates were')} known already."
        if found.made is None:
            self.stdout.write(f"Nothing new: {known}")
            return
        days = f"{found.made.first_on.isoformat()} to {found.made.last_on.isoformat()}"
        self.stdout.write(f"{counted(found.made.count, 'rate', 'rates')} of {days} recorded, {known}")
