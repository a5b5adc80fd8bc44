"""The model of the commit protocol, explored by Hypothesis; HYPOTHESIS_PROFILE=deep explores for minutes instead of seconds."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.builders.commits import make_gate
from tests.chaos.protocol import Line, Protocol

pytestmark = [pytest.mark.django_db(databases=["default", "ledger"]), pytest.mark.slow]

UNHURRIED = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
# The short one explores the same interleavings in every run, so that a red one is red again, and does not spend minutes on shrinking it.
SHORT = settings(UNHURRIED, max_examples=7, stateful_step_count=30, derandomize=True, phases=[Phase.generate])
DEEP = settings(UNHURRIED, max_examples=150, stateful_step_count=40)


def test_no_interleaving_breaks_the_protocol() -> None:
    Protocol.gate = make_gate()
    Protocol.reached.clear()
    run_state_machine_as_test(Protocol, settings=DEEP if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else SHORT)
    # An exploration that never came to these places would hold whatever the code does.
    sent = {line: count for line in Line if (count := Protocol.reached[str(line)])}
    assert len(sent) >= 5, Protocol.reached
    assert sum(sent.values()) >= 10, Protocol.reached
    assert Protocol.reached["claimed again"], Protocol.reached
