"""Checkpoints in an S3-compatible object store under object lock: nobody can delete or replace them before their day.

A note is put under its size, only where nothing lies yet, with the retention asked for; then it is read back, and both its content and
its lock are looked at. A store that forgets to lock has not kept the checkpoint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from audit.exporting import Arrived, ExportFailed
from audit.models import Checkpoint
from gateway.checkpoints.configured import ObjectStore
from gateway.checkpoints.signature import content_md5, signed_headers
from gateway.network import Answer, OutboundClient, Policy, outbound_client
from kernel import clock

LOCK_MODE = "x-amz-object-lock-mode"
RETAIN_UNTIL = "x-amz-object-lock-retain-until-date"


@dataclass(frozen=True, slots=True)
class ObjectStoreExporter:
    """Brings checkpoints to one object store."""

    store: ObjectStore

    @property
    def name(self) -> str:
        """Return `object_store:<address>`."""
        return f"object_store:{self.store.url}"[:100]

    @property
    def title(self) -> str:
        """Return the address."""
        return f"Object store {self.store.url}"

    @property
    def interval_seconds(self) -> float:
        """Return the store's own."""
        return self.store.interval_seconds

    def export(self, checkpoint: Checkpoint) -> Arrived:
        """The note lies in the store, under lock; raises ExportFailed or OutboundFailed when it does not."""
        url = f"{self.store.url.rstrip('/')}/{checkpoint.size:012d}.note"
        content = checkpoint.note.encode("utf-8")
        with outbound_client(Policy.PRIVATE) as client:
            answer = self._send(client, "PUT", url, self._wanted(content), content)
            # 412: it lies there from an attempt whose answer was lost, or something else does; reading back tells which.
            if answer.status not in {HTTPStatus.OK, HTTPStatus.PRECONDITION_FAILED}:
                raise ExportFailed(_refusal(answer))
            kept = self._send(client, "GET", url, {}, b"")
        if kept.status != HTTPStatus.OK:
            raise ExportFailed(f"it was put, but can't be read back: {_refusal(kept)}")
        if kept.body != content:
            raise ExportFailed(f"another content lies under {url}")
        self._require_lock(kept)
        version = kept.headers.get("x-amz-version-id", "")
        return Arrived(f"{url}?versionId={version}" if version else url, kept.headers.get(RETAIN_UNTIL, "").encode("ascii"))

    def _wanted(self, content: bytes) -> dict[str, str]:
        headers = {"content-type": "text/plain; charset=utf-8", "content-md5": content_md5(content), "if-none-match": "*"}
        if self.store.lock_days:
            until = clock.now().astimezone(UTC) + timedelta(days=self.store.lock_days)
            headers |= {LOCK_MODE: self.store.lock_mode, RETAIN_UNTIL: until.strftime("%Y-%m-%dT%H:%M:%SZ")}
        return headers

    def _require_lock(self, kept: Answer) -> None:
        if not self.store.lock_days:
            return
        until = kept.headers.get(RETAIN_UNTIL, "")
        if kept.headers.get(LOCK_MODE) != self.store.lock_mode or not until:
            raise ExportFailed("the store kept it without an object lock: is object lock enabled for the bucket?")
        if datetime.fromisoformat(until) < clock.now() + timedelta(days=self.store.lock_days - 1):
            raise ExportFailed(f"the store locks it until {until} only")

    def _send(self, client: OutboundClient, method: str, url: str, headers: dict[str, str], content: bytes) -> Answer:
        store = self.store
        signed = signed_headers(
            method,
            url,
            headers=headers,
            content=content,
            region=store.region,
            access_key=store.access_key,
            secret_key=store.secret_key,
            now=clock.now(),
        )
        return client.request(method, url, headers=signed, content=content)


def _refusal(answer: Answer) -> str:
    """Return what the store said: its code and message, which hold nothing of our request but the names in it."""
    text = answer.body.decode("utf-8", errors="replace")
    code, message = (re.search(rf"<{name}>([^<]{{1,300}})</{name}>", text) for name in ("Code", "Message"))
    said = ": ".join(found[1] for found in (code, message) if found)
    return f"the store answers {answer.status}{f' ({said})' if said else ''}"
