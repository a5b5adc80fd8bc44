"""The one-way order holds for foreign keys too, and only one function moves a state."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models

PROJECT = Path(__file__).resolve().parents[2]
# Left to right: each may point at anything to its right.
ORDER = ["config", "reconciliation", "commits", "approvals", "proposals", "identity", "gateway", "ledger", "audit", "kernel"]
OUR_APPS = [name for name in ORDER if name != "kernel"]


def source_files() -> Iterator[Path]:
    for app in ORDER:
        for path in (PROJECT / app).rglob("*.py"):
            if "migrations" not in path.parts:
                yield path


def foreign_keys() -> Iterator[tuple[str, models.ForeignKey[models.Model, models.Model]]]:
    for model in apps.get_models():
        # A room within an app (reconciliation.evidence) stands where the app does.
        label = model.__module__.split(".")[0]
        if label in OUR_APPS:
            for field in model._meta.get_fields():
                if isinstance(field, models.ForeignKey | models.OneToOneField):
                    yield label, field


def test_foreign_keys_point_down_the_order() -> None:
    for source, field in foreign_keys():
        target = field.related_model._meta.app_label
        if target in OUR_APPS:
            assert ORDER.index(source) <= ORDER.index(target), f"{source}.{field.name} points up at {target}"


def test_no_foreign_key_crosses_the_databases() -> None:
    for source, field in foreign_keys():
        target = field.related_model._meta.app_label
        assert (source == "ledger") == (target == "ledger"), f"{source}.{field.name} leaves its database for {target}"


def test_audit_and_ledger_have_no_foreign_key_to_anybody() -> None:
    for source, field in foreign_keys():
        if source in {"audit", "ledger"}:
            assert field.related_model._meta.app_label == source


@pytest.mark.parametrize("path", sorted(source_files()), ids=lambda path: str(path.relative_to(PROJECT)))
def test_only_transitions_move_a_state(path: Path) -> None:
    """Nobody assigns `.state` or hands `state=` to update(): kernel.transitions.advance does, guarded by the old state."""
    if path == PROJECT / "kernel" / "transitions.py":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                assert not (isinstance(target, ast.Attribute) and target.attr == "state"), f"line {node.lineno} assigns .state"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "update":
            for keyword in node.keywords:
                assert keyword.arg != "state", f"line {node.lineno} updates state past the transitions"


def test_files_stay_readable() -> None:
    long = {str(path.relative_to(PROJECT)): len(path.read_text(encoding="utf-8").splitlines()) for path in source_files()}
    # The verifier ships as one file on purpose: an auditor runs it alone.
    long.pop("audit/verifier/countersign_verify.py", None)
    assert {name: lines for name, lines in long.items() if lines > 500} == {}
