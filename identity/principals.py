"""The agent behind a request, as its access token and its present state make it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal
from uuid import UUID

from identity.errors import TokenScopeMismatch
from kernel.actors import Actor, ActorKind
from kernel.ids import Prefix, encode

Action = Literal["read", "propose"]


@dataclass(frozen=True, slots=True)
class AgentPrincipal:
    """An agent that may do one action with one tool in one company until its token runs out.

    `resource` ("vendor:1580") and `ceiling_minor` narrow the token below the grant; both are optional.
    """

    # DRF asks `request.user` for this.
    is_authenticated: ClassVar[bool] = True

    agent_id: UUID
    agent_name: str
    action: Action
    tool: str
    company: str
    resource: str
    ceiling_minor: int | None
    currency: str
    grant_id: UUID
    credential_thumbprint: str
    token_id: str

    @property
    def public_id(self) -> str:
        """Return the agent's TypeID."""
        return encode(Prefix.AGENT, self.agent_id)

    def actor(self) -> Actor:
        """Return the agent as it stands in an audit event, with the key it authenticated with."""
        return Actor(ActorKind.AGENT, self.public_id, credential=self.credential_thumbprint)

    def __str__(self) -> str:
        """Return the agent's name."""
        return self.agent_name


def require_token_for(
    principal: AgentPrincipal, *, action: Action | None = None, tool: str | None = None, company: str | None = None
) -> None:
    """The token covers this action, tool and company; what is None is not asked for.

    Raises TokenScopeMismatch naming both what was wanted and what the token is for.
    """
    wanted = {"action": action, "tool": tool, "company": company}
    held = {"action": principal.action, "tool": principal.tool, "company": principal.company}
    wrong = [name for name, value in wanted.items() if value is not None and value != held[name]]
    if not wrong:
        return
    differences = ", ".join(f"{name} {str(wanted[name])[:64]!r} (the token is for {held[name]!r})" for name in wrong)
    raise TokenScopeMismatch(
        detail=f"This needs a token for {differences}.",
        data={"needed": {name: str(wanted[name])[:64] for name in wrong}, "held": {name: held[name] for name in wrong}},
    )
