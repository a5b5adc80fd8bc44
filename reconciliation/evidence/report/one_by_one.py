"""The last section: each proposal on its own, as far as a report of readable length goes."""

from __future__ import annotations

from collections import defaultdict

from audit.verifier.countersign_verify import Members
from kernel.display import counted
from reconciliation.evidence.report.parts import Cell, FigureBook, Grid, Section, cells, grouped, link
from reconciliation.evidence.report.reading import Row, rows_of

PROPOSALS_SHOWN_MAX = 50
SAID = {"approve": "Approved", "reject": "Rejected", "request_changes": "Changes requested"}


def pages(members: Members, book: FigureBook) -> Section:
    """Return for each of the first proposals what was proposed, who decided, and what landed."""
    section = Section(17, "Proposals one by one", break_before=True)
    count = sum(1 for _ in rows_of(members, "proposals.csv"))
    book.add(section, "Proposals", count, source="proposals.csv", how="rows")
    if count > PROPOSALS_SHOWN_MAX:
        section.paragraphs.append(f"The first {PROPOSALS_SHOWN_MAX} of {count:,} follow; each of them has its row in proposals.csv.")
    listed = [(number, row) for number, row in rows_of(members, "proposals.csv") if number < PROPOSALS_SHOWN_MAX]
    wanted = {row["proposal"] for _, row in listed}
    decisions, landings = _grouped(members, "approvals.csv", wanted), _grouped(members, "erp/commits.csv", wanted)
    for number, row in listed:
        section.grids.append(_proposal(number, row, decisions[row["proposal"]], landings[row["proposal"]]))
    return section


def _grouped(members: Members, path: str, wanted: set[str]) -> defaultdict[str, list[tuple[int, Row]]]:
    found: defaultdict[str, list[tuple[int, Row]]] = defaultdict(list)
    for number, row in rows_of(members, path):
        if row["proposal"] in wanted:
            found[row["proposal"]].append((number, row))
    return found


def _proposal(number: int, row: Row, decisions: list[tuple[int, Row]], landings: list[tuple[int, Row]]) -> Grid:
    here = link("proposals.csv", number)
    lines = [
        cells(("Amount", f"{grouped(row['amount'])} {row['currency']}"), href=here),
        cells(("Company and tool", f"{row['company']}, {row['tool']}"), href=here),
        cells(("Agent and model", f"{row['agent']} {row['model']} {row['model_version']}".strip()), href=here),
        cells(("Proposed at", row["proposed_at"]), href=here),
        [Cell("Action digest", here), Cell(row["action_digest"], is_code=True)],
        cells(("Stands as", row["stands"]), href=here),
    ]
    for at, decision in decisions:
        what, who = SAID.get(decision["decision"], decision["decision"]), decision["name"] or decision["person"]
        said = f"{what} by {who} at {decision['decided_at']}"
        lines.append(cells(("Decision", said), href=link("approvals.csv", at)))
    for at, landing in landings:
        differences = counted(int(landing["differences"] or 0), "difference", "differences")
        said = f"{landing['document']} at {landing['at']}, {differences}"
        lines.append(cells(("Landed", said), href=link("erp/commits.csv", at)))
    return Grid(f"{row['headline'] or row['proposal']}", ("What", "Value"), (1, 4), lines, row["proposal"])
