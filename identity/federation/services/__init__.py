"""What changes trusted issuers and federated credentials, and what exchanges a foreign token."""

from __future__ import annotations
