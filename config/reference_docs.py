"""The reference pages that are made from the code: error codes, event kinds, permissions, tools, doors.

`manage.py reference_docs` writes them; a test fails when one of them is not what the code says.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from approvals.policies import EXCLUSION_SENTENCES
from audit.kinds import registered_kinds
from config.paths import PROJECT
from gateway.catalogue import TOOLS
from identity.models import Role
from identity.permissions import ROLE_PERMISSIONS, Permission
from kernel.errors import DomainError
from ledger.refusals import RETRYABLE, RefusalCode

APPS = ("kernel", "audit", "ledger", "gateway", "identity", "proposals", "approvals", "commits", "reconciliation", "config")
NOT_IMPORTED = re.compile(r"\.(migrations|management|asgi|wsgi|telemetry|with_postgres|supervisor)(\.|$)")
# Functions whose first argument is a stable code and whose second is its sentence.
VERDICTS = frozenset({"Denied", "Problem", "refusal", "client_refusal", "details_refusal", "_outside", "_above"})

# Rules that build their sentence from one word.
FRAMES = {"_outside": "The grant does not cover this {}.", "_above": "{} is above what is allowed."}


def pages() -> dict[str, str]:
    """Return the text of each page by its file name under docs/."""
    return {"errors.md": _errors(), "events.md": _events(), "permissions.md": _permissions(), "tools.md": _tools()}


def import_everything() -> None:
    """Import every module, so that every subclass and every registration exists."""
    for name in APPS:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, prefix=f"{name}."):
            if not NOT_IMPORTED.search(module.name):
                importlib.import_module(module.name)


def error_classes() -> list[type[DomainError]]:
    """Return every refusal class of ours, by code; a code may have several classes, the first by name stands for it."""
    import_everything()
    found: dict[str, type[DomainError]] = {}
    for cls in sorted(_subclasses(DomainError), key=lambda item: (item.code, item.__name__)):
        if cls is not DomainError and cls.code != DomainError.code:
            found.setdefault(cls.code, cls)
    return list(found.values())


def _subclasses(cls: type[DomainError]) -> set[type[DomainError]]:
    return {cls}.union(*(_subclasses(child) for child in cls.__subclasses__() if child.__module__.split(".")[0] in APPS))


def verdict_codes() -> dict[str, str]:
    """Return the codes that rules give as a verdict, each with its sentence, from the source."""
    found: dict[str, str] = {}
    for node in _calls():
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in VERDICTS and len(node.args) > 1 and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
            sentence = _sentence(node.args[1])
            if sentence:
                found.setdefault(node.args[0].value, FRAMES.get(name, "{}").format(sentence))
    found |= {f"sod_{reason}": sentence for reason, sentence in EXCLUSION_SENTENCES.items()}
    return dict(sorted(found.items()))


def _calls() -> Iterator[ast.Call]:
    for app in APPS:
        for path in sorted((PROJECT / app).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield node


def _sentence(node: ast.expr) -> str:
    """Return a message with `…` where the code puts a value."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""


def _errors() -> str:
    classes = error_classes()
    known = {cls.code for cls in classes}
    lines = [
        "# Errors",
        "",
        "A refused action changes nothing. The API answers `application/problem+json` with `code`, `detail`, `retryable` and `errors[]`",
        "(`path`, `message`, `acceptable`); `retryable` tells whether the same request may succeed later without being changed.",
        "",
        "| code | HTTP | retryable | meaning |",
        "|---|---|---|---|",
        *(f"| `{cls.code}` | {int(cls.status)} | {_yes(cls.retryable)} | {_first_line(cls)} |" for cls in classes),
        "",
        "## Verdicts",
        "",
        "Rules answer with these codes; they stand in a problem's `code`, beside a disabled button or on a commit.",
        "",
        "| code | sentence |",
        "|---|---|",
        *(f"| `{code}` | {sentence} |" for code, sentence in verdict_codes().items() if code not in known),
        "",
        "## Answers of the embedded ERP",
        "",
        "What the embedded ledger says when it refuses a write at commit.",
        "",
        "| code | retryable |",
        "|---|---|",
        *(f"| `{code.value}` | {_yes(code in RETRYABLE)} |" for code in sorted(RefusalCode, key=str) if code.value not in known),
    ]
    return "\n".join(lines) + "\n"


def _events() -> str:
    import_everything()
    sources = {member.value: enum for enum in _event_enums() for member in enum}
    lines = [
        "# Event kinds",
        "",
        "Every audit event has one of these kinds, `<subject>:<action>`. A kind that is not registered can't be recorded.",
        "",
        "| kind | app | group |",
        "|---|---|---|",
        *(
            f"| `{kind}` | {sources[kind].__module__.split('.')[0]} | {_first_line(sources[kind])} |"
            for kind in sorted(set(registered_kinds()) & set(sources))
        ),
    ]
    return "\n".join(lines) + "\n"


def _event_enums() -> Iterator[type[StrEnum]]:
    for app in APPS:
        package = importlib.import_module(app)
        for name in sorted(found.name for found in pkgutil.walk_packages(package.__path__, f"{app}.") if found.name.endswith(".events")):
            for item in vars(importlib.import_module(name)).values():
                if isinstance(item, type) and issubclass(item, StrEnum) and item is not StrEnum:
                    yield item


def _permissions() -> str:
    roles = list(Role)
    lines = [
        "# Permissions",
        "",
        "Rights of people come from role assignments only; Django's superuser flag grants nothing at the gate. Agents have grants instead.",
        "",
        "| permission | " + " | ".join(role.label for role in roles) + " |",
        "|---" * (len(roles) + 1) + "|",
        *(
            f"| `{permission.value}` | " + " | ".join("✓" if permission in ROLE_PERMISSIONS[role] else "" for role in roles) + " |"
            for permission in Permission
        ),
    ]
    return "\n".join(lines) + "\n"


def _tools() -> str:
    lines = [
        "# Tools",
        "",
        "What agents can be granted. Privileged tools are listed and can't be granted by anybody.",
        "",
        "| tool | kind | risk | reversible | what it does |",
        "|---|---|---|---|---|",
        *(
            f"| `{tool.name}` | {tool.kind.value} | {tool.risk.value} | {_yes(tool.is_reversible)} | {tool.title} |"
            for tool in sorted(TOOLS.values(), key=lambda item: (item.risk.value == "privileged", item.kind.value, item.name))
        ),
    ]
    return "\n".join(lines) + "\n"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _first_line(item: Callable[..., object]) -> str:
    return (item.__doc__ or "").strip().splitlines()[0]


def differing(directory: Path) -> list[str]:
    """Return the names of pages whose file is not what the code says."""
    return [name for name, text in pages().items() if not (directory / name).exists() or (directory / name).read_text("utf-8") != text]
