"""`manage.py reconcile [--company US01]`: compare what was intended with what landed, now."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kernel import clock
from kernel.context import Origin, origin
from kernel.errors import DomainError
from kernel.money import Money
from reconciliation import services
from reconciliation.models import Break, Run
from reconciliation.states import UNRESOLVED


class Command(BaseCommand):
    """Prints one line per company; exit code 1 when a company has unresolved breaks or could not be compared."""

    help = "Compare what was intended with what landed, up to now. Exit code 0 only when nothing is unresolved."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--company", help="Only this company; every company without it")

    def handle(self, *args: object, **options: object) -> None:
        wanted = [str(options["company"])] if options["company"] else services.companies()
        with origin(Origin(channel="command")):
            results = [self._reconcile(company) for company in wanted]
        if not all(results):
            raise CommandError("There are unresolved breaks.", returncode=1)

    def _reconcile(self, company: str) -> bool:
        try:
            run = services.reconcile(company=company, now=clock.now())
        except DomainError as error:
            self.stderr.write(f"{company}: {error}")
            return False
        self.stdout.write(line(run))
        return not Break.objects.filter(company=company, state__in=UNRESOLVED).exists()


def line(run: Run) -> str:
    """Return what a run found, in one line."""
    return (
        f"{run.company}: matched {run.matched_count} of {run.intended_count}, breaks {run.break_count}; "
        f"intended {_totals(run.intended_totals)}; landed {run.landed_count}, {_totals(run.landed_totals)}"
    )


def _totals(totals: dict[str, int]) -> str:
    return " + ".join(str(Money(minor, currency)) for currency, minor in sorted(totals.items())) or "nothing"
