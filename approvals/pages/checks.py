"""The checks of a proposal in words: what fails first, then what to look at, then what passed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from approvals.rules import BY_CODE
from approvals.services.pages import Shown
from gateway.preconditions import Check, Severity
from kernel.display import Tag, Tone, counted, short_digest

DECIMAL = re.compile(r"^-?\d+(\.\d+)?$")


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One check in words."""

    tag: Tag
    text: str
    detail: str = ""


def check_lines(facts: Mapping[str, Any], live: Sequence[Check]) -> list[CheckLine]:
    """Return what fails first, then what to look at, then what passed: the rule's text and, beside it, the value now."""
    values = {check.precondition.code: check for check in live}
    failing, passing = [], []
    for check in facts["checks"]:
        now = values.get(check["code"])
        if check["holds"]:
            passing.append(CheckLine(Tag("Passed", Tone.GOOD, "check"), check["label"], _moved(now)))
        elif check["severity"] == Severity.HARD.value:
            failing.append(CheckLine(Tag("Fails", Tone.BAD, "cross"), check["label"], _value(now)))
        else:
            failing.append(CheckLine(Tag("Look", Tone.WARN, "warn"), check["label"], _value(now)))
    failing.sort(key=lambda line: line.tag.word != "Fails")
    warnings = [CheckLine(Tag("Look", Tone.WARN, "warn"), str(text)) for text in facts["warnings"]]
    flags = [CheckLine(Tag("Look", Tone.WARN, "warn"), flag["text"], _rule_text(flag["rule"])) for flag in facts.get("flags", [])]
    notes = [CheckLine(Tag("Note", Tone.INFO, "info"), note["text"]) for note in facts["notes"]]
    return [*failing, *warnings, *flags, *notes, *passing]


def _rule_text(code: str) -> str:
    rule = BY_CODE.get(code)
    return f"{code} {rule.title}: {rule.text}" if rule else code


def _value(check: Check | None) -> str:
    return f"Now: {readable(check.value)}; needed: {readable(check.precondition.expected)}." if check else ""


def _moved(check: Check | None) -> str:
    if check is None or not check.has_drifted:
        return ""
    return f"Was {readable(check.precondition.observed)} at submission, is {readable(check.value)} now."


def readable(value: str) -> str:
    """Return a fact's value for people: decimals grouped, digests shortened, anything else as it is."""
    if DECIMAL.match(value):
        return f"{Decimal(value):,f}"
    return short_digest(value)


def checks_summary(lines: Sequence[CheckLine], shown: Shown) -> str:
    """Return how many checks fail, want a look and passed, and when they were asked."""
    counts = {word: sum(line.tag.word == word for line in lines) for word in ("Fails", "Look", "Passed")}
    parts = [
        f"{counts['Fails']} failing" if counts["Fails"] else "",
        counted(counts["Look"], "to look at", "to look at") if counts["Look"] else "",
        f"{counts['Passed']} passed" if counts["Passed"] else "",
    ]
    when = "asked just now" if shown.is_current else "as last shown"
    return ", ".join(part for part in [*parts, when] if part)
