"""The matrix as a CSV file: written so that a spreadsheet keeps it, read so that each mistake names its row and column."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from approvals.matrix.editing import draft_of
from approvals.models import PolicyRow
from approvals.routing import StepRule, groups_of
from approvals.services.matrix import RowDraft, row_errors
from approvals.states import RollingKey, StepRuleKind
from kernel.errors import FieldError, ValidationFailed
from kernel.money import CURRENCY_PATTERN, Money

SIZE_MAX = 1_000_000
COLUMNS = (
    "priority", "title", "tool", "company", "cost_centre", "account", "counterparty", "vendor_class", "flags_required", "flags_forbidden",
    "currency", "from", "up_to", "rolling_days", "rolling_by", "automatic", "bulk_up_to", "step_up_from", "steps",
)  # fmt: skip
REQUIRED = ("priority", "title", "tool", "currency", "steps")
# Fields of a row draft that stand under another name in the file.
COLUMN_OF = {
    "from_minor": "from", "up_to_minor": "up_to", "bulk_up_to_minor": "bulk_up_to", "step_up_from_minor": "step_up_from",
    "is_automatic": "automatic",
}  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")
STEP_FORM = "purchasing:1; finance+board:2:per_group (groups:number:rule:days:fallback)"


def sheet(rows: Iterable[PolicyRow]) -> str:
    """Return the rows as CSV text; a text that a spreadsheet would take for a formula is written with an apostrophe."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = _cells(draft_of(row))
        writer.writerow([_safe(cells[name]) for name in COLUMNS])
    return file.getvalue()


def parse_sheet(content: bytes) -> list[RowDraft]:
    """Return the rows of a CSV file; raises ValidationFailed with one error per cell, e.g. "row 3, column up_to".

    Rows are counted as a spreadsheet counts them: the heading is row 1. Every flaw of every row is named, not only the first.
    """
    text = _decoded(content)
    reader = csv.DictReader(io.StringIO(text), delimiter=_delimiter(text), strict=True)
    try:
        heading = [name.strip().lower() for name in reader.fieldnames or ()]
        _require_heading(heading)
        reader.fieldnames = heading
        lines = list(reader)
    except csv.Error as error:
        raise _refusal([FieldError(f"row {reader.line_num}", f"it is not CSV: {error}", "one line per row")]) from error
    errors: list[FieldError] = []
    drafts: list[RowDraft] = []
    places: list[int] = []
    for number, line in enumerate(lines, start=2):
        if not any((value or "").strip() for value in line.values() if isinstance(value, str)):
            continue
        draft, found = _draft(number, line)
        errors += found
        if draft is not None:
            drafts.append(draft)
            places.append(number)
    for flaw in row_errors(drafts):
        _, _, index, name, *rest = [*flaw.path.split("/"), ""]
        errors.append(FieldError(_place(places[int(index)], name, rest), flaw.message, flaw.acceptable))
    if not drafts and not errors:
        errors.append(FieldError("row 2", "the file has no rows", "at least one row below the heading"))
    if errors:
        raise _refusal(errors)
    return drafts


def step_text(step: StepRule) -> str:
    """Return one step as a cell writes it: groups:number:rule:days:fallback, without what is usual at the end."""
    rule = step.get("rule", StepRuleKind.QUORUM.value)
    if not step.get("is_distinct", True):
        rule = f"{rule} shared"
    parts = ["+".join(groups_of(step)), str(step["min_approvals"]), rule, str(step.get("due_days", "")), step.get("fallback", "")]
    if parts[2] == StepRuleKind.QUORUM.value and not parts[3] and not parts[4]:
        parts = parts[:2]
    return ":".join(parts).rstrip(":")


def parse_step(text: str) -> StepRule:
    """Return the step that a cell writes; raises ValueError saying what is not understood."""
    parts = [part.strip() for part in text.split(":")]
    if len(parts) > 5 or not parts[0]:
        raise ValueError(f"{text!r} is not groups:number:rule:days:fallback")
    groups = [code.strip() for code in parts[0].split("+")]
    number, rule, days, fallback = [*parts[1:], "", "", "", ""][:4]
    if not _is_number(number or "1"):
        raise ValueError(f"{number!r} is not a number of approvals")
    step: StepRule = {"group": groups[0], "min_approvals": int(number or "1")}
    kind, _, shared = rule.partition(" ")
    if shared not in {"", "shared"}:
        raise ValueError(f"{rule!r} is not a rule")
    if kind and kind != StepRuleKind.QUORUM:
        step["rule"] = kind
    if groups[1:]:
        step["further_groups"] = groups[1:]
    if shared:
        step["is_distinct"] = False
    if days:
        if not _is_number(days):
            raise ValueError(f"{days!r} is not a number of days")
        step["due_days"] = int(days)
    if fallback:
        step["fallback"] = fallback
    return step


def _cells(draft: RowDraft) -> dict[str, str]:
    def amount(minor: int | None) -> str:
        return "" if minor is None else Money(minor, draft.currency).decimal_text()

    return {
        "priority": str(draft.priority),
        "title": draft.title,
        "tool": draft.tool,
        "company": draft.company,
        "cost_centre": draft.cost_centre,
        "account": draft.account,
        "counterparty": draft.counterparty,
        "vendor_class": draft.vendor_class,
        "flags_required": " ".join(draft.flags_required),
        "flags_forbidden": " ".join(draft.flags_forbidden),
        "currency": draft.currency,
        "from": amount(draft.from_minor),
        "up_to": amount(draft.up_to_minor),
        "rolling_days": str(draft.rolling_days or ""),
        "rolling_by": str(draft.rolling_by) if draft.rolling_days else "",
        "automatic": "yes" if draft.is_automatic else "",
        "bulk_up_to": amount(draft.bulk_up_to_minor),
        "step_up_from": amount(draft.step_up_from_minor),
        "steps": "; ".join(step_text(step) for step in draft.steps),
    }


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _decoded(content: bytes) -> str:
    if len(content) > SIZE_MAX:
        raise _refusal([FieldError("file", f"{len(content):,} bytes", f"up to {SIZE_MAX:,} bytes")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _refusal([FieldError(f"row {line}", "the file is not UTF-8", "save it as CSV UTF-8")]) from error
    if "\x00" in text:
        raise _refusal([FieldError("file", "it contains a NUL character", "plain text")])
    return text


def _delimiter(text: str) -> str:
    """Return the separator: spreadsheets of many countries write a semicolon."""
    heading = text.split("\n", 1)[0]
    return max((",", ";", "\t"), key=heading.count)


def _require_heading(heading: Sequence[str]) -> None:
    errors = [FieldError("row 1", f"column {name!r} is not known", ", ".join(COLUMNS)) for name in heading if name not in COLUMNS]
    errors += [FieldError("row 1", f"column {name} is missing", name) for name in REQUIRED if name not in heading]
    errors += [FieldError("row 1", f"column {name} is there twice", "each column once") for name in COLUMNS if heading.count(name) > 1]
    if errors:
        raise _refusal(errors)


class _Line:
    """The cells of one line, with the mistakes found while reading them."""

    def __init__(self, number: int, cells: Mapping[str, str | None]) -> None:
        self.errors: list[FieldError] = []
        self._number = number
        self._cells = cells

    def text(self, name: str) -> str:
        value = (self._cells.get(name) or "").strip()
        return value[1:] if value.startswith("'") and value[1:].startswith(FORMULA) else value

    def wrong(self, name: str, message: str, acceptable: str) -> None:
        self.errors.append(FieldError(f"row {self._number}, column {name}", message, acceptable))

    def number(self, name: str, default: int) -> int:
        text = self.text(name)
        if not text:
            return default
        if not _is_number(text):
            self.wrong(name, f"{text!r} is not a whole number", "digits only")
            return default
        return int(text)

    def amount(self, name: str, currency: str) -> int | None:
        text = self.text(name)
        if not text:
            return None
        try:
            return Money.parse(text, currency).minor
        except ValidationFailed as error:
            self.wrong(name, error.detail.rstrip("."), "a plain amount such as 25000.00")
            return None

    def yes_or_no(self, name: str) -> bool:
        text = self.text(name).lower()
        if text not in {"", "yes", "no", "true", "false", "1", "0"}:
            self.wrong(name, f"{text!r} is neither yes nor no", "yes or nothing")
        return text in {"yes", "true", "1"}

    def steps(self) -> tuple[StepRule, ...]:
        found = []
        for part in self.text("steps").split(";"):
            if not part.strip():
                continue
            try:
                found.append(parse_step(part.strip()))
            except ValueError as error:
                self.wrong("steps", str(error), STEP_FORM)
        return tuple(found)

    def codes(self, name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.text(name).upper().replace(",", " ").split()))


def _draft(number: int, cells: Mapping[str, str | None]) -> tuple[RowDraft | None, list[FieldError]]:
    line = _Line(number, cells)
    if None in cells:
        line.wrong("steps", "there are more cells than columns", "text with the separator in it has to be quoted")
    currency = line.text("currency").upper()
    if not CURRENCY_PATTERN.match(currency):
        line.wrong("currency", f"{currency!r} is not a currency", "an ISO 4217 code")
        return None, line.errors
    draft = RowDraft(
        priority=line.number("priority", 0),
        title=line.text("title"),
        tool=line.text("tool"),
        currency=currency,
        steps=line.steps(),
        company=line.text("company"),
        cost_centre=line.text("cost_centre"),
        from_minor=line.amount("from", currency) or 0,
        up_to_minor=line.amount("up_to", currency),
        rolling_days=line.number("rolling_days", 0),
        is_automatic=line.yes_or_no("automatic"),
        account=line.text("account"),
        counterparty=line.text("counterparty"),
        vendor_class=line.text("vendor_class"),
        flags_required=line.codes("flags_required"),
        flags_forbidden=line.codes("flags_forbidden"),
        rolling_by=line.text("rolling_by") or RollingKey.COUNTERPARTY.value,
        bulk_up_to_minor=line.amount("bulk_up_to", currency),
        step_up_from_minor=line.amount("step_up_from", currency),
    )
    # What could not be read is named already; the rules of a row are held against rows that could.
    return (None, line.errors) if line.errors else (draft, [])


def _place(number: int, name: str, rest: Sequence[str]) -> str:
    column = COLUMN_OF.get(name, name)
    place = f"row {number}, column {column}"
    return f"{place}, step {int(rest[0]) + 1}" if column == "steps" and rest and rest[0].isdigit() else place


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def _refusal(errors: Sequence[FieldError]) -> ValidationFailed:
    first = errors[0]
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    return ValidationFailed(detail=f"{first.path}: {first.message}{more}. Nothing was imported.", errors=tuple(errors))


def errors_of(error: ValidationFailed) -> Iterator[str]:
    """Yield each mistake as a line: row 3, column up_to: the band is empty or negative; needed: …."""
    for item in error.errors:
        yield f"{item.path}: {item.message}{f'; needed: {item.acceptable}' if item.acceptable else ''}"
