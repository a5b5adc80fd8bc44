"""Run the replay from end to end: masters, agent, approvers, commits, reconciliation, verification; print what really came of it.

Usage: python -m examples.replay DIRECTORY [--port 8000]

Uses the running installation, or starts one for the time it takes. Either script may be killed, and so may this one: it starts a
killed script again, and started again itself it goes on where it was. The last line is one JSON object read from the ledger, the
reconciliation run and the verifier.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

COMPANY = "US01"
START_SECONDS = 180
COMMIT_SECONDS = 600
IDLE_SECONDS = 3
REPORT = [sys.executable, "manage.py", "replay_report", "--company", COMPANY]


def main() -> int:
    """Run every step and print the result as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--port", type=int, default=int(os.environ.get("COUNTERSIGN_PORT", "8000")))
    options = parser.parse_args()
    if not (options.directory / "purchase_orders.csv").is_file():
        parser.error(f"{options.directory} holds no purchase_orders.csv; give DATA=<directory in the layout of the sample>")
    url = f"http://localhost:{options.port}"
    own = None if is_running(url) else start(options.port, url)
    try:
        manage("ledger_import_masters", str(options.directory), "--company", COMPANY)
        propose_and_decide(options.directory, url)
        wait_for_commits()
        manage("reconcile", "--company", COMPANY, check=False)
        result = report("--verify")
    finally:
        if own is not None:
            own.send_signal(signal.SIGTERM)
            own.wait()
    print(result)
    return 0


def is_running(url: str) -> bool:
    """Return whether an installation answers at this address."""
    try:
        return httpx.get(f"{url}/health", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def start(port: int, url: str) -> subprocess.Popen[bytes]:
    """Start an installation of our own and wait until it answers."""
    print("Nothing runs yet: starting Countersign …", flush=True)
    command = [sys.executable, "-m", "config.supervisor", "--sample", "--port", str(port)]
    own = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + START_SECONDS
    while not is_running(url):
        if own.poll() is not None or time.monotonic() > deadline:
            own.terminate()
            raise SystemExit("Countersign did not start; `make run` shows why.")
        time.sleep(0.5)
    return own


def manage(*arguments: str, check: bool = True) -> None:
    """Run one of the installation's commands."""
    subprocess.run([sys.executable, "manage.py", *arguments], check=check)


def propose_and_decide(directory: Path, url: str) -> None:
    """Run both scripts side by side until the agent is done and nothing waits for a decision; start killed ones again."""
    agent = Script("agent", ["examples.replay_purchase_orders", str(directory), "--url", url])
    people = Script("approvers", ["examples.replay_approvers", str(directory), "--url", url, "--idle", str(IDLE_SECONDS)])
    try:
        while True:
            is_proposed = agent.is_done()
            if people.is_done():
                if is_proposed and progress()["pending"] == 0:
                    return
                people.start()
            time.sleep(0.5)
    finally:
        people.stop()
        agent.stop()


class Script:
    """One of the two scripts, started again whenever somebody killed it."""

    def __init__(self, name: str, arguments: list[str]) -> None:
        """Start it."""
        self.name = name
        self.command = [sys.executable, "-m", *arguments]
        self.start()

    def start(self) -> None:
        """Start it; what it did before is not done twice."""
        self.running = subprocess.Popen(self.command)

    def is_done(self) -> bool:
        """Return whether it came to its end; starts it again when it was killed, gives up when it said no itself."""
        code = self.running.poll()
        if code is not None and code < 0:
            print(f"The {self.name}'s script was killed; starting it again.", flush=True)
            self.start()
            return False
        if code:
            raise SystemExit(f"The {self.name}'s script stopped; see its lines above.")
        return code == 0

    def stop(self) -> None:
        """Stop it if it still runs."""
        if self.running.poll() is None:
            self.running.terminate()
            self.running.wait()


def wait_for_commits() -> None:
    """Wait until no commit is queued, in flight or unknown."""
    deadline = time.monotonic() + COMMIT_SECONDS
    while (left := progress()["unsettled"]) > 0:
        if time.monotonic() > deadline:
            raise SystemExit(f"{left} commits are still not settled; the console's Commits page says why.")
        print(f"{left} commits under way …", flush=True)
        time.sleep(2)


def progress() -> dict[str, int]:
    """Return how many proposals wait for a decision and how many approved ones are not settled."""
    return {name: int(count) for name, count in json.loads(report()).items()}


def report(*options: str) -> str:
    """Return the last line of the report."""
    answer = subprocess.run([*REPORT, *options], check=True, stdout=subprocess.PIPE, text=True)
    return answer.stdout.strip().splitlines()[-1]


if __name__ == "__main__":
    sys.exit(main())
