"""Text that somebody wrote, made fit to be printed: what the report's fonts don't have, or what would not be seen, is spelled out.

PDF/A refuses a document with one missing glyph, and a control character or a change of writing direction would alter what a reader
believes to read while the bytes stay the same. Each such character is printed as its code point, ‹U+202E›. The ranges are those that the
typesetter's own fonts have, without scripts that run from right to left; a test typesets every character of them.
"""

from __future__ import annotations

import unicodedata

RANGES = (
    (0x0020, 0x007E),  # Latin
    (0x00A1, 0x00AC), (0x00AE, 0x02FF),  # Latin with marks; neither the space that can't be seen to be another nor the soft hyphen
    (0x038E, 0x03A1), (0x03A3, 0x0481), (0x048A, 0x04FF),  # Greek, Cyrillic
    (0x1E00, 0x1EFF),  # Latin with more marks
    (0x2010, 0x2027), (0x2030, 0x2040), (0x2074, 0x208E),  # dashes, quotes, raised and lowered figures
    (0x20A0, 0x20C0), (0x2100, 0x211E), (0x2190, 0x22FF),  # currencies, letter-like signs, arrows, operators
)  # fmt: skip
LENGTH_MAX = 2_000


def visible(text: str) -> str:
    """Return the text with every character that has no glyph or can't be seen spelled as its code point; long text is cut, visibly."""
    kept = text if len(text) <= LENGTH_MAX else text[:LENGTH_MAX]
    shown = "".join(
        character if is_printable(character) else f"‹U+{ord(character):04X}›" for character in unicodedata.normalize("NFC", kept)
    )
    return shown if kept is text else f"{shown} ‹{len(text) - LENGTH_MAX} more characters›"


def is_printable(character: str) -> bool:
    """Tell whether the report prints this character as itself."""
    return any(first <= ord(character) <= last for first, last in RANGES) and unicodedata.category(character)[0] in "LNPSZ"
