"""Which database role each process gets: least privilege by process, one place that says so."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from config.paths import DATA
from config.secret_store import secret

URL_FILE = DATA / "postgres-urls"


class Process(StrEnum):
    """The kinds of process; `OWNER` migrates, loads data and runs tests, the others serve."""

    OWNER = "owner"
    WEB = "web"
    WORKER = "worker"
    BULK = "bulk"
    SEALER = "sealer"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Roles:
    """The role a process has in each database; None means the owner of the URL itself."""

    action: str | None
    ledger: str | None


RUNTIME = "countersign_runtime"
SEALER = "countersign_sealer"
LEDGER_READER = "countersign_ledger_reader"
LEDGER_WRITER = "countersign_ledger_writer"

ROLES = {
    Process.OWNER: Roles(None, None),
    Process.WEB: Roles(RUNTIME, LEDGER_READER),
    Process.WORKER: Roles(RUNTIME, LEDGER_WRITER),
    # Reconciliation and exports read the ledger; only the commit worker writes to it.
    Process.BULK: Roles(RUNTIME, LEDGER_READER),
    Process.SEALER: Roles(SEALER, LEDGER_READER),
    Process.AUDITOR: Roles(SEALER, LEDGER_READER),
}

# A write to the embedded ERP has a timeout like one to any other: below the lease, and the server rolls back what runs into it.
LIMITS = {Process.WORKER: "-c statement_timeout=20s -c lock_timeout=10s"}


def current_process() -> Process:
    """Return the kind of process this is, from `COUNTERSIGN_PROCESS`; commands run as the owner unless told otherwise."""
    return Process(os.environ.get("COUNTERSIGN_PROCESS", Process.OWNER.value))


def database_settings(process: Process) -> dict[str, dict[str, Any]]:
    """Return Django's DATABASES for this kind of process."""
    urls = _urls()
    suffix = os.environ.get("COUNTERSIGN_TEST_SUFFIX", "")
    ending = f"_{suffix}" if suffix else ""
    roles = ROLES[process]
    return {
        "default": _settings(urls[0], roles.action, process, test_name=f"test_countersign{ending}"),
        "ledger": _settings(urls[1], roles.ledger, process, test_name=f"test_ledger{ending}", limits=LIMITS.get(process, "")),
    }


def role_password(role: str) -> str:
    """Return the password of a runtime role, made at the first start."""
    return secret(f"database_password_{role}")


def _urls() -> tuple[str, str]:
    action, ledger = os.environ.get("DATABASE_URL", ""), os.environ.get("LEDGER_DATABASE_URL", "")
    if bool(action) != bool(ledger):
        raise SystemExit("Set both DATABASE_URL and LEDGER_DATABASE_URL, or neither (then PostgreSQL is started for you).")
    if action:
        return action, ledger
    if URL_FILE.exists():
        action, ledger = URL_FILE.read_text(encoding="utf-8").split()
        return action, ledger
    return "postgresql://postgres@/countersign", "postgresql://postgres@/ledger"


def _settings(url: str, role: str | None, process: Process, *, test_name: str, limits: str = "") -> dict[str, Any]:
    parts = urlsplit(url)
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", "") or parts.hostname or ""
    if limits:
        options["options"] = " ".join(filter(None, (options.get("options"), limits)))
    if process is Process.WEB:
        options["pool"] = {"min_size": 2, "max_size": 8, "timeout": 5}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": role or unquote(parts.username or ""),
        "PASSWORD": role_password(role) if role else unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or options.pop("port", "") or ""),
        # The pool keeps connections for web threads; workers hold theirs open, which is five to ten times faster.
        "CONN_MAX_AGE": 0 if process is Process.WEB else 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
        # Django holds every database to depend on the default one; tests of the ledger alone need only its own.
        "TEST": {"NAME": test_name, "DEPENDENCIES": []},
    }
