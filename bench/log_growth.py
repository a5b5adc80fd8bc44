"""How verification grows with the log: events a second and memory at two sizes, each in a process of its own.

`python -m bench.log_growth` verifies the whole chain of the given databases and prints `{"events", "seconds", "peak_mib"}`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Any

from bench import bulk_log
from bench.results_table import Row

PART = 1_000
SUBJECT = "bench"


def figures(size: int, smallest: list[Row]) -> list[Row]:
    """Return rate and memory of verification at a size; events of no meaning are recorded and sealed up to it.

    `smallest` keeps the rows of the first size that was asked for, which the others stand beside.
    """
    sealed = grow_to(size)
    measured = _measured_apart()
    print(f"  {sealed:,} events verified in {measured['seconds']:.1f} s with {measured['peak_mib']:.0f} MiB", flush=True)
    rate = Row.plain(f"verify_rate_of_{size}", measured["events"] / measured["seconds"], "events/s")
    memory = Row.plain(f"verify_memory_of_{size}", measured["peak_mib"], "MiB")
    if smallest:
        rate = Row.against(rate.name, rate.value, rate.unit, smallest[0], target=0.8)
        memory = Row.growth(memory.name, memory.value, memory.unit, smallest[1], at_most=1.5)
    else:
        smallest += [rate, memory]
    return [rate, memory]


def grow_to(size: int) -> int:
    """At least so many events are recorded and sealed; return how many are."""
    from audit.sealer import Sealer
    from audit.verification import sealed_count

    sealer = Sealer()
    sealer.seal_everything()
    if bulk_log.is_wanted():
        bulk_log.copy_to(size)
    began_at, sealed_before = time.perf_counter(), sealed_count()
    while (missing := size - sealed_count()) > 0:
        record_burst(min(missing, PART))
        sealer.seal_everything()
    made, seconds = sealed_count() - sealed_before, time.perf_counter() - began_at
    if made:
        print(f"  {made:,} events recorded and sealed in {seconds:.0f} s, {made / seconds:,.0f} a second", flush=True)
    return sealed_count()


def record_burst(count: int) -> None:
    """So many events of no meaning are recorded, each about something of its own, in transactions of a thousand."""
    from django.db import transaction

    from audit.records import NewEvent, Subject
    from audit.services import record_many
    from kernel.actors import Actor
    from kernel.clock import now
    from kernel.ids import new_id
    from proposals.events import ReadEvent

    actor = Actor.system("bench")
    for start in range(0, count, PART):
        events = [
            NewEvent(kind=ReadEvent.TAKEN, actor=actor, subject=Subject(SUBJECT, str(new_id())), now=now(), outcome={"status": "read"})
            for _ in range(min(PART, count - start))
        ]
        with transaction.atomic():
            record_many(events)


def _measured_apart() -> dict[str, Any]:
    answer = subprocess.run([sys.executable, "-m", "bench.log_growth"], check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return measured


def main() -> int:
    """Verify, and print how many events in how many seconds with how much memory at most."""
    import django

    django.setup()
    from audit.verification import verify_chain

    started = time.perf_counter()
    verification = verify_chain()
    seconds = time.perf_counter() - started
    if not verification.holds:
        print("The chain does not hold.", file=sys.stderr)
        return 1
    # The kernel counts kibibytes; children are the processes that shared the work.
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    print(json.dumps({"events": verification.sealed, "seconds": seconds, "peak_mib": peak}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
