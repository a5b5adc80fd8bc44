"""The set as a page: how many, how much in each currency, the largest, each with its facts, what is left out and why, the results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from approvals.bulk.models import Bulk, BulkItem
from approvals.bulk.states import BulkState, ItemState
from approvals.pages.words import tool_title
from kernel.display import Tag, Tone, counted, short_digest
from kernel.ids import Prefix, decode
from kernel.money import Money
from proposals.models import Proposal

RESULT_TAGS = {
    ItemState.PENDING: Tag("Waiting", Tone.INFO, "clock"),
    ItemState.APPROVED: Tag("Approved", Tone.GOOD, "check"),
    ItemState.REFUSED: Tag("Not approved", Tone.BAD, "cross"),
}


@dataclass(frozen=True, slots=True)
class ItemLine:
    """One proposal of the set, with the facts that its own page would lead with."""

    url: str
    headline: str
    counterparty: str
    amount: str
    facts: Sequence[tuple[str, str]]
    lines: Sequence[str]
    checks: str
    digest: str
    result: Tag
    detail: str


@dataclass(frozen=True, slots=True)
class ExcludedLine:
    """One that was picked and left out."""

    url: str
    headline: str
    reason: str


@dataclass(frozen=True, slots=True)
class BulkPage:
    """Everything the page shows."""

    id: str
    title: str
    lead: str
    figures: Sequence[tuple[str, str]]
    items: Sequence[ItemLine]
    excluded: Sequence[ExcludedLine]
    set_digest: str
    short_digest: str
    is_prepared: bool
    is_outdated: bool
    is_unfinished: bool
    button: str
    confirm_url: str
    sign_url: str


def bulk_page(bulk: Bulk, now: datetime) -> BulkPage:
    """Return the page as of now; the number of queries does not grow with the set."""
    items = list(bulk.items.select_related("proposal", "presentation"))
    is_prepared = bulk.state == BulkState.PREPARED
    what = counted(len(items), "proposal", "proposals")
    approved = sum(item.state == ItemState.APPROVED for item in items)
    return BulkPage(
        id=bulk.public_id,
        title=f"Approve {what}?" if is_prepared else f"{approved:,} of {counted(len(items), 'proposal', 'proposals')} approved",
        lead=f"{tool_title(bulk.tool)}, {bulk.group.title}, step {bulk.position}.",
        figures=_figures(items),
        items=[_line(item) for item in items],
        excluded=excluded_lines(bulk.excluded),
        set_digest=bulk.set_digest,
        short_digest=short_digest(bulk.set_digest),
        is_prepared=is_prepared,
        is_outdated=is_prepared and bulk.valid_until <= now,
        is_unfinished=not is_prepared and any(item.state == ItemState.PENDING for item in items),
        button=f"Approve {what}",
        confirm_url=reverse("approvals:confirm_bulk", args=[bulk.public_id]),
        sign_url=reverse("approvals:sign_bulk", args=[bulk.public_id]),
    )


def excluded_lines(listed: object) -> list[ExcludedLine]:
    """Return what was left out with its reason, by headline where the person can see it; one query."""
    rows: list[Mapping[str, Any]] = listed if isinstance(listed, list) else []
    seen = [row for row in rows if row["code"] not in {"not_found", "invalid_identifier"}]
    found = {
        row.public_id: row.headline
        for row in Proposal.objects.only("id", "headline").filter(pk__in=[decode(Prefix.PROPOSAL, item["proposal"]) for item in seen])
    }
    return [
        ExcludedLine(
            url=reverse("approvals:proposal", args=[row["proposal"]]) if row["proposal"] in found else "",
            headline=found.get(row["proposal"], row["proposal"]),
            reason=row["reason"],
        )
        for row in rows
    ]


def _figures(items: Sequence[BulkItem]) -> list[tuple[str, str]]:
    sums: dict[str, int] = defaultdict(int)
    for item in items:
        sums[item.currency] += item.amount_minor
    largest = [
        max((item.amount for item in items if item.currency == currency), key=lambda amount: amount.minor) for currency in sorted(sums)
    ]
    return [
        ("Proposals", f"{len(items):,}"),
        *((f"Sum in {currency}", str(Money(total, currency))) for currency, total in sorted(sums.items())),
        *((f"Largest in {amount.currency}", str(amount)) for amount in largest),
    ]


def _line(item: BulkItem) -> ItemLine:
    facts = item.presentation.facts
    return ItemLine(
        url=reverse("approvals:proposal", args=[item.proposal.public_id]),
        headline=item.proposal.headline,
        counterparty=item.proposal.counterparty_name or item.proposal.counterparty,
        amount=str(item.amount),
        facts=[(str(label), str(value)) for label, value in facts.get("facts", [])],
        lines=_table(facts.get("table")),
        checks=counted(len(facts["checks"]), "check holds", "checks hold"),
        digest=short_digest(item.payload_digest),
        result=RESULT_TAGS[ItemState(item.state)],
        detail=item.detail,
    )


def _table(table: Mapping[str, Any] | None) -> list[str]:
    """Return each line that will be written as one line of text."""
    if not table:
        return []
    keys = [(column["key"], column["label"]) for column in table["columns"]]
    return [", ".join(f"{label.lower()} {row[key]}" for key, label in keys if row.get(key)) for row in table["rows"]]
