"""The auditor's report: seventeen sections computed from the very members of the bundle it lies in, as HTML and as signed PDF."""

from __future__ import annotations

from reconciliation.evidence.report.composing import compose

__all__ = ["compose"]
