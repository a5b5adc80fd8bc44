"""The refusals about thresholds."""

from __future__ import annotations

from kernel.errors import PermissionRefused


class OwnThresholds(PermissionRefused):
    """A second person activates thresholds: their author is excluded."""

    code = "sod_thresholds_author"
    title = "A second person activates thresholds"
