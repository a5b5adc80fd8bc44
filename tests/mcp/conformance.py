"""The official conformance kit against this server; run by hand and by `make clients`, never by `make test`.

    CONFORMANCE_KIT=<directory where npm installed it> pytest tests/mcp/conformance.py

The kit can send no header, so a second server of the same application puts a token into each request. Its scenarios about tasks call
tools of their own; here those propose orders through the real door and decide on them by themselves, so that what is looked at are the
real tasks. What is expected to fail, and why, stands in expected-failures.yml.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from mcp_types import CallToolResult, TextContent, Tool

from identity.principals import AgentPrincipal
from proposals.mcp import calls, tools
from proposals.representation import Json
from proposals.states import ProposalState
from tests.builders.proposals import a_key
from tests.mcp.standing import ORDER, Standing, an_order, running_server
from tests.mcp.test_propose import commit, decide

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])

KIT = os.environ.get("CONFORMANCE_KIT", "")
EXPECTED = Path(__file__).with_name("expected-failures.yml")
SCENARIOS = (
    # scenario, version of the specification; the extension's own scenarios have none
    ("server-initialize", "2025-11-25"),
    ("ping", "2025-11-25"),
    ("tools-list", "2025-06-18"),
    ("tools-list", "2025-11-25"),
    ("tools-list", "2026-07-28"),
    ("dns-rebinding-protection", "2025-11-25"),
    ("dns-rebinding-protection", "2026-07-28"),
    ("http-header-validation", "2026-07-28"),
    ("server-stateless", "2026-07-28"),
    ("caching", "2026-07-28"),
    ("tasks-capability-negotiation", ""),
    ("tasks-wire-fields", ""),
    ("tasks-request-state-removal", ""),
    ("tasks-request-headers", ""),
    ("tasks-dispatch-and-envelope", ""),
    ("tasks-lifecycle", ""),
)
PROPOSING = ("slow_compute", "failing_job")
# Called to see that nothing is logged to the client, or asked of it, on the way; nothing ever is.
SILENT = ("greet", "test_logging_tool", "test_streaming_elicitation")


@pytest.fixture(scope="module")
def address(standing: Standing) -> Iterator[str]:
    """Return the address of a server that knows the kit's tools and lets everybody in as alice's agent."""
    knocker = standing.agents["alice"]

    def letting_in(application: Any) -> Any:
        async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                token = f"Bearer {tokens[0]}".encode()
                scope = {**scope, "headers": [*scope["headers"], (b"authorization", token)]}
            await application(scope, receive, send)

        return wrapped

    tokens = [knocker.token()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("proposals.mcp.server.call_tool", call_tool)
        patch.setattr("proposals.mcp.server.listed_tools", listed_tools)
        with running_server(letting_in) as found:
            yield found


def listed_tools(principal: AgentPrincipal, now: datetime) -> list[Tool]:
    """Return the tools of the token and those of the kit."""
    return [
        *tools.listed_tools(principal, now),
        *(_listing(name) for name in (*SILENT, *PROPOSING)),
    ]


def _listing(name: str) -> Tool:
    return Tool(name=name, description="A tool of the kit.", input_schema={"type": "object"})


def call_tool(
    *, principal: AgentPrincipal, name: str, arguments: Mapping[str, Any], takes_tasks: bool, now: datetime
) -> CallToolResult | Json:
    """Call a tool; those of the kit propose an order that is decided on at once or after some seconds."""
    if name in SILENT:
        return CallToolResult(content=[TextContent(type="text", text=f"Hello, {arguments.get('name', 'you')}!")])
    if name not in PROPOSING:
        return calls.call_tool(principal=principal, name=name, arguments=arguments, takes_tasks=takes_tasks, now=now)
    order = an_order(a_key())
    found = calls.call_tool(principal=principal, name=ORDER, arguments=order, takes_tasks=takes_tasks, now=now)
    proposal_id = str(found["taskId"] if isinstance(found, dict) else found.structured_content["proposal_id"])
    seconds = float(arguments.get("seconds", 1))
    if seconds:
        timer = threading.Timer(seconds, _decide, [name, proposal_id])
        timer.daemon = True
        timer.start()
        return found
    _decide(name, proposal_id)
    return calls.call_tool(principal=principal, name=ORDER, arguments=order, takes_tasks=takes_tasks, now=now)


def _decide(name: str, proposal_id: str) -> None:
    # The last ones are due after the tests, when nothing is there to decide on any more.
    with suppress(Exception):
        if name == "failing_job":
            decide(proposal_id, ProposalState.REJECTED, comment="Rejected for the kit.")
        else:
            commit(proposal_id)
    if threading.current_thread().name.startswith("Thread"):
        connections.close_all()


@pytest.mark.skipif(not KIT, reason="CONFORMANCE_KIT names no directory with @modelcontextprotocol/conformance")
@pytest.mark.parametrize(("scenario", "version"), SCENARIOS)
def test_scenario(address: str, tmp_path: Path, scenario: str, version: str) -> None:
    npx = shutil.which("npx")
    assert npx, "node is not on the PATH"
    command = [npx, "conformance", "server", "--url", f"{address}/mcp", "--scenario", scenario]
    command += ["--spec-version", version] if version else ["--force"]
    command += ["--expected-failures", str(EXPECTED), "--output-dir", str(tmp_path)]
    started = time.monotonic()
    done = subprocess.run(command, cwd=KIT, capture_output=True, text=True, check=False, timeout=180)
    print(done.stdout[-6000:], done.stderr[-2000:], f"{time.monotonic() - started:.1f} s")
    assert done.returncode == 0, done.stdout[-3000:]
