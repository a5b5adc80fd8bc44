"""Sections about the bundle itself: what it is, how anybody verifies it, what verifying it found, where it was kept."""

from __future__ import annotations

from audit.bundle_parts import Scope
from audit.keys import verifying_key
from audit.verifier.countersign_verify import PERIOD_SCHEMA, Bundle, record_part
from kernel.display import utc
from reconciliation.evidence.report.parts import Cell, FigureBook, Grid, Section

STEPS = """
Take the public key, one line that begins with countersign/, from a place you trust: on paper, from an earlier copy of your own. Not from
this bundle.

Take countersign_verify.py from a place you trust. The copy in the bundle, verify.py, is a convenience. It is one file, needs nothing but
Python 3.9 or newer, no network, and no Countersign.

Run: python3 countersign_verify.py BUNDLE.zip --key KEY

Exit code 0 means that every check holds; 1 that something does not, and each failure is named; 2 that the file can't be used. With --json
the result is one JSON object.

Compare a checkpoint that you hold from another day with checkpoints/: a log that was rewritten since does not contain yours any more.

The format is described byte by byte in data_dictionary.md, so that you can write a verifier of your own.
"""
LIMITS = """
A bundle proves what the log says, and that the log was not changed after a checkpoint was signed. It does not prove that what people or
agents said was true, nor what happened outside the gate, except where reconciliation found it in the ERP.

Names of people are as they are today; identity in the log is by opaque id.

Without a pinned key a verification proves integrity only: whoever made the bundle could have made the key.

This report was computed before the manifest was signed: it can't state that its own manifest verifies. The verifier does.
"""


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.strip().split("\n\n")]


def cover(scope: Scope, bundle: Bundle, book: FigureBook) -> Section:
    """Return what the bundle is about and what it leans on."""
    section, header = Section(1, "Cover"), bundle.header
    name = "bundle.json"
    book.add(section, "Log", str(header["chain_id"]), source=name, how="chain_id: installation and region")
    book.add(section, "Region", str(header["region"]), source=name, how="region")
    if header["schema"] == PERIOD_SCHEMA:
        book.add(section, "From", str(header["since"]), source=name, how="since: recorded at this instant or later")
        book.add(section, "Until", str(header["until"]), source=name, how="until: recorded before this instant")
        companies = header["companies"]
        book.add(section, "Companies", "all" if companies == "all" else ", ".join(companies), source=name, how="companies")
        book.add(section, "Events withheld", int(header["withheld"]), source=name, how="lines of events.jsonl without bytes")
    else:
        book.add(section, "Proposal", str(header["proposal"]), source=name, how="proposal")
    book.add(section, "Events", int(header["events"]), source=name, how="lines of events.jsonl")
    book.add(section, "First sequence", int(header["first_sequence"]), source=name, how="first_sequence")
    book.add(section, "Last sequence", int(header["last_sequence"]), source=name, how="last_sequence")
    book.add(section, "Checkpoint of size", int(header["checkpoint"]["size"]), source=name, how="checkpoint.size")
    root = book.add(section, "Root of the log at that size", str(header["checkpoint"]["root"]), source=name, how="checkpoint.root")
    section.figures[-1] = (section.figures[-1][0], Cell(root.text, root.href, is_code=True))
    section.figures.append(("Key that signed it", Cell(verifying_key().text, "keys/trust.json", is_code=True)))
    section.figures.append(("As of", Cell(utc(scope.as_of))))
    section.paragraphs.append(
        "Records shaped to Articles 12, 19 and 26(6) of the EU AI Act, kept at least 183 days. This report states what was computed "
        "from the members of this bundle; what was not computed says so. Every figure links to its row in a CSV of the bundle."
    )
    return section


def how_to_verify(bundle: Bundle) -> Section:
    """Return the steps that an auditor takes with the bundle and nothing else."""
    del bundle  # the same for every bundle
    return Section(2, "How to verify", paragraphs=[f"{number}. {step}" for number, step in enumerate(_paragraphs(STEPS), start=1)])


def result(bundle: Bundle) -> Section:
    """Return what verifying the members found, and what a verification can't say."""
    section, findings = Section(3, "Result of verification, and limitations"), bundle.findings
    section.paragraphs.append(
        "Everything that was checked holds." if findings.holds else f"{len(findings.problems)} things do NOT hold. They are named below."
    )
    rows = [[Cell("Holds" if holds else "Fails"), Cell(name), Cell(detail)] for name, holds, detail in findings.checks]
    section.grids.append(Grid("Checks", ("Result", "Check", "What was checked"), (1, 4, 5), rows))
    if findings.problems:
        problems = [[Cell(item.code, is_code=True), Cell(item.sentence)] for item in findings.problems[:100]]
        section.grids.append(Grid("Problems", ("Code", "What does not hold"), (1, 4), problems))
    section.paragraphs += [f"Limitation: {text}" for text in (*_paragraphs(LIMITS), *findings.limitations)]
    return section


def residency(bundle: Bundle, book: FigureBook) -> Section:
    """Return the region that events, checkpoints and this bundle carry."""
    section, header = Section(15, "Residency"), bundle.header
    book.add(section, "Region of the log", str(header["region"]), source="bundle.json", how="region: a property of the chain")
    foreign = sum(problem.code in {"foreign_chain", "checkpoint_origin", "region_differs"} for problem in bundle.findings.problems)
    book.add(
        section,
        "Events, checkpoints and headers of another region",
        foreign,
        source="events.jsonl",
        how="Each record's chain_id and each checkpoint's origin compared with the bundle's; withheld events can't be compared.",
    )
    if bundle.header["schema"] != PERIOD_SCHEMA:
        regions = {str(record_part(record, "region")) for record in bundle.records}
        section.paragraphs.append(f"Regions stamped on the events: {', '.join(sorted(regions))}.")
    return section
