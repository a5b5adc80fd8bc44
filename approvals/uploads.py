"""Files that people attach: what they are is found from their content, what they are called decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.files.uploadhandler import MemoryFileUploadHandler, StopUpload
from django.http import HttpRequest

from approvals.models_decision import ATTACHMENT_SIZE_MAX

EXTENSIONS: Mapping[str, str] = {"application/pdf": ".pdf", "image/jpeg": ".jpg", "image/png": ".png", "text/plain": ".txt"}
NAME_LENGTH_MAX = 120
# A form carries a few fields beside its file.
REQUEST_SIZE_MAX = ATTACHMENT_SIZE_MAX + 64 * 1024
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
TEXT_CONTROLS = frozenset({"\t", "\n", "\r", "\f"})


def media_type_of(content: bytes) -> str:
    """Return what the content is, or an empty text when it is none of the types that are taken."""
    if content.startswith(b"%PDF-") and b"%%EOF" in content[-1024:]:
        return "application/pdf"
    if content.startswith(PNG_START) and content.endswith(PNG_END):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff") and content.rstrip(b"\0").endswith(b"\xff\xd9"):
        return "image/jpeg"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "text/plain" if text and all(character >= " " or character in TEXT_CONTROLS for character in text) else ""


def plain_name(name: str) -> str:
    """Return a file's name without a path and without characters that hide or reorder; never empty."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(character if character.isprintable() else "_" for character in last).strip(" .")
    return shown[:NAME_LENGTH_MAX] or "attachment"


def download_name(name: str, media_type: str) -> str:
    """Return the name to save it under: it ends as what the content is, whatever the person called it."""
    extension = EXTENSIONS[media_type]
    lowered = name.lower()
    endings = {"text/plain": (".txt", ".csv", ".log", ".md"), "image/jpeg": (".jpg", ".jpeg")}.get(media_type, (extension,))
    return name if lowered.endswith(endings) else f"{name}{extension}"


class BoundedUploadHandler(MemoryFileUploadHandler):
    """Keeps an upload in memory and takes no more of it than an attachment may have."""

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, Any],  # noqa: N803  the framework's name
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        """Keep every upload in memory: what is longer than memory allows is not read to its end."""
        self.activated = True

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Stop at the first byte too many, whatever length was announced."""
        if start + len(raw_data) > REQUEST_SIZE_MAX:
            raise StopUpload(connection_reset=True)
        return super().receive_data_chunk(raw_data, start)


def is_too_long(request: HttpRequest) -> bool:
    """Return whether the request was too long to be read."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0) > REQUEST_SIZE_MAX
    except ValueError:
        return True
