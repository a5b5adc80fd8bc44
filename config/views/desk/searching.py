"""The search of the desk: proposals by period, company, agent, approver, amount, rule and document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import QueryDict

from approvals.rules import CODES, RULES
from config.views.desk.pages import agents_of, amount_of
from identity.queries import people_of
from kernel.errors import InvalidIdentifier
from kernel.ids import Prefix, decode
from kernel.money import CURRENCY_PATTERN
from proposals.models import Proposal
from proposals.states import ProposalState
from reconciliation.assurance.scope import Scope


@dataclass(frozen=True, slots=True)
class Choice:
    """One field of the search beside the period: a list when it has options."""

    name: str
    label: str
    value: str
    options: Sequence[tuple[str, str]] = ()


def fields_of(query: QueryDict, scope: Scope) -> list[Choice]:
    """Return the fields as they were filled in."""
    people = [(str(person.pk), person.get_full_name() or person.get_username()) for person in people_of(scope.companies)]
    return [
        Choice("agent", "Agent", query.get("agent", ""), agents_of(scope.companies)),
        Choice("approver", "Decided by", query.get("approver", ""), people),
        Choice("state", "State", query.get("state", ""), ProposalState.choices),
        Choice("rule", "Flag", query.get("rule", ""), [(rule.code, f"{rule.code} {rule.title}") for rule in RULES if rule.at_gate]),
        Choice("currency", "Currency", query.get("currency", "")[:3]),
        Choice("least", "Amount from", query.get("least", "")[:20]),
        Choice("most", "Amount to", query.get("most", "")[:20]),
        Choice("document", "Document", query.get("document", "")[:80]),
    ]


def found(query: QueryDict, scope: Scope) -> QuerySet[Proposal]:
    """Return the proposals that the fields ask for, newest first; a value without a form filters nothing out, but for an agent's."""
    rows = Proposal.objects.filter(company__in=scope.companies, created_at__gte=scope.since, created_at__lt=scope.until)
    if agent := query.get("agent", ""):
        try:
            rows = rows.filter(agent_id=decode(Prefix.AGENT, agent))
        except InvalidIdentifier:
            rows = rows.none()
    approver = query.get("approver", "")
    if approver.isascii() and approver.isdecimal() and len(approver) < 10:
        rows = rows.filter(decisions__user_id=int(approver)).distinct()
    if (state := query.get("state", "")) in ProposalState.values:
        rows = rows.filter(state=state)
    if (rule := query.get("rule", "")) in CODES:
        rows = rows.filter(flags__rule=rule)
    if document := query.get("document", "").strip().replace("\0", "")[:80]:
        rows = rows.filter(commit__receipt__document=document)
    rows = _by_amount(rows, query)
    return (
        rows.select_related("agent", "commit__receipt")
        .defer("action_bytes", "payload", "facts", "preconditions")
        .order_by("-created_at", "-pk")
    )


def _by_amount(rows: QuerySet[Proposal], query: QueryDict) -> QuerySet[Proposal]:
    currency = query.get("currency", "").strip().upper()
    if not CURRENCY_PATTERN.match(currency):
        currency = ""
    if currency:
        rows = rows.filter(currency=currency)
    for name, lookup in (("least", "amount_minor__gte"), ("most", "amount_minor__lte")):
        minor = amount_of(query.get(name, ""), currency or "EUR")
        if minor is not None:
            rows = rows.filter(**{lookup: minor})
    return rows


def names_by_key(keys: set[int]) -> dict[int, str]:
    """Return the names of these people."""
    return {user.pk: user.get_full_name() or user.get_username() for user in User.objects.filter(pk__in=keys)}
