"""What the documents list is what the code has: error codes, event kinds, permissions, tools."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from django.apps import apps

from kernel.errors import DomainError

PROJECT = Path(__file__).resolve().parents[2]
OUR_APPS = ["kernel", "audit", "ledger", "gateway", "identity", "proposals", "approvals", "commits", "reconciliation", "config"]
FIRST_CELL = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)


def import_everything() -> None:
    for name in OUR_APPS:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, prefix=f"{name}."):
            if not re.search(r"\.(migrations|management|asgi|wsgi|with_postgres|supervisor)\b", module.name):
                importlib.import_module(module.name)


def subclasses(cls: type[DomainError]) -> set[type[DomainError]]:
    found = {cls}
    for child in cls.__subclasses__():
        found |= subclasses(child)
    return {item for item in found if item.__module__.split(".")[0] in OUR_APPS}


def listed(document: str) -> list[str]:
    return FIRST_CELL.findall((PROJECT / "docs" / document).read_text(encoding="utf-8"))


def test_every_error_code_is_documented_and_every_documented_code_exists() -> None:
    import_everything()
    codes = {cls.code for cls in subclasses(DomainError)} - {DomainError.code}
    documented = listed("errors.md")
    assert sorted(documented) == sorted(set(documented)), "a code stands twice"
    assert codes - set(documented) == set()
    assert {code for code in documented if code not in codes} <= set(verdict_codes())


def verdict_codes() -> list[str]:
    """Codes that pure policies hand to one error class, e.g. a grant's ceilings."""
    text = "\n".join(path.read_text(encoding="utf-8") for app in OUR_APPS for path in (PROJECT / app).rglob("*.py"))
    return re.findall(r"""["']([a-z][a-z0-9_]+)["']""", text)


def test_every_event_kind_is_documented_and_used() -> None:
    from audit.kinds import registered_kinds

    kinds = {str(kind) for kind in registered_kinds()}
    assert set(listed("events.md")) == kinds
    sources = "\n".join(
        path.read_text(encoding="utf-8") for app in OUR_APPS for path in (PROJECT / app).rglob("*.py") if path.name != "events.py"
    )
    events = {
        f"{cls.__name__}.{member.name}": member.value
        for app in OUR_APPS
        for cls in enumerations(app)
        for member in cls
        if ":" in str(member.value)
    }
    unused = {name for name in events if name not in sources}
    assert unused == set()


def enumerations(app: str) -> list[type]:
    try:
        module = importlib.import_module(f"{app}.events")
    except ModuleNotFoundError:
        return []
    import enum

    return [
        item for item in vars(module).values() if isinstance(item, type) and issubclass(item, enum.StrEnum) and item is not enum.StrEnum
    ]


def test_every_permission_is_documented() -> None:
    from identity.permissions import Permission

    assert set(listed("permissions.md")) == {permission.value for permission in Permission}


@pytest.mark.parametrize("label", [name for name in OUR_APPS if name not in {"kernel"}])
def test_every_app_is_installed(label: str) -> None:
    assert apps.is_installed(label)
