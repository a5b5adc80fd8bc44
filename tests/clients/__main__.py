"""Every page under docs/clients, executed: real clients against a real installation, one order approved and one rejected for each.

    make clients            # all of them
    make clients ONLY=mcp   # those whose name contains a text

What is printed is read from the gate's database and from what the clients said; exits 1 when one of them did not get there. Then
schemathesis looks for answers that the OpenAPI document does not know, and the conformance kit at the MCP door.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from config.paths import PROJECT
from tests.clients.deciding import COMMENT, PREFIX, REJECTED, someone_decides
from tests.clients.environments import FRAMEWORKS, KIT, LANGCHAIN, OAUTH, SCHEMATHESIS, STRANDS, TYPESCRIPT, Environment
from tests.clients.fuzzing import fuzz
from tests.clients.kills import AGENTS, survive
from tests.clients.kit import conform
from tests.journey.installation import RealInstallation

PAGES = PROJECT / "docs" / "clients"
BLOCK = re.compile(r"```(?:python|js)\n(.*?)```", re.DOTALL)
RUN_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Client:
    """One script of one page; `block` counts the page's scripts, `package` names the one whose version is shown."""

    name: str
    page: str
    environment: Environment
    package: str
    block: int = 0
    agent: str = "strict"
    variables: dict[str, str] = field(default_factory=dict)


CLIENTS = (
    Client("mcp, modern era", "mcp.md", FRAMEWORKS, "mcp"),
    Client("mcp, legacy era", "mcp.md", FRAMEWORKS, "mcp", variables={"MCP_MODE": "legacy"}),
    Client("mcp with tasks", "mcp.md", FRAMEWORKS, "mcp", block=1),
    Client("OpenAI Agents SDK", "openai-agents.md", FRAMEWORKS, "openai-agents"),
    Client("Pydantic AI", "pydantic-ai.md", FRAMEWORKS, "pydantic-ai-slim"),
    Client("Microsoft Agent Framework", "agent-framework.md", FRAMEWORKS, "agent-framework-core"),
    Client("Google ADK", "google-adk.md", FRAMEWORKS, "google-adk"),
    Client("AWS Strands", "strands.md", STRANDS, "strands-agents"),
    Client("LangChain", "langchain.md", LANGCHAIN, "langchain-mcp-adapters"),
    Client("TypeScript, modern era", "typescript.md", TYPESCRIPT, "@modelcontextprotocol/client", agent="plain"),
    Client(
        "TypeScript, legacy era",
        "typescript.md",
        TYPESCRIPT,
        "@modelcontextprotocol/client",
        agent="plain",
        variables={"MCP_MODE": "legacy"},
    ),
    Client("requests_oauth2client", "oauth.md", OAUTH, "requests_oauth2client", agent="plain"),
)


# What looks at the doors instead of going through them.
TOOLS = {"schemathesis": SCHEMATHESIS, "conformance kit": KIT}
LIMITS = ("COUNTERSIGN_RATE_REFUSED", "COUNTERSIGN_RATE_AGENT", "COUNTERSIGN_RATE_TOOL")


@dataclass(frozen=True, slots=True)
class Agent:
    """A registered agent: its id and the file with its private key."""

    public_id: str
    key: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one client: a fault is empty when it got there."""

    client: Client
    version: str
    waits: bool
    document: str
    refusal: str
    seconds: float
    fault: str


def main() -> int:
    """Build the environments, run the clients, print the table."""
    parser = argparse.ArgumentParser(description="Run every client of docs/clients against a real installation.")
    parser.add_argument("--only", default="", help="only clients whose name contains this")
    parser.add_argument("--kill", action="store_true", help="instead kill the example agents at many of their lines")
    options = parser.parse_args()
    if options.kill:
        return kill()
    only = options.only.lower()
    chosen = [client for client in CLIENTS if only in client.name.lower()]
    tools = {name: environment for name, environment in TOOLS.items() if only in name}
    for environment in dict.fromkeys([*(client.environment for client in chosen), *tools.values()]):
        environment.build()
    # Everybody here comes from one address, and some of them knock wrongly on purpose.
    installation = RealInstallation(settings=dict.fromkeys(LIMITS, "off"))
    faults = {}
    print(f"Starting an installation at {installation.address} …", flush=True)
    try:
        installation.start()
        with tempfile.TemporaryDirectory() as directory:
            agents = {kind: _registered(installation, Path(directory), kind) for kind in ("strict", "plain")}
            with someone_decides(installation):
                outcomes = [_tried(installation, client, agents[client.agent], number) for number, client in enumerate(chosen)]
            if "schemathesis" in tools:
                print("schemathesis …", flush=True)
                faults["schemathesis"] = fuzz(installation.address, agents["strict"].public_id, agents["strict"].key)
        installation.stop()
    finally:
        installation.remove()
    if "conformance kit" in tools:
        print("conformance kit …", flush=True)
        faults["conformance kit"] = conform()
    _print(outcomes)
    for name, fault in faults.items():
        print(f"{name}: {fault or 'nothing found'}")
    return 1 if any(outcome.fault for outcome in outcomes) or any(faults.values()) or not [*outcomes, *faults] else 0


def kill() -> int:
    """Kill each example agent at every eighth line it executes; return 1 when one of them lost an order or made two."""
    installation = RealInstallation(settings=dict.fromkeys(LIMITS, "off"))
    print(f"Starting an installation at {installation.address} …", flush=True)
    try:
        installation.start()
        with someone_decides(installation):
            faults = [fault for agent in AGENTS for fault in survive(installation, agent, range(1, 300, 8))]
        installation.stop()
    finally:
        installation.remove()
    print("\n".join(faults) or "Each order stands in the ERP exactly once.")
    return 1 if faults else 0


def _registered(installation: RealInstallation, directory: Path, kind: str) -> Agent:
    key = directory / f"{kind}.pem"
    answer = installation.run(sys.executable, "-m", "tests.clients.register", kind, str(key))
    if answer.returncode:
        raise SystemExit(f"The {kind} agent could not be registered:\n{answer.stderr[-2000:]}")
    return Agent(answer.stdout.split()[-1], key)


def _tried(installation: RealInstallation, client: Client, agent: Agent, number: int) -> Outcome:
    """Run the client's script twice, for an order that is approved and one that is rejected, and look at what stands afterwards."""
    print(f"{client.name} …", flush=True)
    started = time.monotonic()
    references = (f"{PREFIX}{number}", f"{PREFIX}{number}{REJECTED}")
    with ThreadPoolExecutor(2) as pool:
        approved, rejected = pool.map(lambda reference: _run(installation, client, agent, reference), references)
    seconds = time.monotonic() - started
    documents, states = (
        [_landed(installation, reference) for reference in references],
        [_states(installation, reference) for reference in references],
    )
    document = documents[0][0] if documents[0] else ""
    faults = [
        *([f"the approved order: {approved.text[-1500:]}"] if approved.code or not document or document not in approved.text else []),
        *([f"the rejected order: {rejected.text[-1500:]}"] if rejected.code or COMMENT not in rejected.text else []),
        *([f"landed: {documents}"] if [len(found) for found in documents] != [1, 0] else []),
        *([f"states: {states}"] if states != [["approved"], ["rejected"]] else []),
    ]
    waits = "It is approved and stands in the ERP" in approved.text
    return Outcome(
        client, client.environment.version(client.package), waits, document, "seen" if not faults else "", seconds, "\n".join(faults)
    )


@dataclass(frozen=True, slots=True)
class Run:
    """How a script ended and what it printed."""

    code: int
    text: str


def _run(installation: RealInstallation, client: Client, agent: Agent, reference: str) -> Run:
    script = BLOCK.findall((PAGES / client.page).read_text(encoding="utf-8"))[client.block]
    is_python = not client.environment.npm
    # Beside its packages: Node looks for them from the script's own place.
    file = client.environment.place / f"{reference}.{'py' if is_python else 'mjs'}"
    file.write_text(script, encoding="utf-8")
    own = {
        "PATH": client.environment.path,
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(PROJECT / "examples"),
        "OTEL_SDK_DISABLED": "true",
    }
    asked = {
        "COUNTERSIGN_URL": installation.address,
        "AGENT_ID": agent.public_id,
        "AGENT_KEY": str(agent.key),
        "ORDER_REFERENCE": reference,
    }
    command = [str(client.environment.python) if is_python else str(client.environment.place / "bin" / "node"), str(file)]
    try:
        ended = subprocess.run(
            command, env=own | asked | client.variables, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        return Run(-1, f"no end after {RUN_SECONDS} s: {error.stdout!r}")
    finally:
        file.unlink()
    return Run(ended.returncode, ended.stdout + ended.stderr)


def _landed(installation: RealInstallation, reference: str) -> list[str]:
    """Return the documents in the ledger whose order has this reference."""
    return [
        str(number)
        for (number,) in installation.ask("SELECT number FROM ledger_purchaseorder WHERE order_reference = %s", reference, database=1)
    ]


def _states(installation: RealInstallation, reference: str) -> list[str]:
    """Return the states of the proposals made under this key, in the gate."""
    return [str(state) for (state,) in installation.ask("SELECT state FROM proposals_proposal WHERE idempotency_key = %s", reference)]


def _print(outcomes: Sequence[Outcome]) -> None:
    rows = [("client", "version", "a write answers with", "approved", "rejected", "seconds")]
    for item in outcomes:
        ends = (item.document, "refusal seen") if not item.fault else ("FAILED", "")
        rows.append((item.client.name, item.version, "its end (task)" if item.waits else "pending", *ends, f"{item.seconds:.0f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print()
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    for item in outcomes:
        if item.fault:
            print(f"\n{item.client.name}:\n{item.fault}")


if __name__ == "__main__":
    sys.exit(main())
