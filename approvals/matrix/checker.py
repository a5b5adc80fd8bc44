"""The gap and overlap checker: tries every kind of write that a matrix tells apart, with the gate's own matching.

A matrix tells only so many writes apart: amounts between two ends of its bands are alike, and so are cost centres that no pattern
names. One example of each kind is tried, so what is found is exact, not sampled; beyond `CASES_MAX` kinds the report says it is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, combinations, product

from approvals.models import PolicyRow
from approvals.routing import Question, is_in_band, why_passed_over
from kernel.display import listed
from kernel.money import Money

CASES_MAX = 40_000
ALL_FLAG_SETS_UP_TO = 4
OTHER = "\uffff"
ELSEWHERE = "any other company"


class Kind(StrEnum):
    """What was found, the worst first."""

    GAP = "gap"
    UNREACHABLE = "unreachable"
    OVERLAP = "overlap"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a controller should know before the version routes anything; `rows` are priorities."""

    kind: Kind
    text: str
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything found, and whether every kind of write was tried."""

    findings: tuple[Finding, ...]
    cases: int
    is_complete: bool


@dataclass(frozen=True, slots=True)
class _Case:
    """One kind of write: a question with its rolling sums, and the condition that sets it apart in words."""

    question: Question
    sums: Mapping[tuple[int, str], int]
    condition: str

    def covers(self, row: PolicyRow) -> bool:
        if why_passed_over(row, self.question):
            return False
        minor = self.sums[row.rolling_days, row.rolling_by] if row.rolling_days else self.question.amount.minor
        return is_in_band(row, Money(minor, self.question.amount.currency))


def check(rows: Iterable[PolicyRow], currencies: Mapping[str, str], tools: Iterable[str] = ()) -> Report:
    """Return gaps, rows that never decide, and rows that overlap; `currencies` are those of the known companies.

    `tools` are the writes that exist: one without any row is a gap as a whole.
    """
    ordered = sorted(rows, key=lambda row: row.priority)
    findings: list[Finding] = []
    deciding: set[int] = set()
    overlaps: dict[tuple[int, int], list[_Case]] = {}
    covered: Counter[int] = Counter()
    cases = 0
    is_complete = True
    for tool in dict.fromkeys([*(row.tool for row in ordered), *tools]):
        own = [row for row in ordered if row.tool == tool]
        if not own:
            findings.append(Finding(Kind.GAP, f"No row is for {tool}: every such write is refused as unroutable."))
            continue
        for company, currency in _places(own, currencies):
            gaps: dict[tuple[str, str], list[int]] = {}
            relevant = [row for row in own if row.company in {"", company} and row.currency == currency]
            for case in _cases(tool, company, currency, relevant):
                cases += 1
                if cases > CASES_MAX:
                    is_complete = False
                    break
                covering = [row for row in relevant if case.covers(row)]
                people = [row for row in covering if not row.is_automatic]
                covered.update(row.priority for row in covering)
                deciding.update(row.priority for row in (covering[:1] + people[:1]))
                for earlier, later in combinations(covering, 2):
                    if earlier.steps != later.steps or earlier.is_automatic != later.is_automatic:
                        overlaps.setdefault((earlier.priority, later.priority), []).append(case)
                if not people:
                    gaps.setdefault((case.condition, _sums_text(case)), []).append(case.question.amount.minor)
            findings += _gap_findings(tool, company, currency, gaps, relevant)
    if is_complete:
        findings += [
            Finding(
                Kind.UNREACHABLE,
                f"Row {row.priority} ({row.title}) never decides: rows before it cover everything it covers.",
                (row.priority,),
            )
            for row in ordered
            if row.priority not in deciding
        ]
    # A row that lies within a later one is an exception before a rule: that is what the order is for, and no finding.
    partly = {pair: cases for pair, cases in overlaps.items() if len(cases) < covered[pair[0]]}
    findings += _overlap_findings(partly, {row.priority: row for row in ordered}, deciding)
    order = list(Kind)
    return Report(tuple(sorted(findings, key=lambda item: (order.index(item.kind), item.rows))), min(cases, CASES_MAX), is_complete)


def _places(rows: Sequence[PolicyRow], currencies: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the companies to try, each with a currency; a company nobody recorded a currency for takes those of its rows."""
    companies = dict.fromkeys([*sorted(currencies), *(row.company for row in rows if row.company)])
    if any(not row.company for row in rows):
        companies[OTHER] = None
    places = []
    for company in companies:
        known = currencies.get(company)
        found = [known] if known else [row.currency for row in rows if row.company == company]
        found = found or [row.currency for row in rows if not row.company]
        places += [(company, currency) for currency in dict.fromkeys(found)]
    return places


def _cases(tool: str, company: str, currency: str, rows: Sequence[PolicyRow]) -> Iterator[_Case]:
    """Yield one example of every kind of write that these rows tell apart, the one without any special condition first."""
    ends = sorted({0, *(row.from_minor for row in rows), *(row.up_to_minor + 1 for row in rows if row.up_to_minor is not None)})
    measures = list(dict.fromkeys((row.rolling_days, str(row.rolling_by)) for row in rows if row.rolling_days))
    dimensions = (
        _samples(row.cost_centre for row in rows),
        _samples(row.account for row in rows),
        _samples(row.counterparty for row in rows),
        _samples(row.vendor_class for row in rows),
        _flag_sets(rows),
    )
    for cost_centre, account, counterparty, vendor_class, flags in product(*dimensions):
        condition = _condition(cost_centre, account, counterparty, vendor_class, flags)
        for minor in ends:
            question = Question(
                tool=tool,
                company=company,
                cost_centre=cost_centre,
                amount=Money(minor, currency),
                may_be_automatic=True,
                accounts=(account,) if account != OTHER else (),
                counterparty=counterparty,
                vendor_class=vendor_class,
                flags=frozenset(flags),
            )
            higher = [end for end in ends if end >= minor]
            for sums in product(higher, repeat=len(measures)):
                yield _Case(question, dict(zip(measures, sums, strict=True)), condition)


def _samples(patterns: Iterable[str]) -> list[str]:
    """Return something no pattern names, and an example for each pattern."""
    named = [item.strip() for text in patterns for item in text.split(",") if item.strip()]
    return [OTHER, *dict.fromkeys(item.removesuffix("*") for item in named)]


def _flag_sets(rows: Sequence[PolicyRow]) -> list[tuple[str, ...]]:
    codes = sorted({code for row in rows for code in (*row.flags_required, *row.flags_forbidden)})
    if len(codes) <= ALL_FLAG_SETS_UP_TO:
        return list(chain.from_iterable(combinations(codes, size) for size in range(len(codes) + 1)))
    return [(), *((code,) for code in codes), tuple(codes)]


def _condition(cost_centre: str, account: str, counterparty: str, vendor_class: str, flags: Sequence[str]) -> str:
    named = (("cost centre", cost_centre), ("account", account), ("counterparty", counterparty), ("vendor class", vendor_class))
    parts = [f"{words} {value}" for words, value in named if value != OTHER]
    if flags:
        parts.append(f"flagged by {listed(list(flags))}")
    return ", ".join(parts)


def _sums_text(case: _Case) -> str:
    """Return the rolling sums that lie above the amount, in words."""
    amount = case.question.amount
    parts = [f"from {Money(minor, amount.currency)} over {days} days" for (days, _), minor in case.sums.items() if minor > amount.minor]
    return f"with a rolling sum {listed(parts)}" if parts else ""


def _gap_findings(
    tool: str, company: str, currency: str, gaps: Mapping[tuple[str, str], Sequence[int]], rows: Sequence[PolicyRow]
) -> list[Finding]:
    """Return a sentence for each gap; what is missing without any condition is not said again for each condition."""
    ends = sorted({0, *(row.from_minor for row in rows), *(row.up_to_minor + 1 for row in rows if row.up_to_minor is not None)})
    usual = set(gaps.get(("", ""), ()))
    found = []
    for (condition, sums), amounts in gaps.items():
        missing = sorted(set(amounts) - (usual if (condition, sums) != ("", "") else set()))
        if not missing or (sums and not set(missing) - set(gaps.get((condition, ""), ()))):
            continue
        if sums:
            # A sum that runs into a gap is one gap, whatever the single amount.
            missing = missing[:1]
        where = " ".join(part for part in (f"in {_company(company)}", condition and f"({condition})", sums) if part)
        bands = listed([_band(low, high, currency) for low, high in _merged(missing, ends)]) if not sums else "any amount"
        found.append(Finding(Kind.GAP, f"{tool} {where}: no row asks anybody for {bands}, so it is refused as unroutable."))
    return found


def _merged(amounts: Sequence[int], ends: Sequence[int]) -> list[tuple[int, int | None]]:
    """Return the bands that these lower ends stand for, neighbours joined; None where there is no upper end."""
    bands: list[tuple[int, int | None]] = []
    for minor in amounts:
        after = next((end for end in ends if end > minor), None)
        upper = after - 1 if after is not None else None
        if bands and bands[-1][1] == minor - 1:
            bands[-1] = (bands[-1][0], upper)
        else:
            bands.append((minor, upper))
    return bands


def _band(low: int, high: int | None, currency: str) -> str:
    lower = Money(low, currency)
    return f"{lower} and more" if high is None else f"{lower} to {Money(high, currency)}"


def _company(company: str) -> str:
    return ELSEWHERE if company == OTHER else company


def _overlap_findings(
    overlaps: Mapping[tuple[int, int], Sequence[_Case]], rows: Mapping[int, PolicyRow], deciding: set[int]
) -> list[Finding]:
    found = []
    for (first, second), cases in overlaps.items():
        if second not in deciding:
            continue
        companies = listed(sorted({_company(case.question.company) for case in cases}))
        amounts = [case.question.amount for case in cases]
        low = min(amounts, key=lambda amount: amount.minor)
        text = (
            f"Rows {first} ({rows[first].title}) and {second} ({rows[second].title}) both cover writes in {companies}, from {low} on,"
            f" and ask differently: row {first} decides because it comes first."
        )
        found.append(Finding(Kind.OVERLAP, text, (first, second)))
    return found
