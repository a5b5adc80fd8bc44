"""Read receipts tied to the log: each is what the event of its reading says, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator

from audit.ties import records_by_chain
from audit.verifier.countersign_verify import Findings, record_part
from kernel.canonical import digest_of_bytes
from proposals.events import ReadEvent
from proposals.models import ReadReceipt
from proposals.services.reading import READ_PURPOSE

ROWS_PER_FETCH = 500


def check_read_receipts(findings: Findings, detail: list[str]) -> None:
    """Check that every read receipt has its event, and that its result has the digest which that event states."""
    count = 0
    for rows in _batches():
        records = records_by_chain(ReadEvent.TAKEN, [f"read:{row.public_id}" for row in rows])
        for row in rows:
            count += 1
            taken = records[f"read:{row.public_id}"]
            logged = [item.get("digest") for record in taken for item in record.get("evidence", []) if item.get("source") == row.public_id]
            digest = digest_of_bytes(READ_PURPOSE, bytes(row.result_bytes))
            same = [record_part(record, "subject", "tool") == row.tool for record in taken]
            findings.expect(
                logged == [digest] and row.result_digest == digest and all(same),
                "read_forged",
                row.public_id,
                f"The read receipt {row.public_id} is not what the agent read: "
                + ("no event of the log knows it." if not taken else "its result or its tool differs from the event of its reading."),
            )
    detail.append(f"{count} read receipts")


def _batches() -> Iterator[list[ReadReceipt]]:
    last = None
    while True:
        rows = ReadReceipt.objects.order_by("id")
        found = list((rows.filter(id__gt=last) if last else rows)[:ROWS_PER_FETCH])
        if not found:
            return
        yield found
        last = found[-1].id
