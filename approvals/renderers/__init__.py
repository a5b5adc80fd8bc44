"""Pages as they were shown: from the stored facts of a page to its bytes, the same bytes for ever.

A renderer is a pure function of the facts and nothing else: no template, no settings, no clock, no library that may change. Each is
frozen once it was released: whoever wants another page writes `page_2.py`, registers it here, names it in
`approvals.presentation.RENDERER`, and leaves the older ones where they are, because presentations that name them exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from approvals.renderers import page_1
from kernel.canonical import digest_of_bytes, parse_json

PURPOSE = "countersign.presentation/1"
RENDERERS: Mapping[str, Callable[[Mapping[str, Any], str], bytes]] = {"countersign-page/1": page_1.render}


class UnknownRenderer(LookupError):
    """The facts name a renderer that this release does not have; an older or newer release does."""


def render(stored: bytes) -> bytes:
    """Return the page of these stored facts, by the renderer that they name; raises UnknownRenderer."""
    facts = parse_json(stored)
    name = facts.get("renderer") if isinstance(facts, dict) else None
    if not isinstance(facts, dict) or not isinstance(name, str) or name not in RENDERERS:
        raise UnknownRenderer(f"no renderer called {name!r}")
    return RENDERERS[name](facts, digest_of_bytes(PURPOSE, stored))


def page_digest(page: bytes) -> str:
    """Return the plain SHA-256 of a page, as sha256sum prints it."""
    return f"sha256:{hashlib.sha256(page).hexdigest()}"
