"""The example agents killed at lines of theirs: whatever the line was, exactly one order stands in the ERP in the end."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from itertools import islice

from tests.clients.deciding import PREFIX
from tests.journey.installation import RealInstallation

AGENTS = ("api_agent", "mcp_agent")
AT_ONCE = 12
PROPOSALS = "SELECT count(*) FROM proposals_proposal WHERE payload ->> 'reference' = %s"
DOCUMENTS = "SELECT count(*) FROM ledger_purchaseorder WHERE order_reference = %s"
LINE = re.compile(r"(\d+) (\S+) (-?\d+) (-?\d+)")


def survive(installation: RealInstallation, agent: str, points: Iterable[int]) -> list[str]:
    """Kill the agent at each of these lines and start it again, somebody deciding meanwhile; return what was wrong."""
    left, faults = iter(points), []
    while some := list(islice(left, AT_ONCE)):
        faults += _survive(installation, agent, some)
    return faults


def _survive(installation: RealInstallation, agent: str, points: list[int]) -> list[str]:
    prefix = f"{PREFIX}KILL-{agent}-"
    command = [sys.executable, "-m", "tests.clients.killed", f"examples.{agent}", ",".join(map(str, points)), "--"]
    said = installation.run(*command, prefix + "{point}", "--url", installation.address)
    found = {int(point): (place, int(first), int(second)) for point, place, first, second in LINE.findall(said.stdout)}
    faults = []
    for point in points:
        place, first, second = found.get(point, ("never run", 0, 0))
        counts = (installation.ask(PROPOSALS, f"{prefix}{point}")[0][0], installation.ask(DOCUMENTS, f"{prefix}{point}", database=1)[0][0])
        print(f"  {agent}, line {point}: {place}, {counts[0]} proposal, {counts[1]} order", flush=True)
        # A number beyond the agent's last line kills nothing; it must have ended by itself then.
        was_killed = first == -9 if place != "-" else first == 0
        if not was_killed or second != 0 or counts != (1, 1):
            faults.append(f"{agent}, line {point} ({place}): ended with {first}, then {second}; proposals, orders: {counts}")
    return faults if not faults else [*faults, said.stderr[-1500:]]
