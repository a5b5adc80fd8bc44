#!/usr/bin/env python
"""Run Django's commands with Countersign's settings."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    from config.loading import load

    try:
        load()
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        hint = "Is Countersign running (make run), or are DATABASE_URL and LEDGER_DATABASE_URL set?"
        sys.exit(f"The database does not answer. {hint}\n{error}")


if __name__ == "__main__":
    main()
