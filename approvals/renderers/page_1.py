"""The page of facts "countersign-page/1" as one HTML file: no script, nothing from outside, the same bytes for the same facts.

Frozen once released (see the package). Keys of the facts that it does not know are printed at the end under "More facts", so that
nothing the digest covers is left unseen. Characters that would hide or reorder text are printed as their numbers.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

STYLE = """
:root{color-scheme:light dark;--ink:#131a22;--soft:#4a5562;--ground:#fff;--line:#c3cad1;--sunken:#eef1f3}
:root{--bad:#9c2026;--warn:#7d4b00;--good:#0a6044}
@media (prefers-color-scheme:dark){
:root{--ink:#e8edf1;--soft:#b3bdc7;--ground:#12181d;--line:#4a5763;--sunken:#1d252c}
:root{--bad:#f59b97;--warn:#e9b766;--good:#62cd9c}
}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.4rem;line-height:1.25;margin:.25rem 0 1rem}
h2{font-size:1rem;margin:2rem 0 .5rem;padding-bottom:.25rem;border-bottom:1px solid var(--line)}
p{margin:.25rem 0}
dl{display:grid;grid-template-columns:minmax(8rem,14rem) minmax(0,1fr);gap:.25rem 1rem;margin:.5rem 0}
dt{color:var(--soft)}
dd,li,p,.any{overflow-wrap:anywhere}
.any{min-width:9rem}
@media (max-width:40rem){dl{grid-template-columns:minmax(0,1fr)}dd{margin-bottom:.5rem}}
dd{margin:0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{padding:.35rem .5rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
thead th,tfoot td{background:var(--sunken)}
.number{text-align:right;white-space:nowrap}
.note,.soft{color:var(--soft)}
.bad{color:var(--bad);font-weight:600}
.warn{color:var(--warn);font-weight:600}
.good{color:var(--good);font-weight:600}
.mono,pre{font:13px/1.5 ui-monospace,monospace}
pre{background:var(--sunken);padding:.75rem;margin:.5rem 0;white-space:pre-wrap;overflow-wrap:anywhere}
blockquote{margin:.5rem 0;padding:.5rem .75rem;border-left:4px solid var(--line);white-space:pre-wrap;overflow-wrap:anywhere}
ul,ol{margin:.5rem 0;padding-left:1.25rem}
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode("utf-8")).digest()).decode("ascii")
POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'"

# Invisible, or able to reorder what stands beside them: controls, soft hyphen, joiners, direction marks, tags, lone surrogates.
HIDING = (
    (0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xD800, 0xDFFF), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0xFFFE, 0xFFFF), (0xE0000, 0xE0FFF),
)  # fmt: skip
HIDDEN = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in HIDING) + "]")
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
KNOWN = frozenset(
    {
        "schema", "renderer", "locale", "headline", "payload_digest", "proposal", "counterparty", "amount", "facts", "table", "budget",
        "payload", "checks", "warnings", "flags", "notes", "route", "rationale", "reads", "changes", "attachments",
    }
)  # fmt: skip


def render(facts: Mapping[str, Any], digest: str) -> bytes:
    """Return the page; `digest` is the presentation digest of the stored facts, which is printed on it."""
    title = _text(facts["headline"])
    parts = [
        "<!DOCTYPE html>\n",
        f'<html lang="{_text(facts["locale"])}">\n<head>\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n",
        '<p class="soft">As shown to an approver</p>\n',
        f"<h1>{title}</h1>\n",
        *_sections(facts),
        _section("This page", _facts([("Payload digest", facts["payload_digest"]), ("Presentation digest", digest),
                                      ("Renderer", facts["renderer"]), ("Locale", facts["locale"])])),
        "</main>\n</body>\n</html>\n",
    ]  # fmt: skip
    return "".join(parts).encode("utf-8")


def _sections(facts: Mapping[str, Any]) -> Iterator[str]:
    yield _proposal(facts)
    table = _table(facts["table"]) if facts.get("table") else ""
    yield _section("What will be written", table + _facts([(label, value) for label, value in facts["facts"]]))
    if facts.get("changes"):
        yield _changes(facts["changes"])
    if facts.get("budget"):
        yield _section("Budget", _facts(_leaves(facts["budget"], "")))
    yield _section("Checks", _checks(facts))
    yield _section("Data it used", _reads(facts["reads"]))
    if facts.get("attachments"):
        yield _section("Attachments", _rows(facts["attachments"], ("name", "media_type", "size", "digest", "author", "attached_at")))
    if facts["rationale"]["text"]:
        yield _section(facts["rationale"]["label"], f"<blockquote>{_text(facts['rationale']['text'])}</blockquote>\n")
    yield _section("Route", _route(facts["route"]))
    yield _section("Payload", f"<pre>{_text(_json(facts['payload'], 0))}</pre>\n")
    more = {key: value for key, value in facts.items() if key not in KNOWN}
    if more:
        yield _section("More facts", _facts(_leaves(more, "")))


def _proposal(facts: Mapping[str, Any]) -> str:
    counterparty = " ".join(part for part in (facts["counterparty"]["number"], facts["counterparty"]["name"]) if part)
    amount = facts["amount"]
    top = [("Amount", amount["text"]), ("Amount in minor units", f"{amount['minor']} {amount['currency']}"), ("Counterparty", counterparty)]
    return _section("Proposal", _facts([*top, *((_label(key), facts["proposal"][key]) for key in sorted(facts["proposal"]))]))


def _table(table: Mapping[str, Any]) -> str:
    columns = table["columns"]
    head = "".join(f'<th scope="col"{_numeric(column)}>{_text(column["label"])}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td{_numeric(column)}>{_text(row.get(column['key'], ''))}</td>" for column in columns) + "</tr>\n"
        for row in table["rows"]
    )
    footer = "".join(f"<td{_numeric(column)}>{_text(value)}</td>" for column, value in zip(columns, table["footer"], strict=False))
    foot = f"<tfoot><tr>{footer}</tr></tfoot>\n" if footer else ""
    caption = f"<caption>{_text(table['caption'])}</caption>\n"
    inner = f"<table>\n{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n{foot}</table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(table["caption"])}">{inner}</div>\n'


def _numeric(column: Mapping[str, Any]) -> str:
    return ' class="number"' if column["is_numeric"] else ""


def _changes(changes: Mapping[str, Any]) -> str:
    rows = [{"field": item["field"], "was": item["was"], "now": item["now"]} for item in changes["fields"]]
    return _section(f"Changed since version {changes['revision']} ({changes['supersedes']})", _rows(rows, ("field", "was", "now")))


def _checks(facts: Mapping[str, Any]) -> str:
    lines = []
    for check in facts["checks"]:
        if check["holds"]:
            tone, word = "good", "Passed"
        else:
            tone, word = ("bad", "Fails") if check["severity"] == "hard" else ("warn", "Look")
        needed = f"needed: {check['comparator']} {check['expected']}"
        lines.append(f'<li><span class="{tone}">{word}</span> {_text(check["label"])} <span class="soft">({_text(needed)})</span></li>\n')
    lines += [f'<li><span class="warn">Look</span> {_text(text)}</li>\n' for text in facts["warnings"]]
    lines += [f'<li><span class="warn">Look</span> {_text(_flag(flag))}</li>\n' for flag in facts.get("flags", ())]
    lines += [f'<li><span class="soft">Note</span> {_text(note["text"])}</li>\n' for note in facts["notes"]]
    return f"<ul>\n{''.join(lines)}</ul>\n" if lines else '<p class="note">Nothing in the ERP has to hold for this write.</p>\n'


def _flag(flag: Mapping[str, Any]) -> str:
    return f"{flag['rule']}, version {flag['version']}: {flag['text']}"


def _reads(reads: Sequence[Mapping[str, Any]]) -> str:
    if not reads:
        return '<p class="note">It cites no read: the agent gave no data it rests on.</p>\n'
    rows = [{**read, "arguments": _json(read["arguments"], 0)} for read in reads]
    return _rows(rows, ("tool", "arguments", "as_of", "digest", "id"))


def _route(route: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in route.items() if key != "steps"}
    steps = "".join(
        f"<li>{_text(step['group'])}: {_text(step['min_approvals'])} to approve{_rest_of_step(step)}</li>\n" for step in route["steps"]
    )
    return _facts(_leaves(rest, "")) + (f"<ol>\n{steps}</ol>\n" if steps else "")


def _rest_of_step(step: Mapping[str, Any]) -> str:
    rest = _leaves({key: value for key, value in step.items() if key not in {"group", "min_approvals", "position"}}, "")
    return "".join(f", {_text(_label(label).lower())} {_text(value)}" for label, value in rest)


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{_text(title)}</h2>\n{content}</section>\n"


def _facts(pairs: Sequence[tuple[str, Any]]) -> str:
    return "<dl>\n" + "".join(f"<dt>{_text(_label(label))}</dt><dd>{_text(_plain(value))}</dd>\n" for label, value in pairs) + "</dl>\n"


def _rows(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{_text(_label(name))}</th>' for name in names)
    body = "".join("<tr>" + "".join(_cell(name, row.get(name, "")) for name in names) + "</tr>\n" for row in rows)
    label = _text(", ".join(_label(name) for name in names))
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{table}</div>\n'


def _cell(name: str, value: Any) -> str:
    # Digests, identifiers and whatever an agent wrote may be broken anywhere; the rest stays whole.
    attribute = "" if name in {"tool", "name", "size", "media_type", "author"} else ' class="any"'
    return f"<td{attribute}>{_text(_plain(value))}</td>"


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    """Return every leaf with its path, in a fixed order."""
    if isinstance(value, Mapping):
        return [leaf for key in sorted(value) for leaf in _leaves(value[key], f"{path}.{key}" if path else str(key))]
    if isinstance(value, list | tuple):
        return [leaf for place, item in enumerate(value, start=1) for leaf in _leaves(item, f"{path} {place}".strip())]
    return [(path, value)]


def _label(name: str) -> str:
    words = str(name).replace("_", " ").replace(".", ", ")
    return words[:1].upper() + words[1:]


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _json(value, 0) if isinstance(value, Mapping | list | tuple) else str(value)


def _json(value: Any, depth: int) -> str:
    """Return a value as JSON to read: members sorted, two spaces a level, text as it is."""
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, Mapping):
        members = [f"{inner}{_quoted(key)}: {_json(value[key], depth + 1)}" for key in sorted(value)]
        return "{\n" + ",\n".join(members) + f"\n{outer}}}" if members else "{}"
    if isinstance(value, list | tuple):
        items = [f"{inner}{_json(item, depth + 1)}" for item in value]
        return "[\n" + ",\n".join(items) + f"\n{outer}]" if items else "[]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) if isinstance(value, int) else _quoted(str(value))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _text(value: Any) -> str:
    """Return text for HTML; what would hide or reorder is printed as its number."""
    return HIDDEN.sub(_numbered, str(value)).translate(ESCAPES)


def _numbered(found: re.Match[str]) -> str:
    return f"\u2039U+{ord(found.group()):04X}\u203a"
