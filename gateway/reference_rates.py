"""Reference rates as central banks publish them: fetched from a file or an address, and read as what one unit of a base is worth.

Two forms, those of the European Central Bank: XML (`Cube` elements with `time`, then `currency` and `rate`) and CSV (a header of `Date`
and currency codes, a row for each day). A file with anything wrong in it gives nothing but a sentence that says what.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

from gateway.network import Bounds, Policy, outbound_client, parse_url
from kernel.errors import ValidationFailed
from kernel.money import CURRENCY_PATTERN, parse_decimal

BASE = "EUR"
BYTES_MAX = 2 * 1024 * 1024
DAYS_MAX = 400
RATE_MAX = Decimal(10) ** 9
DAY_FORMS = ("%Y-%m-%d", "%d %B %Y")
NOTHING_PUBLISHED = {"", "N/A"}

Days = Mapping[date, Mapping[str, Decimal]]


class RatesUnreadable(ValidationFailed):
    """The file is no list of reference rates, or something in it is wrong; nothing of it was taken."""

    code = "rates_unreadable"
    title = "The exchange rates can't be read"


@dataclass(frozen=True, slots=True)
class ReferenceRates:
    """What one unit of `base` was worth in each currency, by day."""

    base: str
    days: Days


def fetch(source: str) -> bytes:
    """Return what a file holds, or what an https address answers, which the guard of outgoing connections judges.

    Raises OutboundRefused, OutboundFailed, RatesUnreadable.
    """
    if "://" not in source:
        path = Path(source)
        try:
            with path.open("rb") as file:
                content = file.read(BYTES_MAX + 1)
        except OSError as error:
            raise RatesUnreadable(detail=f"{path.name} can't be read: {error.strerror or error}.") from error
    else:
        with outbound_client(Policy.PRIVATE, bounds=Bounds(body_bytes_max=BYTES_MAX)) as client:
            answer = client.request("GET", source)
        if answer.status != 200:
            raise RatesUnreadable(detail=f"{parse_url(source).host} answered {answer.status} instead of rates.")
        content = answer.body
    if len(content) > BYTES_MAX:
        raise RatesUnreadable(detail=f"The file has more than {BYTES_MAX:,} bytes; use the one of the day or of the last 90 days.")
    return content


def parse_rates(content: bytes) -> ReferenceRates:
    """Return the rates of the file; raises RatesUnreadable naming what is wrong, and where."""
    text = content.lstrip(b"\xef\xbb\xbf \t\r\n")
    rows = _xml_rows(text) if text.startswith(b"<") else _csv_rows(text)
    days: dict[date, dict[str, Decimal]] = {}
    for where, day, currency, value in rows:
        on = _day(day, where)
        known = days.setdefault(on, {})
        if len(days) > DAYS_MAX:
            raise _wrong(f"it has more than {DAYS_MAX} days; use the file of the day or of the last 90 days")
        if not CURRENCY_PATTERN.match(currency) or currency == BASE:
            raise _wrong(f"{where}: {currency[:8]!r} is no currency beside {BASE}")
        if currency in known:
            raise _wrong(f"{where}: {currency} stands there twice for {on.isoformat()}")
        known[currency] = _rate(value, where, currency)
    found = {day: rates for day, rates in days.items() if rates}
    if not found:
        raise _wrong("no day with a rate is in it")
    return ReferenceRates(BASE, found)


def _xml_rows(content: bytes) -> Iterator[tuple[str, str, str, str]]:
    # Without a document type there are no entities to be blown up; nobody who publishes rates needs one.
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise _wrong("it declares a document type, which no list of rates needs")
    try:
        root = ET.fromstring(content)  # noqa: S314  no document type, and at most BYTES_MAX
    except ET.ParseError as error:
        raise _wrong(f"it is no XML: {error}") from error
    for cube in root.iter():
        if not cube.tag.endswith("Cube") or "time" not in cube.attrib:
            continue
        for item in cube:
            currency, rate = item.get("currency"), item.get("rate")
            if currency is None or rate is None:
                raise _wrong(f"{cube.attrib['time'][:20]}: a rate without currency or value")
            yield cube.attrib["time"], cube.attrib["time"], currency, rate


def _csv_rows(content: bytes) -> Iterator[tuple[str, str, str, str]]:
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(content.decode("utf-8"))) if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _wrong(f"it is no CSV in UTF-8: {error}") from error
    if not rows or rows[0][0] != "Date":
        raise _wrong("its first row does not begin with Date")
    # The bank ends every row with a comma.
    header = rows[0][1:-1] if rows[0][-1] == "" else rows[0][1:]
    for number, row in enumerate(rows[1:], start=2):
        cells = row[1:-1] if len(row) == len(header) + 2 and row[-1] == "" else row[1:]
        if len(cells) != len(header):
            raise _wrong(f"row {number} has {len(cells)} rates for {len(header)} currencies")
        for currency, value in zip(header, cells, strict=True):
            if value not in NOTHING_PUBLISHED:
                yield f"row {number}", row[0], currency, value


def _day(text: str, where: str) -> date:
    for form in DAY_FORMS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007  a day, not an instant
        except ValueError:
            continue
    raise _wrong(f"{where}: {text[:20]!r} is no date")


def _rate(text: str, where: str, currency: str) -> Decimal:
    try:
        value = parse_decimal(text)
    except ValidationFailed:
        value = Decimal(0)
    if not 0 < value < RATE_MAX:
        raise _wrong(f"{where}: {text[:20]!r} is no rate of {currency}")
    return value


def _wrong(what: str) -> RatesUnreadable:
    return RatesUnreadable(detail=f"The exchange rates can't be taken: {what}.")
