"""The tables of bundles."""

from __future__ import annotations

TABLES = ()


def sod_section(proposal):
    return {}
