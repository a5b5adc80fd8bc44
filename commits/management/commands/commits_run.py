"""`manage.py commits_run`: take up what is due and commit it, here and now."""

from __future__ import annotations

from django.core.management.base import BaseCommand

from commits import services
from kernel import clock
from kernel.context import Origin, origin


class Command(BaseCommand):
    """Runs what the minute's sweep runs, once, and prints the counts."""

    help = "Take over expired leases, look up unknown outcomes and commit everything that is approved; then stop."
    requires_system_checks = ()

    def handle(self, *args: object, **options: object) -> None:
        with origin(Origin(channel="command")):
            self.stdout.write(str(services.sweep(now=clock.now)))
