"""Sections that count: population, approvals, duties, changes, exactly once, reconciliation, models, data, retention, exceptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from approvals.policies import EXCLUSION_LABELS
from audit.bundle_parts import Scope
from audit.verifier.countersign_verify import Bundle, Members
from reconciliation.evidence.report.parts import NOT_TESTED, Cell, FigureBook, Grid, Section, cells, link, shown
from reconciliation.evidence.report.reading import Row, added, counted, first_rows, rows_of

NO_WORDS: Mapping[str, str] = {}
PROPOSALS, APPROVALS, COMMITS = "proposals.csv", "approvals.csv", "erp/commits.csv"


def population(section: Section, bundle: Bundle, book: FigureBook) -> Section:
    """Return the section with the counts and sums of both sides of the gate and their tie-out, after what others stated."""
    members = bundle.members
    section.status, section.paragraphs = "", [text for text in section.paragraphs if section.grids]
    proposed, landed = _numbers(members, PROPOSALS), _numbers(members, COMMITS)
    book.add(section, "Proposals", sum(proposed.values()), source=PROPOSALS, how="rows; one for each event proposal:proposed, as verified")
    book.add(
        section, "Commits that landed", sum(landed.values()), source=COMMITS, how="rows; one for each event commit:succeeded, as verified"
    )
    for name, path in (("Proposed", PROPOSALS), ("Landed", COMMITS)):
        for currency, total in added(members, path, "amount", "currency").items():
            book.add(section, f"{name}, {currency}", total, source=path, how=f"sum of amount where currency is {currency}")
    stands = {row["proposal"]: row["stands"] for _, row in rows_of(members, PROPOSALS)}
    committed = {proposal for proposal, state in stands.items() if state == "committed"}
    only_gate, only_erp = committed - set(landed), {proposal for proposal in landed if stands.get(proposal, "committed") != "committed"}
    how = "proposals.csv and erp/commits.csv compared by proposal"
    book.add(section, "Committed by the gate without a row of the ERP's answer", len(only_gate), source=COMMITS, how=how)
    book.add(section, "Answered by the ERP but not standing as committed", len(only_erp), source=PROPOSALS, how=how)
    _ledger(section, members, book, set(landed))
    states = Counter(stands.values())
    grid = [
        [Cell(state), book.cell(section, f"Proposals that stand as {state}", count, source=PROPOSALS, how=f"rows where stands is {state}")]
        for state, count in sorted(states.items())
    ]
    section.grids.append(Grid("How proposals stood at the end", ("State", "Proposals"), (3, 1), grid))
    return section


def _ledger(section: Section, members: Members, book: FigureBook, landed: set[str]) -> None:
    path = "ledgers/ads_gl_detail.csv"
    if path not in members:
        return
    for side, word in (("D", "debit"), ("C", "credit")):
        sums = added(members, path, "Amount", "Amount_Currency", _is_on(side))
        for currency, total in sums.items():
            how = f"sum of Amount where indicator is {side} and Amount_Currency is {currency}"
            book.add(section, f"Journal lines, {word}, {currency}", total, source=path, how=how)
    named = {row["Segment02"] for _, row in rows_of(members, path) if row["Segment02"]}
    staff = {(row["Business_Unit_Code"], row["Journal_ID"]) for _, row in rows_of(members, path) if not row["Segment02"]}
    book.add(section, "Journal entries that name no proposal", len(staff), source=path, how="distinct Journal_ID where Segment02 is empty")
    how = "distinct Segment02 that are no proposal of erp/commits.csv"
    book.add(section, "Proposals named in the ledger without a commit in this bundle", len(named - landed), source=path, how=how)


def _is_on(side: str) -> Callable[[Row], bool]:
    return lambda row: row["Amount_Credit_Debit_Indicator"] == side


def approvals(members: Members, book: FigureBook) -> Section:
    """Return decisions by kind and by person."""
    section = Section(6, "Approvals")
    for decision, count in sorted(counted(members, APPROVALS, lambda row: row["decision"]).items()):
        book.add(section, f"Decisions: {decision}", count, source=APPROVALS, how=f"rows where decision is {decision}")
    stands = [(row["proposal"], row["stands"]) for _, row in rows_of(members, PROPOSALS)]
    decided = {row["proposal"] for _, row in rows_of(members, APPROVALS) if row["decision"] == "approve"}
    automatic = sum(state in {"approved", "committed", "failed", "unknown"} and proposal not in decided for proposal, state in stands)
    how = "rows of proposals.csv past the gate without an approving row of approvals.csv: approved by rule, or decided before the period"
    book.add(section, "Passed the gate without a person's decision here", automatic, source=PROPOSALS, how=how)
    book.add(
        section,
        "Signed with a passkey",
        _count(members, APPROVALS, lambda row: row["signed"] == "yes"),
        source=APPROVALS,
        how="rows where signed is yes",
    )
    first = first_rows(members, APPROVALS, _person)
    people = []
    for person, count in sorted(counted(members, APPROVALS, _person).items()):
        figure = book.cell(section, f"Decisions of {person}", count, source=APPROVALS, how="rows of this person")
        people.append([Cell(person, link(APPROVALS, first[person])), figure])
    rows, note = shown(people, APPROVALS)
    if rows:
        section.grids.append(Grid("By person", ("Person", "Decisions"), (3, 1), rows, note))
    return section


def duties_and_access(members: Members, book: FigureBook) -> Section:
    """Return who was kept from deciding, whether anybody decided nonetheless, and who looked at evidence."""
    section = Section(7, "Segregation of duties, and access")
    excluded = {(row["proposal"], row["person"]) for _, row in rows_of(members, "sod.csv")}
    broken = _count(members, APPROVALS, lambda row: row["decision"] == "approve" and (row["proposal"], row["person"]) in excluded)
    book.add(section, "Exclusions in force", len(excluded), source="sod.csv", how="distinct pairs of proposal and person")
    how = "approving rows of approvals.csv whose proposal and person are in sod.csv"
    book.add(section, "Approvals by an excluded person", broken, source=APPROVALS, how=how)
    _by(section, members, book, "sod.csv", "reason", "Exclusions by reason", EXCLUSION_LABELS)
    _by(section, members, book, "access_log.csv", "kind", "Looks at evidence")
    return section


def changes(scope: Scope, members: Members, book: FigureBook) -> Section:
    """Return what was changed about rules and rights in the period, or about those that one proposal rests on."""
    section = Section(8, "Changes to policies, agents, grants and connections")
    if scope.proposal:
        section.paragraphs.append(
            "Changes of what this proposal rests on, up to the checkpoint: the policy that routed it, its agent, grant and key, "
            "and the roles and delegations of the people who decided."
        )
    path = "changes.csv"
    book.add(section, "Changes", _count(members, path, lambda row: not row["code"]), source=path, how="rows without a code")
    book.add(section, "Refused attempts", _count(members, path, lambda row: bool(row["code"])), source=path, how="rows with a code")
    _by(section, members, book, path, "kind", "By kind")
    return section


def exactly_once(members: Members, book: FigureBook) -> Section:
    """Return attempts, what was suppressed, what was unknown and how it was resolved, and what landed otherwise than approved."""
    section = Section(10, "Exactly once")
    attempts, keys = _count(members, "erp/attempts.csv", lambda _: True), counted(members, COMMITS, lambda row: row["key"])
    commits = len(counted(members, "erp/attempts.csv", lambda row: row["commit"]))
    book.add(section, "Attempts to send", attempts, source="erp/attempts.csv", how="rows")
    book.add(section, "Commits attempted", commits, source="erp/attempts.csv", how="distinct commit")
    how = "rows beyond the first of each commit: sent again under the same key, and posted once"
    book.add(section, "Repeated attempts", attempts - commits, source="erp/attempts.csv", how=how)
    twice = sum(count > 1 for key, count in keys.items() if key)
    book.add(section, "Keys with more than one success", twice, source=COMMITS, how="keys that stand in more than one row")
    documents = counted(members, COMMITS, lambda row: f"{row['company']} {row['document']}")
    doubled = sum(count > 1 for count in documents.values())
    book.add(section, "Documents claimed by more than one commit", doubled, source=COMMITS, how="company and document in more than one row")
    differing = _count(members, COMMITS, lambda row: row["differences"] not in {"", "0"})
    book.add(section, "Landed otherwise than approved", differing, source=COMMITS, how="rows where differences is not 0")
    _by(section, members, book, "erp/steps.csv", "kind", "Steps of commits")
    return section


def reconciliation(scope: Scope, members: Members, book: FigureBook) -> Section:
    """Return what was compared and what was found."""
    section = Section(11, "Reconciliation")
    runs, breaks = "erp/reconciliation.csv", "erp/breaks.csv"
    if not scope.proposal:
        count = len(counted(members, runs, lambda row: row["run"]))
        book.add(section, "Runs", count, source=runs, how="distinct run")
        if not count:
            section.status = NOT_TESTED
            section.paragraphs.append("No reconciliation ran in the period.")
    book.add(section, "Breaks opened", _count(members, breaks, lambda _: True), source=breaks, how="rows")
    still = _count(members, breaks, lambda row: row["state"] in {"open", "closing", "compensating"})
    book.add(section, "Breaks still open", still, source=breaks, how="rows where state is open, closing or compensating")
    _by(section, members, book, breaks, "kind", "Breaks by kind")
    return section


def use_of_models(members: Members, book: FigureBook) -> Section:
    """Return which agents and models proposed how much."""
    section = Section(12, "Use of AI")
    section.paragraphs.append("Model and version are what the agent's owner declared; the gate does not look at a model's confidence.")
    first = first_rows(members, PROPOSALS, _model)
    models = []
    for model, count in sorted(counted(members, PROPOSALS, _model).items()):
        figure = book.cell(section, f"Proposals of {model}", count, source=PROPOSALS, how="rows of this agent and model")
        models.append([Cell(model, link(PROPOSALS, first[model])), figure])
    rows, note = shown(models, PROPOSALS)
    if rows:
        section.grids.append(Grid("By agent and model", ("Agent and model", "Proposals"), (4, 1), rows, note))
    return section


def data_used(members: Members, book: FigureBook) -> Section:
    """Return what proposals rest on."""
    section, path = Section(13, "Data used"), "data_used.csv"
    cited = counted(members, path, lambda row: row["proposal"])
    book.add(section, "Reads cited", sum(cited.values()), source=path, how="rows")
    none = _count(members, PROPOSALS, lambda row: row["proposal"] not in cited)
    book.add(section, "Proposals that cite nothing", none, source=PROPOSALS, how="rows whose proposal is not in data_used.csv")
    _by(section, members, book, path, "role", "By role")
    return section


def retention(members: Members, book: FigureBook) -> Section:
    """Return holds, expiries and redactions."""
    section, path = Section(14, "Retention, holds and redactions"), "retention.csv"
    book.add(section, "Events of holds and retention", _count(members, path, lambda _: True), source=path, how="rows")
    _by(section, members, book, path, "kind", "By kind")
    return section


def exceptions(members: Members, book: FigureBook) -> Section:
    """Return what was refused, failed, left unknown, landed otherwise, or raised an alarm."""
    section, path = Section(16, "Exceptions"), "exceptions.csv"
    section.paragraphs.append(
        "What was refused, failed, was left unknown, landed otherwise or raised an alarm. Exceptions of controls: section 5."
    )
    book.add(section, "Exceptions", _count(members, path, lambda _: True), source=path, how="rows")
    _by(section, members, book, path, "kind", "By kind")
    listed = []
    for number, row in rows_of(members, path):
        if number >= 100:
            break
        listed.append(cells((row["at"], row["kind"], row["code"] or row["status"], row["subject"]), href=link(path, number)))
    rows, note = shown(listed, path)
    if rows:
        section.grids.append(Grid("First ones", ("At", "Kind", "Code or status", "About"), (3, 3, 3, 4), rows, note))
    return section


def _by(
    section: Section, members: Members, book: FigureBook, path: str, column: str, title: str, words: Mapping[str, str] = NO_WORDS
) -> None:
    """Add a grid of counts by the values of one column, each with the first row it has; `words` say what a value means."""
    first = first_rows(members, path, lambda row: row[column])
    lines = []
    for value, count in sorted(counted(members, path, lambda row: row[column]).items()):
        figure = book.cell(section, f"{title}: {value}", count, source=path, how=f"rows where {column} is {value}")
        text = f"{words[value]} ({value})" if value in words else value
        lines.append([Cell(text, link(path, first[value])), figure])
    rows, note = shown(lines, path)
    if rows:
        section.grids.append(Grid(title, (column.replace("_", " ").capitalize(), "Rows"), (3, 1), rows, note))


def _numbers(members: Members, path: str) -> Counter[str]:
    return counted(members, path, lambda row: row["proposal"])


def _count(members: Members, path: str, only: Callable[[Row], bool]) -> int:
    return sum(only(row) for _, row in rows_of(members, path))


def _person(row: Row) -> str:
    return f"{row['name']} ({row['person']})" if row["name"] else row["person"]


def _model(row: Row) -> str:
    return f"{row['agent']} {row['model']} {row['model_version']}".strip()
