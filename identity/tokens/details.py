"""What an agent may ask a token for: one action with one tool in one company (RFC 9396 authorization details).

An agent registered with token shape `set` may ask for several of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from identity.policies import RESOURCE_KINDS
from identity.principals import Action
from identity.tokens.errors import details_refusal
from kernel.canonical import canonical_bytes, parse_json
from kernel.errors import DomainError
from kernel.money import Money

DETAIL_TYPE = "countersign_tool"
ACTIONS = ("read", "propose")
EXAMPLE = '[{"type": "countersign_tool", "actions": ["propose"], "tool": "create_purchase_order", "company": "DE01"}]'
MEMBERS = frozenset({"type", "actions", "tool", "company", "resource", "ceiling"})
# How many entries a token of shape `set` may have; the agent's registered default is held to it by a CHECK constraint too.
SET_ENTRIES_MAX = 20
DETAILS_LENGTH_MAX = 8192
TOOL_PATTERN = re.compile(r"^[a-z][a-z0-9_]{0,63}$")
COMPANY_PATTERN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,11}$")
RESOURCE_PATTERN = re.compile(rf"^({'|'.join(RESOURCE_KINDS)}):[\x21-\x7e]{{1,64}}$")


@dataclass(frozen=True, slots=True)
class Detail:
    """One entry of `authorization_details`, checked for form only: whether a grant covers it is another question."""

    action: Action
    tool: str
    company: str
    resource: str = ""
    ceiling_minor: int | None = None
    currency: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the wire form, as it stands in the token and in the answer."""
        entry: dict[str, object] = {
            "type": DETAIL_TYPE,
            "actions": [self.action],
            "tool": self.tool,
            "company": self.company,
        }
        if self.resource:
            entry["resource"] = self.resource
        if self.ceiling_minor is not None:
            entry["ceiling"] = {
                "amount": Money(self.ceiling_minor, self.currency).decimal_text(),
                "currency": self.currency,
            }
        return entry


def parse_details(text: str, *, entries_max: int = 1) -> tuple[Detail, ...]:
    """Return the entries of the parameter; raises TokenRefused with what was wrong and an example."""
    if len(text) > DETAILS_LENGTH_MAX:
        raise _malformed(f"The parameter is longer than {DETAILS_LENGTH_MAX} characters.")
    try:
        parsed = parse_json(text)
        canonical_bytes(parsed)
    except DomainError as error:
        raise _malformed(f"The parameter is not plain JSON. {error.detail}") from error
    if not isinstance(parsed, list):
        raise _malformed("The parameter is a JSON array with one object in it.")
    return read_details(parsed, entries_max=entries_max)


def read_details(entries: object, *, entries_max: int = 1) -> tuple[Detail, ...]:
    """Return the entries of a parsed array, at most so many, no two for the same tool and company; raises TokenRefused."""
    count = len(entries) if isinstance(entries, list) else 0
    if not isinstance(entries, list) or not 1 <= count <= entries_max:
        if entries_max == 1:
            raise details_refusal(
                "authorization_details_single", f"{count} entries were sent; a token is for exactly one.", "one entry for each token"
            )
        raise details_refusal("authorization_details_count", f"{count} entries were sent.", f"1 to {entries_max} entries")
    details = tuple(_detail(entry) for entry in entries)
    if len({(detail.tool, detail.company) for detail in details}) < count:
        raise details_refusal(
            "authorization_details_repeated", "Two entries are for the same tool in the same company.", "each tool and company once"
        )
    return details


def _detail(entry: object) -> Detail:
    if not isinstance(entry, dict):
        raise _malformed("The entry is a JSON object.")
    unknown = sorted(set(entry) - MEMBERS)
    if unknown:
        raise _malformed(f"The entry has members that nobody here knows: {', '.join(unknown)[:200]!r}.")
    if entry.get("type") != DETAIL_TYPE:
        raise details_refusal("authorization_details_type", "The type of the entry is not known here.", DETAIL_TYPE)
    tool = _text(entry, "tool", TOOL_PATTERN)
    company = _text(entry, "company", COMPANY_PATTERN)
    resource = _text(entry, "resource", RESOURCE_PATTERN) if "resource" in entry else ""
    ceiling = _ceiling(entry["ceiling"]) if "ceiling" in entry else None
    return Detail(
        action=_action(entry.get("actions")),
        tool=tool,
        company=company,
        resource=resource,
        ceiling_minor=ceiling.minor if ceiling else None,
        currency=ceiling.currency if ceiling else "",
    )


def _action(actions: object) -> Action:
    if not isinstance(actions, list) or len(actions) != 1 or actions[0] not in ACTIONS:
        raise details_refusal(
            "authorization_details_action", "A token is for exactly one action.", '"actions": ["read"] or "actions": ["propose"]'
        )
    return cast("Action", actions[0])


def _text(entry: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> str:
    value = entry.get(name)
    # fullmatch, because "$" would let a trailing line feed through.
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _malformed(f"The member {name!r} is missing or has not the form {pattern.pattern}.")
    return value


def _ceiling(value: object) -> Money:
    form = '"ceiling": {"amount": "1000.00", "currency": "EUR"}'
    if not isinstance(value, dict) or set(value) != {"amount", "currency"}:
        raise details_refusal("authorization_details_malformed", "A ceiling is an amount with its currency.", form)
    try:
        amount = Money.parse(cast("str", value["amount"]), str(value["currency"]))
    except DomainError as error:
        raise details_refusal("authorization_details_malformed", f"The ceiling is no amount. {error.detail}", form) from error
    if amount.minor < 0:
        raise details_refusal("authorization_details_malformed", "The ceiling is below zero.", form)
    return amount


def _malformed(detail: str) -> DomainError:
    return details_refusal("authorization_details_malformed", detail, EXAMPLE)
