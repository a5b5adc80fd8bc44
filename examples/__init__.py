"""Agents that use Countersign as anybody's agent would: over HTTP, with a key of their own, surviving a kill at any line."""

from __future__ import annotations

import os
from pathlib import Path

# Where the installation that `make run` starts puts the keys and passwords of its sample data.
DATA = Path(os.environ.get("COUNTERSIGN_DATA_DIR", ".data"))
