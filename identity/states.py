"""The states of agents and grants, and the transitions between them."""

from __future__ import annotations

from django.db.models import TextChoices

from kernel.transitions import Transitions


class AgentState(TextChoices):
    """Where an agent is in its life; `decommissioned` is the end."""

    DRAFT = "draft", "Draft"
    ACTIVE = "active", "Active"
    SUSPENDED = "suspended", "Suspended"
    DECOMMISSIONED = "decommissioned", "Decommissioned"


class Suspension(TextChoices):
    """Why an agent is suspended: who or what has to happen before it may work again."""

    PERSON = "person", "A person suspended it"
    REVIEW = "review_overdue", "Its review date has passed"
    UNACCOUNTABLE = "unaccountable", "Its owner or sponsor can no longer answer for it"


class GrantState(TextChoices):
    """How far a grant goes: `log_only` proposes but nothing commits, `active` does what its tool does."""

    LOG_ONLY = "log_only", "Log only"
    ACTIVE = "active", "Active"
    REVOKED = "revoked", "Revoked"


class IssuerState(TextChoices):
    """Whether an issuer's tokens count: only once a second person has activated it, and not while it is suspended."""

    PROPOSED = "proposed", "Waits for a second person"
    ACTIVE = "active", "Active"
    SUSPENDED = "suspended", "Suspended"


AGENT_TRANSITIONS: Transitions = {
    AgentState.DRAFT: frozenset({AgentState.ACTIVE, AgentState.DECOMMISSIONED}),
    AgentState.ACTIVE: frozenset({AgentState.SUSPENDED, AgentState.DECOMMISSIONED}),
    AgentState.SUSPENDED: frozenset({AgentState.ACTIVE, AgentState.DECOMMISSIONED}),
    AgentState.DECOMMISSIONED: frozenset(),
}
GRANT_TRANSITIONS: Transitions = {
    GrantState.LOG_ONLY: frozenset({GrantState.ACTIVE, GrantState.REVOKED}),
    GrantState.ACTIVE: frozenset({GrantState.REVOKED}),
    GrantState.REVOKED: frozenset(),
}
ISSUER_TRANSITIONS: Transitions = {
    IssuerState.PROPOSED: frozenset({IssuerState.ACTIVE, IssuerState.SUSPENDED}),
    IssuerState.ACTIVE: frozenset({IssuerState.SUSPENDED}),
    IssuerState.SUSPENDED: frozenset({IssuerState.ACTIVE}),
}
