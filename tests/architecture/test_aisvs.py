"""docs/aisvs.md promises tests by name: each of them exists, and each requirement of C9.2 and 9.6.2 has some."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENT = (PROJECT / "docs" / "aisvs.md").read_text(encoding="utf-8")
PROMISED = re.findall(r"^- `(tests/[\w/]+\.py)::(test_\w+)`$", DOCUMENT, re.MULTILINE)
REQUIREMENTS = ["9.2.1", "9.2.2", "9.2.3", "9.2.4", "9.2.5", "9.2.6", "9.6.2"]


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of the tests of one file, those in classes too."""
    file = PROJECT / path
    tree = ast.parse(file.read_text(encoding="utf-8")) if file.exists() else ast.Module([], [])
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize(("path", "name"), PROMISED, ids=[name for _, name in PROMISED])
def test_a_promised_test_exists(path: str, name: str) -> None:
    assert name in names_in(path)


def test_every_requirement_has_its_wording_and_its_tests() -> None:
    sections = re.split(r"^## v1\.0-C", DOCUMENT, flags=re.MULTILINE)[1:]
    assert [section.split()[0] for section in sections] == REQUIREMENTS
    for section in sections:
        assert "> *Verify that " in section
        assert len(re.findall(r"^- `tests/", section, re.MULTILINE)) >= 3, section.split()[0]


def test_nothing_in_the_document_names_a_test_that_is_not_looked_for() -> None:
    assert len(PROMISED) == DOCUMENT.count("::test_")
