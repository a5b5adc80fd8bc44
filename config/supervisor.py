"""Start everything with one command and keep it running: PostgreSQL when none is given, set-up, web, worker, sealer.

Children that die are started again after a growing pause; Ctrl-C or SIGTERM stops them in reverse order and PostgreSQL last.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from urllib.error import URLError
from urllib.request import urlopen

from config.databases import URL_FILE, Process
from config.embedded_postgres import EmbeddedPostgres
from config.paths import DATA, PROJECT

STOP_SECONDS = 12.0
READY_SECONDS = 60.0
PAUSES = (0.2, 1.0, 2.0, 5.0, 10.0)
STABLE_SECONDS = 30.0


@dataclass(slots=True)
class Child:
    """One supervised process: its command, its process kind, and how it is doing."""

    name: str
    process: Process
    command: list[str]
    running: subprocess.Popen[str] | None = None
    started_at: float = 0.0
    failures: int = 0
    next_start_at: float = 0.0

    def start(self) -> None:
        """Start it in a process group of its own, so that it can be stopped with everything it started."""
        self.running = subprocess.Popen(
            self.command,
            cwd=PROJECT,
            env={**os.environ, "COUNTERSIGN_PROCESS": self.process.value, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started_at = time.monotonic()
        (DATA / f"{self.name}.pid").write_text(str(self.running.pid), encoding="utf-8")
        threading.Thread(target=self._relay, args=(self.running,), daemon=True).start()

    def _relay(self, running: subprocess.Popen[str]) -> None:
        assert running.stdout is not None
        for line in running.stdout:
            print(f"{self.name:<7} | {line.rstrip()}", flush=True)

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the process and everything it started."""
        if self.running is not None:
            try:
                os.killpg(self.running.pid, number)
            except ProcessLookupError:
                return

    def restart_if_dead(self) -> None:
        """Start it again when it died, after a pause that grows with each quick death."""
        now = time.monotonic()
        if self.running is not None and self.running.poll() is None:
            return
        if self.running is not None:
            lived = now - self.started_at
            print(f"{self.name:<7} | ended with {self.running.returncode} after {lived:.0f} s; starting it again", flush=True)
            # What a killed parent left behind must not go on beside its successor.
            self.signal_group(signal.SIGKILL)
            self.failures = 0 if lived > STABLE_SECONDS else self.failures + 1
            self.next_start_at = now + PAUSES[min(self.failures, len(PAUSES) - 1)]
            self.running = None
        if now >= self.next_start_at:
            self.start()


@dataclass(slots=True)
class Supervisor:
    """All children of one installation."""

    children: list[Child]
    is_stopping: bool = field(default=False)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Ask the loop to end; the handler of SIGINT and SIGTERM."""
        del signum, frame
        self.is_stopping = True

    def run(self, *, on_ready: threading.Thread) -> None:
        """Keep every child running until asked to stop, then stop them."""
        for child in self.children:
            child.start()
        on_ready.start()
        while not self.is_stopping:
            for child in self.children:
                child.restart_if_dead()
            time.sleep(0.2)
        self.stop()

    def stop(self) -> None:
        """Stop every child: politely, then after a while for good."""
        for child in self.children:
            child.signal_group(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children:
            if child.running is None:
                continue
            try:
                child.running.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.signal_group(signal.SIGKILL)
                child.running.wait()
            (DATA / f"{child.name}.pid").unlink(missing_ok=True)


def children(host: str, port: int, web_processes: int) -> list[Child]:
    """Return the process list of one machine."""
    manage = [sys.executable, "manage.py"]
    web = [sys.executable, "-m", "config.serve", "--host", host, "--port", str(port), "--processes", str(web_processes)]
    return [
        Child("web", Process.WEB, web),
        Child("worker", Process.WORKER, [*manage, "qcluster"]),
        Child("sealer", Process.SEALER, [*manage, "audit_sealer"]),
    ]


def main() -> int:
    """Run the installation until Ctrl-C; return 0 after a clean stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=os.environ.get("COUNTERSIGN_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("COUNTERSIGN_PORT", "8000")))
    parser.add_argument("--web-processes", type=int, default=2)
    parser.add_argument("--sample", action="store_true", help="load sample data and print the sample people")
    options = parser.parse_args()
    DATA.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("COUNTERSIGN_PUBLIC_URL", f"http://localhost:{options.port}")
    if options.sample:
        os.environ.setdefault("COUNTERSIGN_DEMO", "on")
    # Signals count from the first instant: a stop during set-up must leave PostgreSQL stopped as well.
    supervisor = Supervisor(children(options.host, options.port, options.web_processes))
    signal.signal(signal.SIGTERM, supervisor.request_stop)
    signal.signal(signal.SIGINT, supervisor.request_stop)
    server = _start_postgres()
    try:
        _set_up(with_sample=options.sample)
        if not supervisor.is_stopping:
            ready = threading.Thread(target=_announce, args=(options.port, options.sample), daemon=True)
            supervisor.run(on_ready=ready)
    except subprocess.CalledProcessError as error:
        print(f"Set-up stopped: {' '.join(map(str, error.cmd[1:]))} ended with {error.returncode}.", file=sys.stderr)
        return 1
    finally:
        if server is not None:
            URL_FILE.unlink(missing_ok=True)
            server.stop()
    print("Stopped.", flush=True)
    return 0


def _start_postgres() -> EmbeddedPostgres | None:
    if "DATABASE_URL" in os.environ and "LEDGER_DATABASE_URL" in os.environ:
        return None
    print("Starting PostgreSQL …", flush=True)
    server = EmbeddedPostgres(DATA / "postgres")
    os.environ.update(server.environment())
    # Commands in other terminals (verify, bundles, replay) find the databases through this file.
    URL_FILE.write_text("\n".join(server.environment().values()), encoding="utf-8")
    return server


def _set_up(*, with_sample: bool) -> None:
    command = [sys.executable, "manage.py", "set_up", *(["--sample"] if with_sample else [])]
    # A process group of its own: Ctrl-C is answered by the supervisor, not in the middle of a migration.
    subprocess.run(command, cwd=PROJECT, check=True, start_new_session=True)


def _announce(port: int, with_sample: bool) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                if answer.status == 200:
                    break
        except (URLError, OSError):
            time.sleep(0.2)
    else:
        print("The web process does not answer yet; see its lines above.", flush=True)
        return
    print(f"\nCountersign is running at http://localhost:{port}\n", flush=True)
    people = Path(DATA / "sample" / "people.txt")
    if with_sample and people.exists():
        print(people.read_text(encoding="utf-8"), flush=True)
    print("Ctrl-C stops it; the data stays in .data/", flush=True)


if __name__ == "__main__":
    sys.exit(main())
