"""Start everything with one command and keep it running: PostgreSQL when none is given, set-up, web, worker, sealer, bulk.

Children that die are started again after a growing pause; Ctrl-C or SIGTERM stops them, and PostgreSQL last. When this process
itself is killed, the next start ends what it left running. Who is alive is told by file locks, which no death survives: this
process locks `supervisor.lock`, each child its own pid file.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

from config.databases import URL_FILE, Process
from config.embedded_postgres import EmbeddedPostgres
from config.paths import DATA, PROJECT

STOP_SECONDS = 12.0
READY_SECONDS = 60.0
PAUSES = (0.2, 1.0, 2.0, 5.0, 10.0)
STABLE_SECONDS = 30.0
PORT_SECONDS = 5.0


@dataclass(slots=True)
class Child:
    """One supervised process: its command, its process kind, and how it is doing."""

    name: str
    process: Process
    command: list[str]
    cluster: str = "commit"
    running: subprocess.Popen[str] | None = None
    started_at: float = 0.0
    failures: int = 0
    next_start_at: float = 0.0

    def start(self) -> None:
        """Start it in a process group of its own, so that it can be stopped with everything it started."""
        with locked_pid_file(self.name) as file:
            self.running = subprocess.Popen(
                self.command,
                cwd=PROJECT,
                env={
                    **os.environ,
                    "COUNTERSIGN_PROCESS": self.process.value,
                    "COUNTERSIGN_CLUSTER": self.cluster,
                    "PYTHONUNBUFFERED": "1",
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                pass_fds=[file.fileno()],
            )
            file.write(str(self.running.pid))
        self.started_at = time.monotonic()
        threading.Thread(target=self._relay, args=(self.running,), daemon=True).start()

    def _relay(self, running: subprocess.Popen[str]) -> None:
        assert running.stdout is not None
        for line in running.stdout:
            print(f"{self.name:<7} | {line.rstrip()}", flush=True)

    def ask_to_stop(self) -> None:
        """Ask the process to stop; it stops what it started itself, in its own order."""
        if self.running is not None:
            self.running.terminate()

    def kill_group(self) -> None:
        """Kill the process and everything it started that still runs."""
        if self.running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.running.pid, signal.SIGKILL)

    def restart_if_dead(self) -> None:
        """Start it again when it died, after a pause that grows with each quick death."""
        now = time.monotonic()
        if self.running is not None and self.running.poll() is None:
            return
        if self.running is not None:
            lived = now - self.started_at
            print(f"{self.name:<7} | ended with {self.running.returncode} after {lived:.0f} s; starting it again", flush=True)
            # What a killed parent left behind must not go on beside its successor.
            self.kill_group()
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
        try:
            for child in self.children:
                child.start()
            on_ready.start()
            while not self.is_stopping:
                for child in self.children:
                    child.restart_if_dead()
                time.sleep(0.2)
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop every child: politely, then after a while for good."""
        for child in self.children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children:
            if child.running is None:
                continue
            try:
                child.running.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                print(f"{child.name:<7} | does not stop by itself; killing it", flush=True)
            child.kill_group()
            child.running.wait()
            pid_path(child.name).unlink(missing_ok=True)


def children(host: str, port: int, web_processes: int) -> list[Child]:
    """Return the process list of one machine."""
    manage = [sys.executable, "manage.py"]
    web = [sys.executable, "-m", "config.serve", "--host", host, "--port", str(port), "--processes", str(web_processes)]
    return [
        Child("web", Process.WEB, web),
        Child("worker", Process.WORKER, [*manage, "qcluster"]),
        Child("sealer", Process.SEALER, [*manage, "audit_sealer"]),
        Child("bulk", Process.BULK, [*manage, "qcluster"], cluster="bulk"),
    ]


def main() -> int:
    """Run the installation until Ctrl-C, unless it runs already or cannot have the port; return 0 after a clean stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=os.environ.get("COUNTERSIGN_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("COUNTERSIGN_PORT", "8000")))
    parser.add_argument("--web-processes", type=int, default=2)
    parser.add_argument("--sample", action="store_true", help="load sample data and print the sample people")
    options = parser.parse_args()
    DATA.mkdir(parents=True, exist_ok=True)
    with (DATA / "supervisor.lock").open("w", encoding="ascii") as lock:
        if not is_locked_by_us(lock):
            print(f"Countersign already runs with the data in {DATA}; stop it first.", file=sys.stderr)
            return 1
        # What was killed lets go of the port a moment later.
        patience = PORT_SECONDS if end_leftovers() else 0.0
        if not is_free(options.host, options.port, patience=patience):
            print(f"Port {options.port} is taken; choose another one: PORT={options.port + 1} make run", file=sys.stderr)
            return 1
        return serve(options)


def serve(options: argparse.Namespace) -> int:
    """Run everything until told to stop; return 0 after a clean stop."""
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


def pid_path(name: str) -> Path:
    """Return the file that holds the pid of a child, locked by the child as long as it lives."""
    return DATA / f"{name}.pid"


@contextmanager
def locked_pid_file(name: str) -> Iterator[IO[str]]:
    """Give the new pid file of a child, to be passed on to it: the lock lives as long as somebody has the file open."""
    pid_path(name).unlink(missing_ok=True)
    with pid_path(name).open("x", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file


def is_locked_by_us(file: IO[str]) -> bool:
    """Return whether we hold the lock on an open file now; False when a living process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def end_leftovers() -> bool:
    """End the children that a killed supervisor left running: they still hold their locks. Return whether there were any."""
    has_ended = False
    for path in DATA.glob("*.pid"):
        with path.open("r+", encoding="ascii") as file:
            if not is_locked_by_us(file) and (number := file.read()):
                print(f"{path.stem:<7} | left by a supervisor that was killed; ending it", flush=True)
                with suppress(ProcessLookupError):
                    os.killpg(int(number), signal.SIGKILL)
                fcntl.flock(file, fcntl.LOCK_EX)
                has_ended = True
        path.unlink()
    return has_ended


def is_free(host: str, port: int, *, patience: float) -> bool:
    """Return whether the address can be had, now or within so many seconds."""
    deadline = time.monotonic() + patience
    while True:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((host, port))
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)


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
    with locked_pid_file("set_up") as file:
        # A process group of its own: Ctrl-C is answered by the supervisor, not in the middle of a migration.
        running = subprocess.Popen(command, cwd=PROJECT, start_new_session=True, pass_fds=[file.fileno()])
        file.write(str(running.pid))
    code = running.wait()
    pid_path("set_up").unlink()
    if code:
        raise subprocess.CalledProcessError(code, command)


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
