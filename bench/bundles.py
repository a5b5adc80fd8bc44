"""The bundle of a period: events a second and memory at two sizes, made and verified in processes of their own, beside COPY of its rows.

`python -m bench.bundles OUTPUT` makes the bundle of everything recorded and prints `{"events", "seconds", "peak_mib"}`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.log_growth import grow_to
from bench.results_table import Row

COPIED = """
COPY (SELECT s.sequence, s.entry, s.previous, e.event_id, e.leaf, e.bytes FROM audit_seal s JOIN audit_event e ON e.event_id = s.event_id
      ORDER BY s.sequence) TO STDOUT
"""


def figures(size: int, smallest: dict[str, Row]) -> list[Row]:
    """Return rate and memory of making and verifying at a size; events of no meaning are recorded, sealed and signed up to it.

    `smallest` keeps the memory at the first size that was asked for, which the others stand beside.
    """
    from audit.signer import sign_checkpoint
    from kernel.clock import now

    grow_to(size)
    sign_checkpoint(now=now())
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "period.zip"
        made = _apart([sys.executable, "-m", "bench.bundles", str(path)])
        verified = _verified_apart(path)
    copied = _copied()
    said = f"{made['events']:,} events made in {made['seconds']:.1f} s with {made['peak_mib']:.0f} MiB"
    print(f"  {said}, verified with {verified['peak_mib']:.0f} MiB; COPY {copied:.1f} s", flush=True)
    reference = Row.plain(f"copy_rate_of_{size}", made["events"] / copied, "events/s")
    rows = [reference]
    for name, found in (("bundle", made), ("bundle_verify", verified)):
        rows.append(Row.against(f"{name}_rate_of_{size}", made["events"] / found["seconds"], "events/s", reference))
        peak = Row.plain(f"{name}_memory_of_{size}", found["peak_mib"], "MiB")
        if name in smallest:
            peak = Row.growth(peak.name, peak.value, peak.unit, smallest[name], at_most=1.5)
        smallest.setdefault(name, peak)
        rows.append(peak)
    return rows


def _apart(command: list[str]) -> dict[str, Any]:
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return measured


def _verified_apart(path: Path) -> dict[str, Any]:
    """Run the stand-alone verifier as an auditor does, and say how long it took and how much memory."""
    from audit.verifier import countersign_verify

    script = (
        "import resource, runpy, sys; sys.argv = ['verify', sys.argv[2], '--json']\n"
        "try: runpy.run_path(PATH, run_name='__main__')\n"
        "except SystemExit as end: code = end.code\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024); sys.exit(code)"
    ).replace("PATH", repr(countersign_verify.__file__))
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-I", "-c", script, "-", str(path)], check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        print(done.stdout[-3000:], flush=True)
        raise SystemExit("The bundle does not verify; what does not hold stands above.")
    return {"seconds": time.perf_counter() - started, "peak_mib": float(done.stdout.splitlines()[-1])}


def _copied() -> float:
    from django.db import connection

    started = time.perf_counter()
    with connection.cursor() as cursor, cursor.cursor.copy(COPIED) as copy:
        for _ in copy:
            pass
    return time.perf_counter() - started


def main() -> int:
    """Make the bundle, and print how many events in how many seconds with how much memory at most."""
    import django

    django.setup()
    from datetime import UTC, datetime

    from audit.period_bundle import make_period_bundle, plan_period
    from audit.workshop import Workshop
    from kernel.clock import now

    output = Path(sys.argv[1])
    started = time.perf_counter()
    workshop = Workshop(output.with_name("work"))
    made = make_period_bundle(
        workshop,
        lambda: plan_period(since=datetime(2020, 1, 1, tzinfo=UTC), until=now(), companies=None, visible={}),
        output,
        progress=lambda *_: None,
    )
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    print(json.dumps({"events": made.events, "seconds": time.perf_counter() - started, "peak_mib": peak, "bytes": made.bytes}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
