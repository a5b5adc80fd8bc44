"""Pages as shown: the stored facts give the same bytes for ever, and everything the digest covers is on them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from approvals import evidence, presentation
from approvals.models import Presentation
from approvals.renderers import RENDERERS, UnknownRenderer, page_digest, render
from kernel.canonical import canonical_bytes, parse_json
from tests.builders.approvals import Cast, an_order, decided_by, opened

GOLDEN = Path(__file__).parents[1] / "golden" / "as_shown"
# The stored facts of a page, and the page that they have always given. A renderer that was released is never changed: a difference
# here is not a reason to store another page, but to write the next renderer and leave this one as it was.
KEPT = {path.stem: path for path in sorted(GOLDEN.glob("*.json"))}


class Text(HTMLParser):
    """Collects the text and the addresses of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.feed(page.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [str(value) for name, value in attrs if name in {"src", "href", "action", "data", "srcset", "poster", "style"}]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def __str__(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("name", sorted(KEPT))
def test_the_stored_facts_give_the_page_byte_for_byte(name: str) -> None:
    stored = KEPT[name].read_bytes()
    assert canonical_bytes(parse_json(stored)) == stored
    page = render(stored)
    assert page == KEPT[name].with_suffix(".html").read_bytes()


def test_every_renderer_has_a_page_that_holds_it_to_its_word() -> None:
    held = {_facts(path.read_bytes())["renderer"] for path in KEPT.values()}
    assert held == set(RENDERERS)
    assert presentation.RENDERER in RENDERERS


def _facts(stored: bytes) -> Mapping[str, Any]:
    facts = parse_json(stored)
    assert isinstance(facts, dict)
    return facts


def test_facts_of_a_renderer_that_is_not_here_are_not_guessed_at() -> None:
    with pytest.raises(UnknownRenderer, match="countersign-page/999"):
        render(canonical_bytes({**_facts(KEPT["page-1"].read_bytes()), "renderer": "countersign-page/999"}))


def test_a_page_needs_nothing_from_outside_and_runs_nothing() -> None:
    page = Text(KEPT["page-1"].with_suffix(".html").read_bytes())
    assert page.addresses == []
    assert not page.tags & {"script", "link", "img", "iframe", "form", "object", "embed", "base"}
    content = KEPT["page-1"].with_suffix(".html").read_text(encoding="utf-8")
    assert "default-src 'none'" in content
    style = re.search(r"<style>(.*)</style>", content, re.DOTALL)
    assert style is not None
    assert "url(" not in style.group(1)
    assert "@import" not in style.group(1)


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif value not in (None, "", True, False):
        yield str(value)


# Said in other words on the page: the name of the form, a severity as "Fails" or "Look", codes beside their sentences.
SAID_OTHERWISE = {"countersign.presentation/1", "hard", "material"}


def test_everything_the_digest_covers_is_on_the_page() -> None:
    facts = _facts(KEPT["page-1"].read_bytes())
    text = str(Text(render(canonical_bytes(facts))))
    said = {key: value for key, value in facts.items() if key not in {"checks", "notes", "table"}}
    said |= {"labels": [check["label"] for check in facts["checks"]], "notes": [note["text"] for note in facts["notes"]]}
    said |= {"rows": [[row[column["key"]] for column in facts["table"]["columns"]] for row in facts["table"]["rows"]]}
    hidden = [leaf for leaf in leaves(said) if " ".join(leaf.split()) not in text and leaf not in SAID_OTHERWISE and "\u202e" not in leaf]
    assert hidden == []


def test_a_fact_that_the_renderer_does_not_know_is_printed_all_the_same() -> None:
    facts = {**_facts(KEPT["page-1"].read_bytes()), "weather": {"tomorrow": ["rain <b>and</b> wind"]}}
    text = str(Text(render(canonical_bytes(facts))))
    assert "More facts Weather, tomorrow 1 rain <b>and</b> wind" in text


def test_what_would_hide_or_reorder_text_is_printed_as_its_number() -> None:
    facts = {**_facts(KEPT["page-1"].read_bytes()), "headline": "Pay \u202e00.1\u202c to <Ann>\u200b & co\x07"}
    page = render(canonical_bytes(facts))
    assert "Pay ‹U+202E›00.1‹U+202C› to &lt;Ann&gt;‹U+200B› &amp; co‹U+0007›".encode() in page
    assert b"\x07" not in page


# The product --------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_decision_names_the_page_and_the_bundle_holds_it(cast: Cast) -> None:
    proposal = an_order(cast, "30000.00")
    first = decided_by(cast.alice, proposal)
    second = decided_by(cast.dora, proposal)
    assert first.presentation.page_digest == page_digest(render(bytes(first.presentation.stored_bytes)))
    members = evidence.gate_section([proposal.public_id])(proposal.public_id)
    digest = hashlib.sha256(members["proposal/as_shown.html"]).hexdigest()
    assert f"sha256:{digest}" == second.presentation.page_digest
    assert proposal.headline in str(Text(members["proposal/as_shown.html"]))


@pytest.mark.django_db
def test_a_page_is_made_again_in_the_console_from_its_facts(cast: Cast) -> None:
    proposal = an_order(cast)
    shown = opened(cast.alice, proposal)
    client = Client()
    client.force_login(cast.alice, backend="django.contrib.auth.backends.ModelBackend")
    address = f"/proposals/{proposal.public_id}/as-shown/{shown.presentation_digest.removeprefix('sha256:')}/"
    answer = client.get(address)
    assert answer.content == render(bytes(Presentation.objects.get().stored_bytes))
    assert answer["Content-Security-Policy"].startswith("sandbox")
    assert client.get(f"/proposals/{proposal.public_id}/as-shown/{'0' * 64}/").status_code == 404
    client.force_login(cast.charlie, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(address).status_code == 404
