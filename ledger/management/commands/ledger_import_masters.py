"""`manage.py ledger_import_masters DIRECTORY [--company US01]`."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from tqdm import tqdm

from kernel.clock import now
from kernel.errors import DomainError
from ledger.importing import import_masters
from ledger.sql import LEDGER


class Command(BaseCommand):
    """Loads vendors, products, stock, periods and budgets that the orders of a directory need."""

    help = "Load vendors, products and stock from CSV files, open the periods and set the budgets that the orders need."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the directory and the company."""
        parser.add_argument("directory", type=Path)
        parser.add_argument("--company", default="US01")

    def handle(self, *args: object, directory: Path, company: str, verbosity: int, **options: object) -> None:
        """Import in one transaction: a killed import leaves nothing behind and can be started again."""

        def progress(rows: list[dict[str, str]], title: str) -> Iterable[dict[str, str]]:
            bar: Iterable[dict[str, str]] = tqdm(rows, desc=f"{title:>8}", unit=" rows", disable=verbosity == 0)
            return bar

        try:
            with transaction.atomic(using=LEDGER):
                done = import_masters(directory, company=company, now=now(), progress=progress)
        except DomainError as error:
            raise CommandError(error.detail) from error
        if verbosity:
            self.stdout.write(
                f"{company}: {done.vendors} vendors, {done.items} items, {done.stock} stock rows, {done.periods} periods,"
                f" {done.budgets} budgets; opening stock {done.opening_entry or 'worth nothing'}."
            )
