"""What the replaying agent writes down before it acts, also when two runs of it work on one file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from examples.replay_purchase_orders import State


def test_two_runs_send_the_same(tmp_path: Path) -> None:
    first, second = State(tmp_path / "agent.sqlite3"), State(tmp_path / "agent.sqlite3")
    with closing(first), closing(second):
        assert first.intend("7", "key-of-first") == ("key-of-first", None, None)
        assert second.intend("7", "key-of-second") == ("key-of-first", None, None)
        assert first.fix_body("7", '{"remaining":"900.00"}') == '{"remaining":"900.00"}'
        assert second.fix_body("7", '{"remaining":"800.00"}') == '{"remaining":"900.00"}'
        second.keep_proposal("7", "prop_1")
        assert first.intend("7", "another") == ("key-of-first", '{"remaining":"900.00"}', "prop_1")
