"""The agent behind a request, as its access token and its present state make it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal
from uuid import UUID

from identity.errors import GrantRefused, TokenScopeMismatch
from kernel.actors import Actor, ActorKind
from kernel.ids import Prefix, encode
from kernel.verdicts import Denied

Action = Literal["read", "propose"]
NAME_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class TokenDetail:
    """One thing a token is for: an action with a tool in a company, and the grant it rests on.

    `resource` ("vendor:1580") and `ceiling_minor` narrow the token below the grant; both are optional. `refusal` says why the grant
    does not cover it now; only a token of several details gets through the door with such a one.
    """

    action: Action
    tool: str
    company: str
    grant_id: UUID
    resource: str = ""
    ceiling_minor: int | None = None
    currency: str = ""
    refusal: Denied | None = None

    def summary(self) -> dict[str, str]:
        """Return what a refusal tells the agent about it."""
        return {"action": self.action, "tool": self.tool, "company": self.company}


@dataclass(frozen=True, slots=True)
class AgentPrincipal:
    """An agent that may do what its token's details say until the token runs out: one thing, or several for shape `set`."""

    # DRF asks `request.user` for this.
    is_authenticated: ClassVar[bool] = True

    agent_id: UUID
    agent_name: str
    details: tuple[TokenDetail, ...]
    credential_thumbprint: str
    token_id: str

    @property
    def public_id(self) -> str:
        """Return the agent's TypeID."""
        return encode(Prefix.AGENT, self.agent_id)

    def actor(self) -> Actor:
        """Return the agent as it stands in an audit event, with the key it authenticated with."""
        return Actor(ActorKind.AGENT, self.public_id, credential=self.credential_thumbprint)

    def allows(self, *, action: Action | None = None, tool: str | None = None, company: str | None = None) -> bool:
        """Return whether the token covers this and its grant is in force; what is None is not asked for."""
        return any(detail.refusal is None for detail in self._matching(action, tool, company))

    def detail_for(self, *, action: Action | None = None, tool: str | None = None, company: str | None = None) -> TokenDetail:
        """Return the detail of the token that covers this action, tool and company; what is None is not asked for.

        Raises TokenScopeMismatch naming both what was wanted and what the token is for, or GrantRefused when the grant behind the
        detail no longer covers it.
        """
        matching = self._matching(action, tool, company)
        if not matching:
            raise _mismatch({"action": action, "tool": tool, "company": company}, self.details)
        usable = next((detail for detail in matching if detail.refusal is None), None)
        if usable is None:
            raise GrantRefused.because(matching[0].refusal)  # type: ignore[arg-type]  # none is usable: each has a refusal
        return usable

    def _matching(self, action: Action | None, tool: str | None, company: str | None) -> list[TokenDetail]:
        return [
            detail
            for detail in self.details
            if action in {None, detail.action} and tool in {None, detail.tool} and company in {None, detail.company}
        ]

    def __str__(self) -> str:
        """Return the agent's name."""
        return self.agent_name


def _mismatch(wanted: dict[str, str | None], details: tuple[TokenDetail, ...]) -> TokenScopeMismatch:
    asked = {name: value[:NAME_LENGTH_MAX] for name, value in wanted.items() if value is not None}
    if len(details) != 1:
        needed = ", ".join(f"{name} {value!r}" for name, value in asked.items())
        return TokenScopeMismatch(
            detail=f"This needs a token for {needed}; none of the {len(details)} details of this token is.",
            data={"needed": asked, "held": [detail.summary() for detail in details]},
        )
    held = details[0].summary()
    wrong = [name for name, value in wanted.items() if value is not None and value != held[name]]
    differences = ", ".join(f"{name} {asked[name]!r} (the token is for {held[name]!r})" for name in wrong)
    return TokenScopeMismatch(
        detail=f"This needs a token for {differences}.",
        data={"needed": {name: asked[name] for name in wrong}, "held": {name: held[name] for name in wrong}},
    )
