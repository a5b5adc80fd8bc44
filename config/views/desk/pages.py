"""The panels of the desk: statements of assurance as finished texts."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.urls import reverse

from approvals.rules import BY_CODE, RULES
from audit.watch import ExportStatus
from config.views.desk.parts import Cell, Panel, Table, figure, money_texts, proposal_cell
from identity.models import Agent
from kernel.display import Tag, Tone, at, maybe_at, short_digest, utc
from kernel.errors import ValidationFailed
from kernel.ids import Prefix, encode
from kernel.money import Money
from proposals.models import Proposal
from reconciliation.assurance.access import Duties, RoleChange
from reconciliation.assurance.controls import ControlRow
from reconciliation.assurance.hit_words import names_in, seen_text, threshold_text
from reconciliation.assurance.models import RuleHit, RuleRun, Sample
from reconciliation.assurance.population import Statement
from reconciliation.assurance.states import ControlResult, RuleRunState, SampleMethod
from reconciliation.assurance.tie_out import Side, TieOut

RESULT_TAGS = {
    ControlResult.EFFECTIVE: Tag("No exception", Tone.GOOD, "check"),
    ControlResult.EXCEPTIONS: Tag("Exceptions", Tone.BAD, "warn"),
    ControlResult.NOT_TESTED: Tag("Not tested", Tone.PLAIN, "info"),
}
RUN_TAGS = {
    RuleRunState.REQUESTED: Tag("Waiting", Tone.INFO, "clock"),
    RuleRunState.COMPLETED: Tag("Completed", Tone.GOOD, "check"),
    RuleRunState.ABORTED: Tag("Aborted", Tone.BAD, "warn"),
}
SIDES_SHOWN = 50


def exports_panel(rows: Sequence[ExportStatus]) -> Panel:
    """Return where checkpoints were brought: what an auditor compares the log with."""
    return Panel(
        id="exports",
        title="Checkpoints outside",
        note="compare the log with what lies where nobody here can change it",
        table=Table(
            "Places that keep checkpoints",
            ("Place", "State", "Newest size", "Brought"),
            [
                [
                    Cell(row.title, sub=row.place),
                    Cell(Tag("Failing", Tone.BAD, "warn") if row.is_failing else Tag("Kept", Tone.GOOD, "check"), sub=row.detail),
                    figure(row.size),
                    Cell(maybe_at(row.at)),
                ]
                for row in rows
            ],
        ),
        empty="No place outside is configured: see the operator's guide.",
    )


def statement_panels(found: Statement, run_by: str) -> list[Panel]:
    """Return the statement of completeness, and what it counts."""
    events = found.events
    tag = Tag("Complete", Tone.GOOD, "check") if found.is_complete else Tag("Not complete", Tone.WARN, "warn")
    sequence = f"#{events.first_sequence:,} to #{events.last_sequence:,}" if events.first_sequence else "none sealed"
    facts = (
        ("Events recorded", f"{events.count:,}"),
        ("Sequence", sequence),
        ("Missing", f"{events.gaps:,}"),
        ("Not sealed yet", f"{events.unsealed:,}"),
        ("Period", f"{utc(found.scope.since)} to before {utc(found.scope.until)}"),
        ("Companies", ", ".join(found.scope.companies) or "none"),
        ("Parameters", short_digest(found.scope.digest)),
        ("Run", f"{utc(found.run_at)} by {run_by}"),
    )
    rows = [[Cell(item.label.replace("_", " ").capitalize()), figure(item.count), figure(item.total)] for item in found.proposed]
    landed = [[Cell("Landed in the ERP"), figure(item.count), figure(item.total)] for item in found.landed]
    return [
        Panel("statement", "Statement of completeness", note="the log's sequence covers every company", tag=tag, facts=facts),
        Panel(
            "counts",
            "Population",
            note=f"{found.proposed_count:,} proposals submitted, {found.landed_count:,} writes landed",
            table=Table("What was proposed and what landed, by currency", ("What", "How many", "Sum"), [*rows, *landed]),
            empty="Nothing was proposed and nothing landed in this period.",
        ),
    ]


def tie_out_panels(found: Sequence[TieOut]) -> list[Panel]:
    """Return the comparison of each company, and what each side has alone."""
    return [panel for item in found for panel in _tied(item)]


def _tied(found: TieOut) -> list[Panel]:
    if found.why:
        return [Panel(f"tie-{found.company}", found.company, tag=RESULT_TAGS[ControlResult.NOT_TESTED], empty=found.why)]
    tag = Tag("Tied out", Tone.GOOD, "check") if found.is_tied else Tag("Not tied out", Tone.BAD, "warn")
    rows = [
        [Cell("Gate"), figure(found.gate_count), figure(money_texts(found.gate_totals))],
        [Cell("ERP"), figure(found.erp_count), figure(money_texts(found.erp_totals))],
        [Cell("Matched"), figure(found.matched), figure("")],
        [Cell("Amount differs"), figure(found.differing_count), figure("")],
        [Cell("Only at the gate"), figure(found.only_gate_count), figure("")],
        [Cell("Only in the ERP"), figure(found.only_erp_count), figure("")],
    ]
    panels = [
        Panel(
            f"tie-{found.company}", found.company, tag=tag, table=Table(f"{found.company}: both sides", ("Side", "Documents", "Sum"), rows)
        )
    ]
    alone = [("Only at the gate", side) for side in found.only_gate] + [("Only in the ERP", side) for side in found.only_erp]
    alone += [("Amount differs", gate) for gate, _ in found.differing]
    if alone:
        table = Table(
            f"{found.company}: documents that one side has alone",
            ("Document", "Where", "Proposal", "Amount"),
            [_alone(where, side) for where, side in alone[:SIDES_SHOWN]],
        )
        panels.append(Panel(f"alone-{found.company}", f"{found.company}: unmatched", table=table))
    return panels


def _alone(where: str, side: Side) -> list[Cell]:
    proposal = proposal_cell(side.reference) if side.reference.startswith("prop_") else Cell(side.reference or "none")
    return [Cell(side.document, is_code=True), Cell(where), proposal, figure(side.amount)]


def controls_panel(rows: Sequence[ControlRow]) -> Panel:
    """Return the control matrix."""
    counts = {result: sum(row.result == result for row in rows) for result in ControlResult}
    return Panel(
        "controls",
        "Control matrix",
        note=f"{counts[ControlResult.EFFECTIVE]} without exception, {counts[ControlResult.EXCEPTIONS]} with exceptions,"
        f" {counts[ControlResult.NOT_TESTED]} not tested",
        table=Table(
            "Controls, what they are for, and what testing them came to",
            ("Control", "Result", "Tested", "Exceptions", "COSO principle", "General controls"),
            [
                [
                    Cell(f"{row.control.code} {row.control.title}", sub=row.control.objective),
                    Cell(RESULT_TAGS[row.result], sub=row.sentence),
                    figure(row.tested),
                    figure(row.exception_count),
                    Cell(row.control.coso),
                    Cell(row.control.itgc),
                ]
                for row in rows
            ],
        ),
    )


def rule_run_cells(run: RuleRun) -> list[Cell]:
    """Return one run of the rules as a row."""
    hits = sum(int(item["hits"]) for item in run.results.values())
    return [
        Cell(str(run), url=reverse("desk:rule_run", args=[run.public_id]), sub=", ".join(run.companies)),
        Cell(RUN_TAGS[RuleRunState(run.state)], sub=run.detail),
        figure(run.population_count, money_texts(run.population_totals)),
        figure(hits),
        Cell(at(run.started_at), sub=_name(run.started_by)),
    ]


def results_panel(run: RuleRun, chosen: str) -> Panel:
    """Return what each rule came to, leading to its hits."""
    address = reverse("desk:rule_run", args=[run.public_id])
    rows = []
    for rule in RULES:
        found = run.results.get(rule.code)
        if found is None:
            continue
        untested = sum(found["not_tested"].values())
        why = next(iter(found["not_tested"]), "") if untested else ""
        hits = Cell(f"{found['hits']:,}", url=f"{address}?rule={rule.code}#hits" if found["hits"] else "", is_numeric=True)
        rows.append(
            [
                Cell(f"{rule.code} {rule.title}", sub=rule.text),
                hits,
                figure(found["tested"]),
                figure(found["not_applicable"]),
                Cell(f"{untested:,}", sub=why),
            ]
        )
    columns = ("Rule", "Hits", "Tested", "Not applicable", "Not tested")
    note = f"showing {chosen}" if chosen else "a hit is a reason to look, not an error"
    return Panel("results", "Results", note=note, table=Table("What each rule came to", columns, rows), empty=run.detail or "Not done yet.")


def hits_table(hits: Sequence[RuleHit]) -> Table:
    """Return hits with what the rule saw and was held against."""
    names = names_in(hits)
    return Table(
        "Writes that a rule struck",
        ("Proposal", "Rule", "What it says", "Seen", "Threshold"),
        [
            [
                proposal_cell(hit.proposal.public_id),
                Cell(hit.rule, sub=f"{BY_CODE[hit.rule].title}, version {hit.rule_version}"),
                Cell(hit.text, sub=f"{hit.proposal.amount}, {hit.proposal.company}"),
                Cell(seen_text(hit, names)),
                Cell(threshold_text(hit)),
            ]
            for hit in hits
        ],
    )


def sample_cells(sample: Sample) -> list[Cell]:
    """Return one sample as a row."""
    return [
        Cell(
            sample.purpose, url=reverse("desk:sample", args=[sample.public_id]), sub=f"{sample.since:%Y-%m-%d} to {sample.until:%Y-%m-%d}"
        ),
        Cell(str(SampleMethod(sample.method).label).split(":")[0], sub=sample.currency),
        figure(sample.size, f"of {sample.population_count:,}"),
        Cell(sample.seed, is_code=True),
        Cell(at(sample.drawn_at), sub=_name(sample.drawn_by)),
    ]


def sample_panels(sample: Sample, is_same: bool) -> list[Panel]:
    """Return a sample with its parameters and its items; `is_same` tells whether drawing again gives the same today."""
    tag = Tag("Drawn again: the same", Tone.GOOD, "check") if is_same else Tag("Drawn again: different", Tone.BAD, "warn")
    facts = (
        ("Method", SampleMethod(sample.method).label),
        ("Seed", sample.seed),
        ("Period", f"{utc(sample.since)} to before {utc(sample.until)}"),
        ("Companies", ", ".join(sample.companies)),
        ("Population", f"{sample.population_count:,}, {money_texts(sample.population_totals)}"),
        ("Population digest", short_digest(sample.population_digest)),
        ("Drawn", f"{utc(sample.drawn_at)} by {_name(sample.drawn_by)}"),
    )
    items = list(sample.items.select_related("proposal", "proposal__commit__receipt"))
    rows = [
        [
            proposal_cell(item.proposal.public_id),
            figure(item.position),
            Cell(item.proposal.headline, sub=item.proposal.company),
            figure(item.proposal.amount),
            Cell(item.proposal.commit.receipt.document, is_code=True),
            Cell(item.because, sub=item.stratum),
        ]
        for item in items
    ]
    columns = ("Proposal", "Place", "Write", "Amount", "Document", "Selected by")
    return [
        Panel("parameters", "How it was drawn", tag=tag, facts=facts),
        Panel("items", "Items", note=f"{len(items):,} selected", table=Table("The sample", columns, rows)),
    ]


def access_panels(changes: Sequence[RoleChange], duties: Sequence[Duties], names: dict[int, str]) -> list[Panel]:
    """Return who held which role, and what people did at the gate."""
    roles = [
        [
            Cell(names.get(row.user_id, str(row.user_id))),
            Cell(row.role),
            Cell(", ".join(row.companies)),
            Cell(row.change.capitalize(), sub=f"by {names.get(row.changed_by, row.changed_by)}" if row.changed_by else "by the set-up"),
            Cell(at(row.changed_at)),
            Cell(row.expires_on.isoformat() if row.expires_on else "–"),
        ]
        for row in changes
    ]
    acted = [
        [
            Cell(names.get(row.user_id, str(row.user_id))),
            figure(row.decisions),
            figure(row.approvals),
            figure(row.excluded),
            figure(row.asked),
            figure(row.twice),
        ]
        for row in duties
    ]
    return [
        Panel(
            "roles",
            "Roles",
            note="the last change before the period of each role, and every change within it",
            table=Table("Who held which role", ("Person", "Role", "Companies", "Change", "When", "Ends on"), roles),
            empty="Nobody has a role in these companies.",
        ),
        Panel(
            "duties",
            "Segregation of duties",
            note="the last three columns are 0, or an exception",
            table=Table(
                "What people decided",
                ("Person", "Decisions", "Approvals", "While excluded", "On their own request", "More than once"),
                acted,
            ),
            empty="Nobody decided in this period.",
        ),
    ]


def found_cells(proposal: Proposal, document: str, flags: Sequence[str]) -> list[Cell]:
    """Return one proposal of the search as a row."""
    return [
        Cell(proposal.headline, url=reverse("audit:proposal", args=[proposal.public_id]), sub=proposal.public_id),
        Cell(proposal.get_state_display(), sub=document),
        figure(proposal.amount),
        Cell(proposal.company),
        Cell(proposal.agent.name),
        Cell(", ".join(flags) or "–"),
        Cell(at(proposal.created_at)),
    ]


def agents_of(companies: Sequence[str]) -> list[tuple[str, str]]:
    """Return the agents of these companies as choices."""
    rows = Agent.objects.filter(companies__overlap=list(companies)).order_by("name").values_list("pk", "name")
    return [(encode(Prefix.AGENT, key), name) for key, name in rows]


def amount_of(text: str, currency: str) -> int | None:
    """Return an amount that was typed in minor units, or None for anything that is none."""
    try:
        return Money.parse(text.strip(), currency).minor if text.strip() else None
    except ValidationFailed:
        return None


def _name(user: User) -> str:
    return user.get_full_name() or user.get_username()
