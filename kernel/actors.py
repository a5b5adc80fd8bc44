"""Who did it, as recorded: an agent, a human or the system itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self


class ActorKind(StrEnum):
    """The three kinds of actor."""

    AGENT = "agent"
    HUMAN = "human"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor as it stands in an audit event: opaque id only, never a name or an address.

    `id` is a TypeID for agents, the decimal primary key for humans, the process name for the system.
    """

    kind: ActorKind
    id: str
    credential: str = ""
    session: str = ""
    authentication: tuple[str, ...] = field(default=())
    on_behalf_of: str = ""
    # The kind of second factor this login was made with; the delegation by whose right the actor acts, if it is not their own.
    second_factor: str = ""
    delegation: str = ""

    @classmethod
    def system(cls, name: str) -> Self:
        """Return the system actor of one process or job."""
        return cls(ActorKind.SYSTEM, name)

    @classmethod
    def human(cls, user_id: int, *, session: str = "", authentication: tuple[str, ...] = (), second_factor: str = "") -> Self:
        """Return the actor of a person, by primary key."""
        return cls(ActorKind.HUMAN, str(user_id), session=session, authentication=authentication, second_factor=second_factor)
