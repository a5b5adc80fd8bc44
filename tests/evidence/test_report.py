"""The report says only what was computed, every figure leads to its row, and its PDF is signed, tagged and carries its data."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser

import pytest
from asn1crypto import x509
from django.conf import settings
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from audit.bundle_parts import Scope
from reconciliation.evidence.pdf_signing import signed_pdf
from reconciliation.evidence.report import assurance
from reconciliation.evidence.report.composing import unsigned_pdf
from reconciliation.evidence.report_key import parse_identity
from reconciliation.evidence.safe_text import RANGES, is_printable, visible
from tests.builders.audit import INSTANT
from tests.evidence.conftest import Evidence, members_of
from tests.evidence.test_tables import rows

pytestmark = pytest.mark.django_db(databases=["default", "ledger"])


class Links(HTMLParser):
    """Collects what a page links to, and its ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.add(values.get("id") or "")
        if tag == "a":
            self.links.append(values.get("href") or "")


def test_every_link_of_the_report_leads_to_a_row(evidence: Evidence) -> None:
    for path in (evidence.proposal, evidence.period):
        members = members_of(path)
        page = Links(members["report.html"].decode("utf-8"))
        assert len(page.links) > 40
        for href in page.links:
            member, _, fragment = href.partition("#")
            if not member:
                assert fragment in page.ids
                continue
            assert member in members, href
            if fragment:
                number = int(fragment.removeprefix("row="))
                assert 2 <= number <= len(rows(members, member)) + 1, href


def test_the_report_has_its_seventeen_sections_and_says_what_was_not_tested(evidence: Evidence) -> None:
    period, proposal = (json.loads(members_of(path)["report/report.json"]) for path in (evidence.period, evidence.proposal))
    assert [section["number"] for section in period["sections"]] == list(range(1, 18))
    assert {section["number"] for section in proposal["sections"] if section["status"] == "Not tested"} == set()
    assert {section["number"] for section in period["sections"] if section["status"] == "Not tested"} == {11}


def test_one_proposals_controls_rules_and_changes_are_tested(evidence: Evidence) -> None:
    members = members_of(evidence.proposal)
    controls = {row["control"]: row for row in rows(members, "report/section_05.csv")}
    tested = {code for code, row in controls.items() if row["result"] != "Not tested"}
    assert tested == {"AC-1", "AC-2", "AC-3", "AC-4", "AC-5"}
    assert {controls[code]["tested"] for code in tested} == {"1"}
    assert {controls[code]["exceptions"] for code in tested} == {"0"}
    assert controls["AC-6"]["finding"] == "Tested over a period; this is about one proposal."
    assert {row["tested"] for row in rows(members, "report/section_09.csv")} <= {"0", "1"}
    assert sum(int(row["tested"]) for row in rows(members, "report/section_09.csv")) > 5
    found = {(row["section"], row["figure"]): row["value"] for row in rows(members, "report/figures.csv")}
    assert found["9", "Writes that landed"] == "1"
    assert int(found["8", "Changes"]) == len([row for row in rows(members, "changes.csv") if not row["code"]]) >= 3


def test_a_proposal_that_has_not_landed_says_what_could_not_be_tested(evidence: Evidence) -> None:
    scope = Scope(1, 10, 10, INSTANT, proposal=evidence.waiting.public_id)
    assert assurance.journal_tests(scope) == ()
    (controls,) = assurance.control_matrix(scope)
    assert {row[0]: row[7] for row in controls.rows}["AC-1"] == "Nothing landed of this proposal."


def test_figures_are_the_counts_of_the_tables(evidence: Evidence) -> None:
    members = members_of(evidence.period)
    found = {(row["section"], row["figure"]): row["value"] for row in rows(members, "report/figures.csv")}
    assert found["4", "Proposals"] == str(len(rows(members, "proposals.csv"))) == "3"
    assert found["4", "Landed, EUR"] == "2600.52"
    assert found["4", "Committed by the gate without a row of the ERP's answer"] == "0"
    assert found["7", "Approvals by an excluded person"] == "0"
    assert found["10", "Attempts to send"] == found["10", "Commits attempted"] == "2"
    assert found["9", "Writes that landed in the period"] == "2"
    assert all(row["source"] in members for row in rows(members, "report/figures.csv"))


def test_the_signature_is_valid_and_covers_the_file(evidence: Evidence) -> None:
    pdf = members_of(evidence.period)["report.pdf"]
    identity = parse_identity(settings.AUDIT_REPORT_IDENTITY)
    trusted = ValidationContext(trust_roots=[x509.Certificate.load(identity.authorities[0])])
    (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    status = validate_pdf_signature(signature, trusted)
    assert (status.bottom_line, status.coverage) == (True, SignatureCoverageLevel.ENTIRE_FILE)
    changed = bytearray(pdf)
    changed[len(changed) // 3] ^= 1
    (signature,) = PdfFileReader(io.BytesIO(bytes(changed))).embedded_signatures
    assert not validate_pdf_signature(signature, trusted).bottom_line


def test_the_pdf_is_tagged_and_carries_the_data_it_was_made_from(evidence: Evidence) -> None:
    members = members_of(evidence.period)
    reader = PdfFileReader(io.BytesIO(members["report.pdf"]))
    assert reader.root["/MarkInfo"]["/Marked"]
    metadata = reader.root["/Metadata"].data
    assert re.search(rb"pdfaid:part(=\"|>)3", metadata)
    assert re.search(rb"pdfaid:conformance(=\"|>)A", metadata)
    assert b"pyHanko" not in metadata
    listed = list(reader.root["/Names"]["/EmbeddedFiles"]["/Names"])
    attached = {str(name): spec.get_object()["/EF"]["/F"].data for name, spec in zip(listed[::2], listed[1::2], strict=True)}
    for path in ("report/report.json", "report/figures.csv", "bundle.json"):
        assert attached[path.replace("/", "_")] == members[path]


def test_the_same_report_gives_the_same_pdf_signed_or_not(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.loads(members_of(evidence.proposal)["report/report.json"])
    first, second = (unsigned_pdf(data, [], timestamp=0) for _ in range(2))
    assert first == second
    identity = parse_identity(settings.AUDIT_REPORT_IDENTITY)
    with monkeypatch.context() as patch:
        signed = [signed_pdf(first, identity=identity, at=INSTANT)]
        patch.setattr("os.urandom", lambda count: b"x" * count)
        patch.setattr("time.time", lambda: 0.0)
        signed.append(signed_pdf(first, identity=identity, at=INSTANT))
    assert signed[0] == signed[1]
    assert signed[0].startswith(first)


def test_text_that_deceives_or_has_no_glyph_is_printed_as_code_points() -> None:
    assert visible("Pumps\u202e07.9\u202c") == "Pumps‹U+202E›07.9‹U+202C›"
    assert visible("日\x00\ufffe\U0001f600\u200b\xa0\n") == "‹U+65E5›‹U+0000›‹U+FFFE›‹U+1F600›‹U+200B›‹U+00A0›‹U+000A›"
    assert visible("Müller & Söhne, Αθήνα, Київ — 12 €") == "Müller & Söhne, Αθήνα, Київ — 12 €"
    assert visible("x" * 2_010).endswith("x ‹10 more characters›")
    assert visible("#eval(1) *b* $x$ \ud800") == "#eval(1) *b* $x$ ‹U+D800›"


def test_every_character_that_is_printed_has_a_glyph(evidence: Evidence) -> None:
    every = [chr(point) for first, last in RANGES for point in range(first, last + 1) if is_printable(chr(point))]
    data = json.loads(members_of(evidence.proposal)["report/report.json"])
    cover = {**data["sections"][0], "figures": [], "grids": [], "paragraphs": [" ".join(every)]}
    pdf = unsigned_pdf({**data, "sections": [cover]}, [], timestamp=0)
    assert re.match(rb"%PDF-1\.7", pdf)
