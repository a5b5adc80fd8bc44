"""What a caller proved: which agent it is, and by what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from audit.records import Subject
from identity.models import Agent
from kernel.actors import Actor, ActorKind


@dataclass(frozen=True, slots=True)
class ForeignToken:
    """The foreign token that proved an agent: whose it is, what tells it from others, and the subject's digest for the event."""

    issuer_id: UUID
    issuer_public_id: str
    issuer_kind: str
    digest: bytes
    subject_digest: str

    def as_outcome(self) -> dict[str, object]:
        """Return how it stands in an event: nothing of it is a person's or machine's name."""
        return {"kind": self.issuer_kind, "issuer": self.issuer_public_id, "subject_digest": self.subject_digest}


@dataclass(frozen=True, slots=True)
class ProvenAgent:
    """An agent, and what proved that it is the one asking.

    `credential` stands for that in the token's claim of this name and in every event: a key's thumbprint, or the id of a federated
    credential. A token never outlives `credential_ends_at`. What proved it counts once: `used_id` is remembered until `used_until`,
    when it ends by itself; a `foreign` token is remembered with the key that its access token is bound to.
    """

    agent: Agent
    credential: str
    credential_ends_at: datetime
    used_id: str
    used_until: datetime
    foreign: ForeignToken | None = None

    def actor(self) -> Actor:
        """Return the agent as it stands in an event."""
        return Actor(ActorKind.AGENT, self.agent.public_id, credential=self.credential)


@dataclass(slots=True)
class Known:
    """What is known of the caller so far, for the event: nobody is called an agent before it has proved to be one."""

    actor: Actor
    subject: Subject

    @classmethod
    def nobody(cls) -> Known:
        """Return what is known at the start."""
        return cls(Actor.system("token-endpoint"), Subject("agent", "unknown"))
