"""Compensation: the entry that mirrors what a document posted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

TEXT_LIMIT = 500


def reversing_entry(document: str, landed: Mapping[str, object], *, effective_on: str) -> tuple[str, dict[str, Any]]:
    """Return the post_journal_entry payload that reverses `document`: its postings with debit and credit exchanged.

    `landed` is what the ERP reads back: `currency` and `postings`, the lines of the journal entry that the document made.
    """
    postings = cast("Sequence[Mapping[str, object]]", landed["postings"])
    lines = []
    for posting in postings:
        line: dict[str, Any] = {"account": str(posting["account"])}
        if posting.get("cost_centre"):
            line["cost_centre"] = str(posting["cost_centre"])
        side, amount = ("credit", posting["debit"]) if posting.get("debit") else ("debit", posting["credit"])
        lines.append({**line, side: str(amount)})
    return "post_journal_entry", {
        "effective_on": effective_on,
        "currency": str(landed["currency"]),
        "description": f"Reversal of {document}"[:TEXT_LIMIT],
        "lines": lines,
        "reverses": document,
    }
