"""The format's page names every word that a verifier may say: whoever writes another verifier finds all of them there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
# Who notes a problem, and which argument is its word.
NOTED_BY = {"problem": 0, "expect": 1, "SealingRefused": 0, "Claim": 2}


def words(path: Path) -> Iterator[str]:
    """Yield the words of the problems that a module can note."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = NOTED_BY.get(name)
        if place is not None and len(node.args) > place:
            for part in ast.walk(node.args[place]):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_every_word_of_the_verifiers_is_in_the_format() -> None:
    modules = [path for path in (PROJECT / "audit").rglob("*.py") if "migrations" not in path.parts] + list(PROJECT.glob("*/ties.py"))
    said = {word for path in modules for word in words(path) if re.fullmatch(r"[a-z]+(_[a-z]+)*", word)}
    page = (PROJECT / "docs" / "evidence-format.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`([a-z]+(?:_[a-z]+)*)`", page[page.index("| code |") :]))
    assert said - listed == set()
    assert listed - said == set()
