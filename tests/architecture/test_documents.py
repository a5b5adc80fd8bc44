"""What the documents list is what the code has; every event kind that is declared is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.apps import apps

from config.reference_docs import APPS, differing, import_everything, verdict_codes

PROJECT = Path(__file__).resolve().parents[2]
MARKDOWN_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
ADR_NAME = re.compile(r"^\d{4}-[a-z0-9-]+\.md$")


def sources() -> str:
    paths = [path for app in APPS for path in (PROJECT / app).rglob("*.py") if path.name != "events.py"]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_reference_pages_are_what_the_code_says() -> None:
    assert differing(PROJECT / "docs") == [], "run manage.py reference_docs"


def test_every_declared_event_kind_is_recorded_somewhere() -> None:
    import_everything()
    recorded = set(re.findall(r"Event\.([A-Z_]+)\b", sources()))
    for app in APPS:
        events = PROJECT / app / "events.py"
        if not events.exists():
            continue
        for name in re.findall(r"^    ([A-Z_]+) = ", events.read_text(encoding="utf-8"), re.MULTILINE):
            assert name in recorded, f"{app}.events: {name} is declared and never recorded"


def test_verdicts_have_sentences() -> None:
    assert {code for code, sentence in verdict_codes().items() if not sentence} == set()


@pytest.mark.parametrize("label", [name for name in APPS if name != "kernel"])
def test_every_app_is_installed(label: str) -> None:
    assert apps.is_installed(label)


@pytest.mark.parametrize("path", sorted(PROJECT.glob("*.md")) + sorted((PROJECT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_links_in_documents_lead_somewhere(path: Path) -> None:
    for target in MARKDOWN_LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_decision_records_are_numbered_and_named_by_their_rule() -> None:
    names = sorted(path.name for path in (PROJECT / "docs" / "adr").glob("*.md") if path.name != "README.md")
    assert all(ADR_NAME.match(name) for name in names)
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
