"""Wake-ups of retention; the lists in the database say what there is to do."""

from __future__ import annotations

from audit.retention import services
from audit.retention.models import Disposal
from audit.retention.states import DisposalState
from kernel import clock
from kernel.context import Origin, origin


def carry_out(disposal_id: str) -> str:
    """The list that two people approved is carried out, and with it any other that was interrupted."""
    with origin(Origin(channel="task")):
        done = services.carry_out(disposal_id=disposal_id, now=clock.now())
    return f"{disposal_id} {done.state}: {done.shredded} shredded"


def is_interrupted() -> bool:
    """Tell whether an approved list waits to be carried out, because its wake-up was lost or its worker died."""
    return Disposal.objects.filter(state=DisposalState.APPROVED).exists()


def carry_on() -> str:
    """Every approved list is carried out."""
    waiting = list(Disposal.objects.filter(state=DisposalState.APPROVED).order_by("id"))
    return ", ".join(carry_out(disposal.public_id) for disposal in waiting) or "nothing waits"


def list_due() -> str:
    """What is past its retention is listed once a day; called every hour, harmless when there is nothing to do."""
    with origin(Origin(channel="task")):
        made = services.list_due(now=clock.now())
    return f"{made.public_id}: {made.listed} listed" if made else "nothing listed"
