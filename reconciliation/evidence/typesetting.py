"""`python -m evidence.typesetting`: a report as JSON on standard input, the PDF (tagged PDF/A-3a, PDF/UA-1) on standard output.

A process of its own: typst maps 84 MB and keeps what it has typeset, which neither a web process nor a worker should carry. Nothing
of Django is imported here. The template is the file beside this one; it is confined to this directory and imports nothing. Equal
input gives equal bytes: the fonts are the ones in the package, the timestamp is part of the input.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

TEMPLATE = Path(__file__).with_name("report.typ")


def typeset(source: bytes) -> bytes:
    """Return the PDF of a report; raises typst.TypstError when a character has no glyph: see evidence.safe_text."""
    import typst

    request = json.loads(source)
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
    pdf = typst.compile(
        str(TEMPLATE),
        root=str(TEMPLATE.parent),
        font_paths=fonts,
        pdf_standards=["a-3a", "ua-1"],
        timestamp=int(request["timestamp"]),
        sys_inputs={
            "report": json.dumps(request["report"]),  # noqa: TID251  an input of the typesetter, hashed by nobody
            "attachments": json.dumps(request["attachments"]),  # noqa: TID251  as above
        },
    )
    if not isinstance(pdf, bytes):
        raise TypeError("one document is one file")
    return pdf


if __name__ == "__main__":
    sys.stdout.buffer.write(typeset(sys.stdin.buffer.read()))
