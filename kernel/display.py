"""How values look to people: instants, amounts, digests, states. Formatted once in Python, before a page is rendered.

Template filters for dates and numbers cost a hundred microseconds each and serialise threads on a lock of the translation
machinery; a table of fifty rows feels both. So pages hand finished texts to their templates. The two small classes here
know their markup, because a time and a status must look and read the same on every page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from django.utils.html import format_html
from django.utils.safestring import SafeString

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Tone(StrEnum):
    """What a colour means; never the only carrier of the meaning."""

    PLAIN = "plain"
    GOOD = "good"
    INFO = "info"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Tag:
    """A status as word, icon and colour; `icon` is the name of a mask in static/console/icons.css."""

    word: str
    tone: Tone = Tone.PLAIN
    icon: str = ""
    title: str = ""

    def __str__(self) -> SafeString:
        """Return the tag's markup: templates ask every value for its text."""
        icon = format_html('<span class="icon icon-{}" aria-hidden="true"></span>', self.icon) if self.icon else ""
        title = format_html(' title="{}"', self.title) if self.title else ""
        return format_html('<span class="tag tag-{}"{}>{}{}</span>', self.tone.value, title, icon, self.word)


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant with the words a page uses for it; the full UTC time is its tooltip."""

    instant: datetime
    text: str
    is_late: bool = False

    def __str__(self) -> SafeString:
        """Return a `<time>` element: templates ask every value for its text."""
        late = format_html(' class="{}"', "late") if self.is_late else ""
        wire = f"{self.instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return format_html('<time datetime="{}" title="{}"{}>{}</time>', wire, utc(self.instant), late, self.text)


def utc(instant: datetime) -> str:
    """Return 2026-11-23 14:02:11 UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def at(instant: datetime) -> Moment:
    """Return the instant to the minute, in UTC: 2026-11-23 14:02 UTC."""
    return Moment(instant, f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC")


def maybe_at(instant: datetime | None) -> Moment | str:
    """Return the instant, or a dash where there is none."""
    return at(instant) if instant is not None else "–"


def ago(instant: datetime, now: datetime) -> Moment:
    """Return how long ago an instant was: 41 min ago, 3 h ago, 2 days ago, then its date."""
    seconds = (now - instant).total_seconds()
    if seconds < 0:
        return at(instant)
    if seconds < MINUTE:
        return Moment(instant, "just now")
    if seconds < 7 * DAY:
        return Moment(instant, f"{span(timedelta(seconds=seconds))} ago")
    return Moment(instant, f"{instant.astimezone(UTC):%Y-%m-%d}")


def due(instant: datetime, now: datetime) -> Moment:
    """Return when something is due, relative to now; what is past is marked late."""
    seconds = (instant - now).total_seconds()
    if seconds < 0:
        return Moment(instant, f"{span(now - instant)} late", is_late=True)
    local = instant.astimezone(UTC)
    days = (local.date() - now.astimezone(UTC).date()).days
    if days == 0:
        return Moment(instant, f"Today {local:%H:%M}")
    if days == 1:
        return Moment(instant, f"Tomorrow {local:%H:%M}")
    if days < 7:
        return Moment(instant, f"{WEEKDAYS[local.weekday()]} {local:%H:%M}")
    return Moment(instant, f"in {days} days")


def span(length: timedelta) -> str:
    """Return a length of time in its largest unit: 12 s, 41 min, 3 h, 2 days."""
    seconds = int(length.total_seconds())
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min"
    if seconds < DAY:
        return f"{seconds // HOUR} h"
    return counted(seconds // DAY, "day", "days")


def accounting_date(value: date) -> str:
    """Return an accounting date: 2026-11-23."""
    return value.isoformat()


def counted(number: int, one: str, many: str) -> str:
    """Return a number with the right noun: 1 proposal, 2 proposals."""
    return f"{number:,} {one if number == 1 else many}"


def listed(words: list[str]) -> str:
    """Return words as a sentence part: a, b and c."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def short_digest(text: str) -> str:
    """Return a digest one can compare at a glance: sha256:9f1c2b7a…e204."""
    scheme, _, value = text.rpartition(":")
    if len(value) <= 16:
        return text
    return f"{scheme}:{value[:8]}…{value[-4:]}" if scheme else f"{value[:8]}…{value[-4:]}"


def sentence(code: str) -> str:
    """Return a code as words: changes_requested becomes Changes requested."""
    return code.replace("_", " ").capitalize()
