"""One run: lay everything out, let traffic and faults go on together, let it settle, compute the property, print it."""

from __future__ import annotations

import json
import shutil
import sys
import time
from argparse import Namespace
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command
from django.db import connections

from config.database_roles import apply_roles
from config.migrating import migrate_everything
from gateway.faults import FaultMode
from gateway.faults.switches import fault_counts
from tests.chaos.checker import Findings, check
from tests.chaos.conductor import Conductor, first_night, last_comparison
from tests.chaos.evidence import struck
from tests.chaos.faults import FaultKind, Orders, chance, plan
from tests.chaos.house import House
from tests.chaos.traffic import Traffic, over_http, persistently
from tests.chaos.world import make_world

SAY_SECONDS = 5.0
HTTP_SHARE = 0.05
EXTRA_STEPS_MAX = 400
EXTRA_STEPS_APART = 20
# A worker that is just dead takes no second delivery, and records nothing while its clock is wrong.
MAY_MISS = (FaultKind.DOUBLE_DELIVERY, FaultKind.CLOCK_JUMP)
PROBLEMS_SHOWN = 20


@dataclass
class Speaker:
    """Says how far it got, on the error stream, every few seconds."""

    number: int
    said_at: float = 0.0

    def say(self, sentence: str) -> None:
        """Print one line with the time."""
        print(f"{time.strftime('%H:%M:%S')}  {sentence}", file=sys.stderr, flush=True)

    def progress(self, index: int, orders: Orders) -> None:
        """Print how many proposals were made and how many orders struck, unless something was said just now."""
        if time.monotonic() - self.said_at > SAY_SECONDS:
            self.said_at = time.monotonic()
            self.say(f"{index} of {self.number} proposals, {sum(1 for _ in orders.all_taken())} ordered faults struck")


def lay_out() -> None:
    """Both databases are migrated and empty, with the roles that the processes use."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT to_regclass('commits_commit') IS NOT NULL")
        (is_there,) = cursor.fetchone()
    if not is_there:
        migrate_everything()
    call_command("createcachetable", verbosity=0)
    apply_roles()
    # One call instead of one for each file of the data directory when PostgreSQL recovers; as durable.
    with connections["default"].cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET recovery_init_sync_method = 'syncfs'")


def run(options: Namespace, house: House) -> tuple[int, str]:
    """Run it; return 0 when the property holds and every kind of fault struck, and the line that says what came of it."""
    speaker = Speaker(options.number)
    speaker.say(f"Chaos over {options.number} proposals, seed {options.seed}, in {house.data}")
    orders = Orders(house.data / "chaos")
    lay_out()
    is_nightly = FaultKind.MISSED_NIGHTS in options.faults
    house.start(*(name for name in house.commands() if name != "bulk" or is_nightly))
    world = make_world()
    if is_nightly:
        first_night()
    # One source of chance per part: what one part draws never shifts another one.
    traffic = Traffic(world, orders, chance(options.seed, "traffic"), options.number)
    conductor = Conductor(house, orders, traffic, chance(options.seed, "faults"))
    planned = plan(chance(options.seed, "plan"), options.number, options.faults)
    house.wait_until_healthy()
    agents = over_http(world, orders, house.address, options.seed, max(2, round(options.number * HTTP_SHARE)))
    for index in range(options.number):
        for kind in planned.get(index, ()):
            conductor.order(kind, index)
        traffic.step(index)
        conductor.tick()
        speaker.progress(index, orders)
    _strike_out(options, conductor, traffic, speaker)
    agents.join(60)
    speaker.say("Settling …")
    conductor.calm()
    left = conductor.settle(options.settle_seconds, is_nightly=is_nightly)
    if left:
        speaker.say(f"{left} commits have not settled in {options.settle_seconds:.0f} s.")
    last_comparison()
    # The chain must stand still while it is verified: whoever records goes before the last seal.
    house.kill(*(name for name in house.running if name != "sealer"))
    conductor.seal(60)
    house.kill("sealer")
    return _report(options, house, orders, speaker)


def _strike_out(options: Namespace, conductor: Conductor, traffic: Traffic, speaker: Speaker) -> None:
    """A little more traffic, until every order found somebody to strike; what may miss is ordered again."""
    for extra in range(EXTRA_STEPS_MAX):
        if not conductor.orders.outstanding() and not conductor.is_misbehaving():
            faults = persistently(lambda: struck(conductor.orders, conductor.house))
            missed = [kind for kind in MAY_MISS if kind in options.faults and not faults[kind]]
            if not missed:
                return
            for kind in missed if extra % EXTRA_STEPS_APART == 0 else ():
                conductor.order(kind, options.number + extra)
        traffic.step(options.number + extra)
        conductor.tick()
        speaker.progress(options.number + extra, conductor.orders)
        time.sleep(0.05)


def _report(options: Namespace, house: House, orders: Orders, speaker: Speaker) -> tuple[int, str]:
    counts = fault_counts()
    found = check(
        acknowledged=[line["proposal"] for line in orders.journal("acknowledged")],
        approved_by_people=[line["proposal"] for line in orders.journal("approved")],
        altered_by_the_erp=counts.get(FaultMode.REDATED, 0) + counts.get(FaultMode.TAXED, 0),
        misnamed_by_the_erp=counts.get(FaultMode.RENUMBERED, 0) + counts.get(FaultMode.WRONG_ANSWER, 0),
    )
    faults = struck(orders, house)
    silent = [kind for kind in options.faults if faults[kind] == 0]
    for problem in found.problems[:PROBLEMS_SHOWN]:
        speaker.say(problem)
    if len(found.problems) > PROBLEMS_SHOWN:
        speaker.say(f"… and {len(found.problems) - PROBLEMS_SHOWN} more.")
    if silent:
        speaker.say(f"Never struck: {', '.join(silent)}.")
    speaker.say(f"Processes that died and were started again: {house.restarts}")
    return 0 if found.holds and not silent else 1, result_line(options.seed, found, faults)


def result_line(seed: int, found: Findings, faults: dict[str, int]) -> str:
    """Return the JSON object of the last line."""
    return json.dumps(  # noqa: TID251  one line, hashed by nobody
        {
            "seed": seed,
            "approved_valid": found.approved_valid,
            "committed": found.committed,
            "doubles": found.doubles,
            "lost": found.lost,
            "landings_without_event": found.landings_without_event,
            "unexplained_breaks": found.unexplained_breaks,
            "faults": faults,
        }
    )


def remove(data: Path) -> None:
    """The throw-away directory is gone."""
    with suppress(OSError):
        shutil.rmtree(data)
