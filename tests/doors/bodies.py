"""Bodies that no proposal can be made of: what each is, what it is refused with, and the place that the refusal names."""

from __future__ import annotations

from typing import Any

from tests.doors.world import an_order


def with_line(**changes: object) -> dict[str, Any]:
    """Return the body of an order of one line, with changes to that line."""
    return an_order(lines=[{"item": "P-1009", "quantity": "1", "unit_price": "1"} | changes])


LINE = "/payload/lines/0"
BODIES: list[tuple[str, Any, int, str, str]] = [
    # what, body, status, code, place of the fault
    ("nothing", b"", 422, "validation_failed", "/tool"),
    ("null", b"null", 422, "validation_failed", ""),
    ("a list", b"[]", 422, "validation_failed", ""),
    ("half a body", b'{"tool": ', 422, "not_canonical", ""),
    ("a key twice", b'{"tool": "a", "tool": "b"}', 422, "not_canonical", ""),
    ("not a number", b'{"tool": NaN}', 422, "not_canonical", "/tool"),
    ("an integer of 5,000 digits", b'{"a": ' + b"9" * 5000 + b"}", 422, "not_canonical", ""),
    ("5,000 lists in each other", b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", 422, "not_canonical", ""),
    ("33 lists in each other", b'{"a": ' + b"[" * 33 + b"]" * 33 + b"}", 422, "not_canonical", "/a" + "/0" * 31),
    ("half a character", b'{"tool": "\\ud800"}', 422, "not_canonical", "/tool"),
    ("bytes that are no UTF-8", b'{"tool": "\xff"}', 422, "not_canonical", ""),
    ("UTF-16", '{"tool": "a"}'.encode("utf-16"), 422, "not_canonical", ""),
    ("UTF-16 with a NUL", '{"tool": "\\u0000"}'.encode("utf-16-le"), 422, "not_canonical", ""),
    ("a NUL in the tool", an_order() | {"tool": "a\0b"}, 422, "validation_failed", "/tool"),
    ("a NUL in the company", an_order() | {"company": "\0"}, 422, "validation_failed", "/company"),
    ("a NUL in a person's name", an_order() | {"on_behalf_of": "a\0b"}, 422, "validation_failed", "/on_behalf_of"),
    ("a NUL in a line", an_order(note="\0"), 422, "validation_failed", "/payload/note"),
    ("a NUL in a key", {"a\0b": 1}, 422, "validation_failed", ""),
    ("5 MiB", b'{"tool": "' + b"x" * (5 * 1024 * 1024) + b'"}', 413, "body_too_large", ""),
    ("a field that only the product sets", an_order() | {"compensates": "brk_x"}, 422, "validation_failed", "/compensates"),
    ("a price of its own in the grant's place", an_order() | {"ceiling_minor": 1}, 422, "validation_failed", "/ceiling_minor"),
    ("a life of a year", an_order() | {"expires_in_seconds": 31_536_000}, 422, "validation_failed", "/expires_in_seconds"),
    ("a life below zero", an_order() | {"expires_in_seconds": -1}, 422, "validation_failed", "/expires_in_seconds"),
    ("a life that is true", an_order() | {"expires_in_seconds": True}, 422, "validation_failed", "/expires_in_seconds"),
    ("somebody nobody knows", an_order() | {"on_behalf_of": "mallory"}, 403, "on_behalf_of_refused", "/on_behalf_of"),
    ("digits of another script", an_order() | {"on_behalf_of": "١"}, 403, "on_behalf_of_refused", "/on_behalf_of"),
    ("somebody of another company", an_order() | {"on_behalf_of": "charlie"}, 403, "on_behalf_of_refused", "/on_behalf_of"),
    ("a colleague it does not act for", an_order() | {"on_behalf_of": "alice"}, 403, "on_behalf_of_refused", "/on_behalf_of"),
    ("51 reads", an_order() | {"reads": ["read_01kas8v3q2f0ynh5tq3n8rzd1c"] * 51}, 422, "validation_failed", "/reads"),
    ("201 lines", an_order(lines=[{"item": "P-1009"}] * 201), 422, "validation_failed", "/payload/lines"),
    ("a negative price", with_line(unit_price="-1"), 422, "validation_failed", f"{LINE}/unit_price"),
    ("a quantity in exponents", with_line(quantity="1e9"), 422, "validation_failed", f"{LINE}/quantity"),
    ("a number for a text", with_line(quantity=1), 422, "validation_failed", f"{LINE}/quantity"),
    ("text that runs backwards", an_order(note="pay \u202e00.1"), 422, "validation_failed", "/payload/note"),
    ("a reference that looks like another", an_order(reference="REQ-\u200d2071"), 422, "validation_failed", "/payload/reference"),
    ("hidden selectors", an_order(reference="REQ-2071\U000e0100"), 422, "validation_failed", "/payload/reference"),
    ("a filler that nobody sees", an_order(reference="REQ-2071\u3164"), 422, "validation_failed", "/payload/reference"),
    ("hidden tags in the rationale", an_order() | {"rationale": "Stock is low.\U000e0041"}, 422, "validation_failed", "/rationale"),
    ("a second line in a reference", an_order(reference="a\r\nApproved: yes"), 422, "validation_failed", "/payload/reference"),
    ("an account for a vendor", an_order(vendor="' OR 1=1 --"), 422, "validation_failed", "/payload/vendor"),
    ("a vendor that is not there", an_order(vendor="99999"), 422, "validation_failed", "/payload/vendor"),
]  # fmt: skip
