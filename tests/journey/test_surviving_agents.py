"""The example agents are killed at some of their lines and started again: one order each, none twice. Thorough: make clients."""

from __future__ import annotations

import pytest

from tests.clients.deciding import someone_decides
from tests.clients.kills import survive
from tests.journey.installation import RealInstallation

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("agent", "points"), [("api_agent", (40, 95, 140)), ("mcp_agent", (95, 150))])
def test_a_kill_loses_nothing(running: RealInstallation, agent: str, points: tuple[int, ...]) -> None:
    with someone_decides(running):
        assert survive(running, agent, points) == []
