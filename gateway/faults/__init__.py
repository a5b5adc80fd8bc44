"""The embedded ERP's fault modes: what real ERPs did, imitated so that anybody can watch the engine survive it.

Switched per connection by `gateway.faults.switches`, and only where `settings.IS_DEMO` says so. Everywhere else nothing of this package
is asked or imported on the way of a write.
"""

from __future__ import annotations

from gateway.faults.modes import FaultMode

__all__ = ["FaultMode"]
