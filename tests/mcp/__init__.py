"""Tests of the MCP door."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.mcp.standing")
