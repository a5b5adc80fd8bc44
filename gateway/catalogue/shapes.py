"""The text shapes of payloads and arguments: strict, bounded, each able to say what it would accept.

Decimals and dates travel as text and stay text: what was approved is what was written, digit for digit. Nothing is coerced;
a number where a string belongs is refused, because an ERP and a model that print a number differently mean different things.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

TEXT_LIMIT = 500
LINE_LIMIT = 200
FIRST_YEAR, LAST_YEAR = 1970, 2199

# Characters that change how a text looks without being seen, or that nobody sees: text written by an agent is shown to a person who
# moves money, and two references that look alike must be alike. Zero widths and marks of direction, embeddings and overrides, word
# joiners, variation selectors (but the one of emoji), annotations, tags and selectors beyond; then soft hyphen, grapheme joiner,
# other direction marks, fillers, the blank of braille, the byte order mark.
HIDDEN = frozenset(
    {
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xFE00, 0xFE0F),
        *range(0xFFF9, 0xFFFC),
        *range(0x1D173, 0x1D17B),
        *range(0xE0000, 0xE0200),
        *(0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x2800, 0x3164, 0xFEFF, 0xFFA0),
    }
)


class StrictModel(BaseModel):
    """An input that takes exactly its fields in exactly their types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ResultModel(BaseModel):
    """A result of a read: documentation for its readers, and a contract that tests hold each connector to."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, slots=True)
class Shape:
    """What one text field takes. `check` returns what is wrong with a text of the right pattern, or an empty string."""

    acceptable: str
    pattern: str
    example: str
    maximum_length: int
    check: Callable[[str], str] | None = None
    format: str = ""

    def validate(self, value: object) -> str:
        """Return the text unchanged, or refuse it saying what would be taken."""
        if not isinstance(value, str):
            raise self._refusal(f"{kind_of(value)} where a string belongs")
        if len(value) > self.maximum_length:
            raise self._refusal(f"{len(value)} characters long")
        if not re.fullmatch(self.pattern, value, flags=re.ASCII | re.DOTALL):
            raise self._refusal(f"{value[:80]!r} does not have the required form")
        wrong = self.check(value) if self.check else ""
        if wrong:
            raise self._refusal(wrong)
        return value

    def _refusal(self, message: str) -> PydanticCustomError:
        return PydanticCustomError("shape", "{reason}", {"reason": message, "acceptable": self.acceptable})

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.validate, metadata={"pydantic_js_functions": [self.__get_pydantic_json_schema__]}
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        result: JsonSchemaValue = {
            "type": "string",
            "pattern": f"^{self.pattern}$",
            "maxLength": self.maximum_length,
            "examples": [self.example],
        }
        return result | ({"format": self.format} if self.format else {})


def kind_of(value: object) -> str:
    """Return what a JSON value is, in words: "a boolean", "an integer", "null"."""
    return "null" if value is None else _KINDS.get(type(value), f"a {type(value).__name__}")


_KINDS: dict[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "a string",
    list: "a list",
    dict: "an object",
}


def _date_problem(text: str) -> str:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return f"{text} is not a day of the calendar"
    return "" if FIRST_YEAR <= found.year <= LAST_YEAR else f"the year {found.year} is out of range"


def _positive_problem(text: str) -> str:
    return "" if Decimal(text) > 0 else f"{text} is not above zero"


def _text_problem(text: str, *, allowed: str = "") -> str:
    if not text.strip():
        return "the text is blank"
    for position, character in enumerate(text):
        if character in allowed:
            continue
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or ord(character) in HIDDEN:
            return f"character {position + 1} is a control or invisible character (U+{ord(character):04X})"
    return ""


def _note_problem(text: str) -> str:
    return _text_problem(text, allowed="\n")


_DECIMAL = r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,10})?"
_CODE = r"[A-Za-z0-9][A-Za-z0-9 ._/-]"


def _code(what: str, example: str, maximum: int) -> Shape:
    return Shape(
        acceptable=f'{what} of 1 to {maximum} letters, digits, spaces and . _ / - such as "{example}"',
        pattern=f"{_CODE}{{0,{maximum - 1}}}",
        example=example,
        maximum_length=maximum,
    )


DateText = Annotated[
    str,
    Shape(
        acceptable=f'a date as a string "YYYY-MM-DD" between {FIRST_YEAR} and {LAST_YEAR}, such as "2026-11-23"',
        pattern=r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
        example="2026-11-23",
        maximum_length=10,
        check=_date_problem,
        format="date",
    ),
]
PositiveDecimal = Annotated[
    str,
    Shape(
        acceptable='a decimal above zero as a string, up to 12 digits before and 10 after the point, such as "12.50"',
        pattern=_DECIMAL,
        example="12.50",
        maximum_length=23,
        check=_positive_problem,
    ),
]
NonNegativeDecimal = Annotated[
    str,
    Shape(
        acceptable='a decimal of zero or more as a string, up to 12 digits before and 10 after the point, such as "12.50"',
        pattern=_DECIMAL,
        example="12.50",
        maximum_length=23,
    ),
]
Currency = Annotated[
    str,
    Shape(acceptable='an ISO 4217 currency code such as "EUR"', pattern=r"[A-Z]{3}", example="EUR", maximum_length=3),
]
VendorNumber = Annotated[str, _code("a vendor number", "1580", 40)]
CustomerNumber = Annotated[str, _code("a customer number", "C-1001", 40)]
ItemNumber = Annotated[str, _code("an item number", "FR-R92B", 40)]
Location = Annotated[str, _code("a location", "HAMBURG", 40)]
AccountNumber = Annotated[str, _code("an account number", "6300", 20)]
CostCentreCode = Annotated[str, _code("a cost centre", "4100", 20)]
DocumentNumber = Annotated[
    str,
    Shape(
        acceptable='a document number such as "JE-2026-000017"',
        pattern=r"[A-Z]{2}-[0-9]{4}-[0-9]{1,15}",
        example="JE-2026-000017",
        maximum_length=24,
    ),
]
Reference = Annotated[
    str,
    Shape(
        acceptable="1 to 80 characters of visible text on one line",
        pattern=r".{1,80}",
        example="REQ-2026-0815",
        maximum_length=80,
        check=_text_problem,
    ),
]
Text = Annotated[
    str,
    Shape(
        acceptable=f"1 to {TEXT_LIMIT} characters of visible text on one line",
        pattern=rf".{{1,{TEXT_LIMIT}}}",
        example="Winter stock",
        maximum_length=TEXT_LIMIT,
        check=_text_problem,
    ),
]
Note = Annotated[
    str,
    Shape(
        acceptable=f"1 to {TEXT_LIMIT} characters of visible text; line breaks are allowed",
        pattern=rf"[\s\S]{{1,{TEXT_LIMIT}}}",
        example="Deliver to gate 3.",
        maximum_length=TEXT_LIMIT,
        check=_note_problem,
    ),
]
