"""A real installation for tests: supervisor, PostgreSQL, web, worker and sealer, in a directory and on a port of its own."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from config.paths import PROJECT
from examples.agent_client import AgentClient

ARTIFACTS = PROJECT / "test-artifacts"
START_SECONDS = 400
STOP_SECONDS = 60
COMMAND_SECONDS = 180
# What the test run sets for itself and an installation must not see: above all the databases.
FOREIGN = ("DATABASE_URL", "LEDGER_DATABASE_URL", "PORT", "XDG_RUNTIME_DIR", "PYTEST_CURRENT_TEST")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_alive(number: int) -> bool:
    """Return whether the process runs; one that has ended and waits to be noticed does not."""
    try:
        return bool(psutil.Process(number).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@dataclass(slots=True)
class RealInstallation:
    """One installation; `start` and `stop` may alternate, the data stays until `remove`."""

    data: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="cs-")))
    port: int = field(default_factory=free_port)
    supervisor: subprocess.Popen[bytes] | None = None
    clients: list[AgentClient] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Return where people and agents find it."""
        return f"http://localhost:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of its processes: this one's, without what belongs to the test run."""
        own = {name: value for name, value in os.environ.items() if name not in FOREIGN and not name.startswith("COUNTERSIGN_")}
        # Static files too: another test process must not see them change.
        return own | self.settings | {"COUNTERSIGN_DATA_DIR": str(self.data), "COUNTERSIGN_STATIC_ROOT": str(self.data / "static")}

    @property
    def log(self) -> Path:
        """Return the file that holds what the installation printed; it stays when the data is removed."""
        return ARTIFACTS / "journey.log"

    def start(self) -> None:
        """Start everything and wait until it says where it can be reached, and can be."""
        ARTIFACTS.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "config.supervisor", "--sample", "--port", str(self.port)]
        with self.log.open("ab") as log:
            printed = log.tell()
            self.supervisor = subprocess.Popen(command, cwd=PROJECT, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while f"Countersign is running at {self.address}" not in (said := self.said(printed)):
            if self.supervisor.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"The installation did not start; see {self.log}:\n{said[-3000:]}")
            time.sleep(0.3)
        assert self.is_healthy()

    def said(self, position: int = 0) -> str:
        """Return what was printed since a position."""
        with self.log.open("rb") as log:
            log.seek(position)
            return log.read().decode()

    def is_healthy(self) -> bool:
        """Return whether the web process says that it can do its work."""
        try:
            return httpx.get(f"{self.address}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """Stop it as `Ctrl-C` and an init system do, and leave nothing behind: exit code 0, no process, no PostgreSQL."""
        assert self.supervisor is not None
        started = psutil.Process(self.supervisor.pid).children(recursive=True)
        postmaster = int((self.data / "postgres" / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        assert is_alive(postmaster)
        for client in self.clients:
            client.http.close()
        self.supervisor.send_signal(signal.SIGTERM)
        code = self.supervisor.wait(STOP_SECONDS)
        self.supervisor = None
        _, alive = psutil.wait_procs(started, timeout=5)
        assert (code, alive) == (0, [])
        assert not is_alive(postmaster)
        assert not (self.data / "postgres" / "postmaster.pid").exists()
        assert not (self.data / "postgres-urls").exists()
        assert self.said().rstrip().endswith("Stopped.")

    def kill_supervisor(self) -> list[psutil.Process]:
        """Kill the supervisor alone, without a warning; return the processes that go on without it."""
        assert self.supervisor is not None
        left: list[psutil.Process] = psutil.Process(self.supervisor.pid).children(recursive=True)
        self.supervisor.kill()
        self.supervisor.wait(STOP_SECONDS)
        assert any(process.is_running() for process in left)
        return left

    def remove(self) -> None:
        """Take the data away, and whatever still runs with it."""
        if self.supervisor is not None:
            with suppress(ProcessLookupError):
                self.supervisor.terminate()
            self.supervisor.wait(STOP_SECONDS)
        shutil.rmtree(self.data, ignore_errors=True)

    def people(self) -> dict[str, str]:
        """Return the passwords of the sample people."""
        with (self.data / "sample" / "people.csv").open(encoding="utf-8", newline="") as file:
            return {row["username"]: row["password"] for row in csv.DictReader(file)}

    def client(self, agent: str) -> AgentClient:
        """Return the client of one of the sample agents."""
        self.clients.append(AgentClient.from_files(self.address, self.data / "sample", agent))
        return self.clients[-1]

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of its commands, as somebody in another terminal would."""
        return self.run(sys.executable, "manage.py", *arguments)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in its environment and return what it said."""
        return subprocess.run(
            command, cwd=PROJECT, env=self.environment, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
        )

    def ask(self, query: str, *values: Any, database: int = 0) -> list[tuple[Any, ...]]:
        """Return the rows of a query, straight from its database: 0 is the gate's, 1 the ledger's."""
        url = (self.data / "postgres-urls").read_text(encoding="utf-8").split()[database]
        with psycopg.connect(url) as connection:
            return connection.execute(query, values).fetchall()

    def kill_worker(self) -> None:
        """Kill the worker with everything it started, as a crash would: no signal handler runs."""
        # The file is missing or empty for the moment of a restart.
        with suppress(ProcessLookupError, FileNotFoundError, ValueError):
            os.killpg(int((self.data / "worker.pid").read_text(encoding="ascii")), signal.SIGKILL)
