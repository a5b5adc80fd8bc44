"""What the list of bundles shows, as finished texts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.humanize.templatetags.humanize import intcomma
from django.template.defaultfilters import filesizeformat
from django.urls import reverse

from kernel.display import Moment, Tag, Tone, ago, short_digest
from reconciliation.evidence.models import Bundle
from reconciliation.evidence.states import BundleKind, BundleState

STATE_TAGS = {
    BundleState.QUEUED: Tag("Queued", Tone.INFO, "clock"),
    BundleState.RUNNING: Tag("Being made", Tone.INFO, "clock"),
    BundleState.READY: Tag("Ready", Tone.GOOD, "check"),
    BundleState.FAILED: Tag("Failed", Tone.BAD, "cross"),
}
UNFINISHED = frozenset({BundleState.QUEUED, BundleState.RUNNING})
STEPS = {
    "events": "events",
    "documents": "documents of proposals",
    "tables": "tables",
    "report": "verifying, and writing the report",
    "archive": "writing the archive",
}


@dataclass(frozen=True, slots=True)
class BundleRow:
    """One bundle in the list."""

    title: str
    purpose: str
    tag: Tag
    sentence: str
    progress: int
    is_running: bool
    contents: str
    digest: str
    requested: Moment
    requested_by: str
    region: str
    download_url: str
    # Where its state is asked for while it is not made yet; empty once nothing more can happen.
    progress_url: str


def bundle_row(row: Bundle, now: datetime) -> BundleRow:
    """Return one bundle as the list shows it."""
    is_ready, is_running = row.state == BundleState.READY, row.state == BundleState.RUNNING
    withheld = f", {intcomma(row.withheld_count)} withheld" if row.withheld_count else ""
    return BundleRow(
        title=row.proposal if row.kind == BundleKind.PROPOSAL else f"{row.since:%Y-%m-%d} to {_last_day(row)}",
        purpose=row.purpose,
        tag=STATE_TAGS[BundleState(row.state)],
        sentence=_sentence(row),
        progress=min(100, 100 * row.step_done // row.step_total) if is_running and row.step_total else 0,
        is_running=is_running,
        contents=f"{intcomma(row.event_count)} events{withheld}, {filesizeformat(row.file_bytes)}" if is_ready else "",
        digest=short_digest(row.sha256) if is_ready else "",
        requested=ago(row.requested_at, now),
        requested_by=row.requested_by.get_full_name() or row.requested_by.get_username(),
        region=f"{row.region} to {row.destination}" if row.destination not in ("", row.region) else row.region,
        download_url=reverse("evidence:download", args=[row.public_id]) if is_ready else "",
        progress_url=reverse("evidence:progress", args=[row.public_id]) if row.state in UNFINISHED else "",
    )


def default_period(now: datetime, begun: datetime | None) -> tuple[str, str]:
    """Return the first and last day of the month before, which is asked for most, or of this one where the log is younger than that."""
    last = now.replace(day=1) - timedelta(days=1)
    if begun is None or begun.date() > last.date():
        last = now
    return f"{last:%Y-%m}-01", f"{last:%Y-%m-%d}"


def _last_day(row: Bundle) -> str:
    return f"{row.until - timedelta(microseconds=1):%Y-%m-%d}" if row.until else ""


def _sentence(row: Bundle) -> str:
    if row.state == BundleState.FAILED:
        return row.detail
    if row.state != BundleState.RUNNING:
        return ""
    counted = f", {intcomma(row.step_done)} of {intcomma(row.step_total)}" if row.step_total > 1 else ""
    return f"Now: {STEPS.get(row.step, row.step)}{counted}." if row.step else ""
