"""The facts put on an approver's page, in one canonical form: what the presentation digest covers.

Everything on the page that matters to a decision is in here. Live numbers are not: a check appears as holding or not, so that
the digest changes when something means something else, and not when a budget moves by an unrelated order. What other approvers
said meanwhile is not in here either: two people of one step may decide at the same moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Prefetch, prefetch_related_objects

from approvals.flags.queries import flags_of
from approvals.models import Attachment, Route
from gateway.preconditions import Check, Precondition
from kernel.canonical import canonical_bytes, digest_of_bytes
from kernel.clock import wire_time
from kernel.money import Money
from proposals.models import Citation, Proposal

RENDERER = "countersign-page/1"
LOCALE = "en"
PURPOSE = "countersign.presentation/1"
RATIONALE_LABEL = "Written by the agent, not verified"
ABSENT = "none"


def build(proposal: Proposal, route: Route, checks: Sequence[Check], locale: str = LOCALE) -> dict[str, Any]:
    """Return the facts of one page: the same proposal, route and check states give the same facts, byte for byte."""
    return {
        "schema": PURPOSE,
        "renderer": RENDERER,
        "locale": locale,
        "headline": proposal.headline,
        "payload_digest": proposal.payload_digest,
        "proposal": _proposal_facts(proposal),
        "counterparty": {"number": proposal.counterparty, "name": proposal.counterparty_name},
        "amount": {"minor": proposal.amount_minor, "currency": proposal.currency, "text": str(proposal.amount)},
        "facts": proposal.facts.get("facts", []),
        "table": proposal.facts.get("table"),
        "budget": proposal.facts.get("budget"),
        "payload": proposal.payload,
        "checks": [check_facts(check) for check in checks],
        "warnings": list(proposal.facts.get("warnings", [])),
        "flags": [flag.as_dict() for flag in flags_of([proposal.pk]).get(proposal.pk, [])],
        "notes": _notes(proposal, route),
        "route": _route_facts(route, proposal.currency),
        "rationale": {"label": RATIONALE_LABEL, "text": proposal.rationale},
        "reads": _reads(proposal),
        "attachments": _attachments(proposal),
        "changes": _changes(proposal),
        # Only a version that asks again says what drifted; every other page has the bytes it always had.
        **({"drift": proposal.facts["drift"]} if proposal.facts.get("drift") else {}),
    }


def stored(facts: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return the canonical bytes of the facts and their digest."""
    content = canonical_bytes(facts)
    return content, digest_of_bytes(PURPOSE, content)


def preconditions_of(proposal: Proposal) -> list[Precondition]:
    """Return the preconditions captured at submission."""
    return [Precondition.from_dict(item) for item in proposal.preconditions]


def checks_at_submission(proposal: Proposal) -> list[Check]:
    """Return the checks as they stood at submission, without asking the ERP."""
    return [Check(item, item.observed, item.holds(item.observed)) for item in preconditions_of(proposal)]


def check_facts(check: Check) -> dict[str, Any]:
    """Return one check as the page shows it: the rule's text, and whether it holds."""
    condition = check.precondition
    return {
        "code": condition.code,
        "label": condition.label,
        "severity": condition.severity.value,
        "comparator": condition.comparator.value,
        "expected": condition.expected,
        "holds": check.is_holding,
    }


def attachments_of(proposal: Proposal) -> Sequence[Attachment]:
    """Return what people attached, without its content, the first at the top; asked once for this object of the proposal."""
    found = Attachment.objects.select_related("author").defer("content").order_by("created_at", "pk")
    prefetch_related_objects([proposal], Prefetch("attachments", queryset=found))
    return tuple(proposal.attachments.all())


def needs_reason(facts: Mapping[str, Any]) -> bool:
    """Return whether approving this page is approving over a warning or over drift, which asks for a reason and a comment."""
    return bool(facts["warnings"]) or bool(facts.get("drift")) or any(not check["holds"] for check in facts["checks"])


def what_changed(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return label, was and now for each fact that differs between two pages of the same proposal; checks by their text."""
    changes = []
    before = {check["code"]: check for check in was["checks"]}
    after = {check["code"]: check for check in now["checks"]}
    for code in dict.fromkeys([*before, *after]):
        old, new = _verdict(before.get(code)), _verdict(after.get(code))
        if old != new:
            label = (after.get(code) or before[code])["label"]
            changes.append({"label": label, "was": old, "now": new})
    rest_was = {key: value for key, value in was.items() if key != "checks"}
    rest_now = {key: value for key, value in now.items() if key != "checks"}
    changes.extend({"label": item["field"], "was": item["was"], "now": item["now"]} for item in differing(rest_was, rest_now))
    return changes


def differing(was: object, now: object) -> list[dict[str, str]]:
    """Return field, was and now for each leaf that differs, in the order of the newer value; an absent leaf is "none"."""
    before, after = dict(_leaves(was, "")), dict(_leaves(now, ""))
    return [
        {"field": path, "was": before.get(path, ABSENT), "now": after.get(path, ABSENT)}
        for path in dict.fromkeys([*after, *before])
        if before.get(path) != after.get(path)
    ]


def _verdict(check: Mapping[str, Any] | None) -> str:
    if check is None:
        return "not checked"
    return "holds" if check["holds"] else "no longer holds"


def _leaves(value: object, path: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [leaf for key in sorted(value) for leaf in _leaves(value[key], f"{path}.{key}" if path else str(key))]
    if isinstance(value, list | tuple):
        return [leaf for index, item in enumerate(value, start=1) for leaf in _leaves(item, f"{path} {index}")]
    return [(path, ABSENT if value is None else str(value))]


def _proposal_facts(proposal: Proposal) -> dict[str, Any]:
    return {
        "id": proposal.public_id,
        "revision": proposal.revision,
        "tool": proposal.tool,
        "tool_version": proposal.tool_version,
        "company": proposal.company,
        "agent": proposal.agent.public_id,
        "agent_name": proposal.agent.name,
        "on_behalf_of": "" if proposal.on_behalf_of_id is None else str(proposal.on_behalf_of_id),
        "reference": proposal.reference,
        "cost_centre": proposal.cost_centre,
        "effective_on": proposal.effective_on.isoformat(),
        "created_at": wire_time(proposal.created_at),
        "expires_at": wire_time(proposal.expires_at),
        "is_log_only": proposal.is_log_only,
        "compensates": proposal.compensates,
    }


def _notes(proposal: Proposal, route: Route) -> list[dict[str, str]]:
    notes = []
    if proposal.is_log_only:
        notes.append({"code": "log_only", "text": "The agent's grant is log-only: an approval is recorded and nothing is written."})
    if route.routed(proposal) != proposal.amount:
        conversion = route.snapshot.get("conversion")
        if conversion:
            notes.append({"code": "exchange_rate", "text": _conversion_text(conversion)})
        if conversion is None or conversion["base_minor"] != route.routed_minor:
            text = f"Routed as {route.routed(proposal)}: the rolling sum counts, not the single amount."
            notes.append({"code": "rolling_sum", "text": text})
    return notes


def _conversion_text(stored: Mapping[str, Any]) -> str:
    amount = Money(stored["amount_minor"], stored["currency"])
    base = Money(stored["base_minor"], stored["base_currency"])
    return f"{amount} count as {base}, at the rate {stored['rate']} of {stored['rate_on']} ({stored['source']})."


def _route_facts(route: Route, currency: str) -> dict[str, Any]:
    snapshot = route.snapshot
    return {
        "policy_version": snapshot["policy"]["version"],
        "policy_digest": snapshot["policy"]["digest"],
        "row": snapshot["row"]["title"],
        "reason": route.reason,
        "routed": str(Money(route.routed_minor, route.routed_currency or currency)),
        "is_automatic": route.is_automatic,
        "digest": route.digest,
        "steps": [
            {
                "position": step["position"],
                "group": step["title"],
                "min_approvals": step["min_approvals"],
                **({"rule": step["rule"]} if "rule" in step else {}),
            }
            for step in snapshot["steps"]
        ],
    }


def _reads(proposal: Proposal) -> list[dict[str, Any]]:
    cited = Citation.objects.select_related("read").defer("read__result_bytes").filter(proposal=proposal).order_by("position")
    return [
        {
            "id": citation.read.public_id,
            "tool": citation.read.tool,
            "arguments": citation.read.arguments,
            "as_of": wire_time(citation.read.as_of),
            "digest": citation.read.result_digest,
        }
        for citation in cited
    ]


def _attachments(proposal: Proposal) -> list[dict[str, Any]]:
    return [
        {
            "name": item.name,
            "media_type": item.media_type,
            "size": item.size,
            "digest": item.digest,
            "author": str(item.author_id),
            "attached_at": wire_time(item.created_at),
        }
        for item in attachments_of(proposal)
    ]


def _changes(proposal: Proposal) -> dict[str, Any] | None:
    if proposal.supersedes_id is None:
        return None
    former = Proposal.objects.only("id", "revision", "payload", "amount_minor", "currency", "company").get(pk=proposal.supersedes_id)
    was = {**former.payload, "company": former.company, "amount": str(former.amount)}
    now = {**proposal.payload, "company": proposal.company, "amount": str(proposal.amount)}
    return {"supersedes": former.public_id, "revision": former.revision, "fields": differing(was, now)}
