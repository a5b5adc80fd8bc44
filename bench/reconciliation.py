"""Reconciliation at size: N commits against N documents, beside `COPY … TO` of both sides in the same run.

`python -m bench.reconciliation 1000000` prints the rows as JSON; `figures(count)` does it in databases that are thrown away afterwards.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from bench.results_table import Row

DATABASES = {"DATABASE_URL": "countersign_bench_reconciliation", "LEDGER_DATABASE_URL": "ledger_bench_reconciliation"}


def figures(count: int) -> list[Row]:
    """Return how fast `count` against `count` reconcile, how that compares with COPY of both sides, and how much memory it takes."""
    rows: dict[int, dict[str, Any]] = {size: _measured_apart(size) for size in (max(count // 10, 1000), count)}
    small, large = rows[min(rows)], rows[count]
    copy = Row.plain(f"reconcile_{count}_copy_both_sides", large["copy_rows_per_second"], "rows/s")
    return [
        copy,
        # Within twice the time is at least half the rate.
        Row.against(f"reconcile_{count}_against_{count}", large["rows_per_second"], "rows/s", copy, target=0.5),
        Row.plain(f"reconcile_{count // 10}_memory", small["peak_megabytes"], "MB"),
        Row.plain(f"reconcile_{count}_memory", large["peak_megabytes"], "MB"),
    ]


def _measured_apart(count: int) -> dict[str, Any]:
    """Measure in a process and in databases of its own, and drop them."""
    urls = {name: re.sub(r"/[^/?]+(\?|$)", rf"/{database}\1", os.environ[name], count=1) for name, database in DATABASES.items()}
    admin = os.environ["DATABASE_URL"]
    _replace_databases(admin)
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "bench.reconciliation", str(count)],
            env={**os.environ, **urls},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    finally:
        _replace_databases(admin, is_final=True)
    measured: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    print(f"Reconciled {count:,} against {count:,}: {measured['seconds']} s, {measured['breaks']}", flush=True)
    return measured


def _replace_databases(url: str, *, is_final: bool = False) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for name in DATABASES.values():
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            if not is_final:
                connection.execute(f"CREATE DATABASE {name}")


def measure(count: int) -> dict[str, Any]:
    """Fill both databases, copy both sides, reconcile them, and return what it took; stops when a seeded break was not found."""
    from bench.reconciliation_rows import COMPANY, fill, seed_breaks
    from config.migrating import migrate_everything
    from kernel.clock import now as clock_now
    from ledger.sample import load_sample_company
    from reconciliation import services
    from reconciliation.models import Break

    migrate_everything()
    load_sample_company()
    cut_off_at = clock_now()
    seconds = {"fill": _timed(lambda: fill(count, at=cut_off_at - timedelta(hours=5)))}
    seeded = seed_breaks(count, cut_off_at=cut_off_at + timedelta(hours=1))
    seconds["copy"] = _timed(_copy_both_sides)
    _forget_peak()
    before = _memory("VmRSS")
    seconds["reconcile"] = _timed(lambda: services.reconcile(company=COMPANY, now=cut_off_at))
    peak = _memory("VmHWM") - before
    found = Counter(Break.objects.values_list("kind", flat=True))
    if found != Counter(seeded):
        raise SystemExit(f"Seeded {seeded}, found {dict(found)}.")
    return {
        "count": count,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "copy_rows_per_second": 2 * count / seconds["copy"],
        "rows_per_second": 2 * count / seconds["reconcile"],
        "peak_megabytes": peak,
        "breaks": dict(sorted(found.items())),
    }


def _copy_both_sides() -> None:
    """Read both sides as `COPY (…) TO STDOUT`, in their order, and throw them away: what any comparison has to do at least."""
    from django.db import connections

    from bench.reconciliation_rows import COMPANY
    from ledger.queries import landed
    from reconciliation.queries import FIRST_KEY, LINES

    with connections["ledger"].cursor() as cursor:
        cursor.execute("SELECT id FROM ledger_company WHERE code = %s", [COMPANY])
        (company_id,) = cursor.fetchone()
    statement = landed.COMPARED + landed.OURS + landed.SORTED
    _copied("ledger", statement, {"company_id": company_id, "until": None, "gate": "countersign"})
    _copied("default", LINES, {"company": COMPANY, "since": None, "after": FIRST_KEY})


def _copied(using: str, statement: str, values: dict[str, object]) -> None:
    from django.db import connections

    with connections[using].cursor() as cursor, cursor.copy(f"COPY ({statement}) TO STDOUT", values) as copy:
        for _ in copy:
            pass


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _forget_peak() -> None:
    """The highest memory so far is forgotten, where the kernel lets it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _memory(name: str) -> float:
    """Return a line of /proc/self/status in megabytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def main() -> int:
    """Measure in the databases of the environment, which must be empty, and print one line of JSON."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    print(json.dumps(measure(int(sys.argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
