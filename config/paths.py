"""Where an installation keeps what is not in PostgreSQL: secrets, checkpoints, the embedded PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("COUNTERSIGN_DATA_DIR", PROJECT / ".data"))
SECRETS = Path(os.environ.get("COUNTERSIGN_SECRETS_DIR", DATA / "secrets"))
CHECKPOINTS = Path(os.environ.get("COUNTERSIGN_CHECKPOINT_DIR", DATA / "checkpoints"))
SAMPLE = DATA / "sample"
EVIDENCE = Path(os.environ.get("COUNTERSIGN_EVIDENCE_DIR", DATA / "evidence"))
