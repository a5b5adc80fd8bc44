"""An example agent killed at a line and started again: run as a program, since what it starts is killed for real.

    python -m tests.clients.killed examples.mcp_agent 12,80 -- ARGUMENTS with {point} in them

For each number: a process runs the agent until that line of the examples' own files, counted as they are executed, is next, and is then
killed; another runs it to its end. Prints one line for each: number, place, exit code of the first and of the second process.
"""

from __future__ import annotations

import importlib
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from config.paths import PROJECT

EXAMPLES = str(PROJECT / "examples")
AT_ONCE = 4


def kill_at(point: int, report: int) -> None:
    """Kill this process without a warning when the line with this number is next; say first which one it is."""
    lines = itertools.count(1)

    def trace(frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        if not frame.f_code.co_filename.startswith(EXAMPLES):
            return None
        if event == "line" and next(lines) == point:
            os.write(report, f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}".encode())
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    threading.settrace(trace)
    sys.settrace(trace)


def run(module: str, arguments: Sequence[str], *, point: int = 0) -> tuple[str, int]:
    """Run the agent in a process of its own, killed at a line unless that is 0; return the line and how it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _become(module, arguments, point, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="ascii") as report:
        place = report.read()
    _, status = os.waitpid(child, 0)
    return place, os.waitstatus_to_exitcode(status)


def _become(module: str, arguments: Sequence[str], point: int, report: int) -> None:
    """Be the agent from here on; does not return."""
    code = 70
    try:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        sys.argv = [module, *arguments]
        main = importlib.import_module(module).main
        if point:
            kill_at(point, report)
        code = int(main())
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 70
    except BaseException:  # noqa: BLE001 - whatever it was, the process ends here
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> int:
    """Kill the agent at each line asked for and start it again."""
    module, points, _, *arguments = sys.argv[1:]
    # What takes long: done once, before anything runs.
    importlib.import_module(module)

    chosen = [int(point) for point in points.split(",")]
    for group in (chosen[start : start + AT_ONCE] for start in range(0, len(chosen), AT_ONCE)):
        # Processes, not threads: a fork beside running threads may inherit a lock that nobody lets go of.
        drivers = [_driver(module, [argument.replace("{point}", str(point)) for argument in arguments], point) for point in group]
        for driver in drivers:
            os.waitpid(driver, 0)
    return 0


def _driver(module: str, arguments: Sequence[str], point: int) -> int:
    """Start a process that kills the agent, starts it again and prints what happened; return its number."""
    child = os.fork()
    if child:
        return child
    place, first = run(module, arguments, point=point)
    _, second = run(module, arguments)
    os.write(1, f"{point} {place or '-'} {first} {second}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
