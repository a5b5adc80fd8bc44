"""`manage.py reference_docs`: write the pages under docs/ that are made from the code."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from config.paths import PROJECT
from config.reference_docs import pages


class Command(BaseCommand):
    """Write docs/errors.md, events.md, permissions.md and tools.md."""

    help = "Write the reference pages under docs/ from the code."

    def handle(self, *args: Any, **options: Any) -> None:
        """Write each page and name it."""
        for name, text in pages().items():
            (PROJECT / "docs" / name).write_text(text, encoding="utf-8")
            self.stdout.write(f"docs/{name}")
