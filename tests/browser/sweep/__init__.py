"""The pages that the sweep looks at: each module here has a `pages`, and is found by itself.

`pages(installation)` yields who looks at which path, and what its picture is called; nobody is signed in for an empty name. It may make
rows before it yields. All modules share one installation, in the order of their names: an approved and committed order, a rejected
entry, and a large order that waits; what a module does to these three the others see.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeAlias

from tests.builders.console import Installation

Stop: TypeAlias = tuple[str, str, str]
Pages: TypeAlias = Callable[[Installation], Iterator[Stop]]


def stops(installation: Installation) -> list[Stop]:
    """Return every page of every module, all their rows made; COUNTERSIGN_SWEEP=a,b leaves those with `a` or `b` in their names."""
    modules = sorted(found.name for found in iter_modules(__path__))
    pages: list[Pages] = [import_module(f"{__name__}.{name}").pages for name in modules]
    found = [stop for each in pages for stop in each(installation)]
    names = [name for _, _, name in found]
    assert len(names) == len(set(names)), "two pictures have one name"
    wanted = os.environ.get("COUNTERSIGN_SWEEP", "").split(",")
    return [stop for stop in found if any(text in stop[2] for text in wanted)]
