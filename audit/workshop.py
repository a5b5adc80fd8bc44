"""Where a large bundle is made: a directory with the parts that are finished, and a note of how far the work is.

Every member is a file here until the archive is written at the end. The note (`state.json`) is replaced as a whole after each piece of
work; a worker that takes up the work of one that died cuts each file back to what the note says and goes on from there. Memory holds
one piece at a time, whatever the bundle's size.
"""

from __future__ import annotations

import functools
import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import BinaryIO

from audit.verifier.countersign_verify import CHUNK_BYTES, MEMBER_PATTERN, ArchiveWriter, Members, open_binary
from kernel.canonical import canonical_bytes, parse_json

STATE = "state.json"


class Workshop:
    """The parts of one bundle on disk; see the module."""

    def __init__(self, directory: Path) -> None:
        """Open the workshop, making it or taking it up where it was left."""
        self.directory = directory
        self._parts = directory / "members"
        self._parts.mkdir(parents=True, exist_ok=True)
        path = directory / STATE
        state = parse_json(path.read_bytes()) if path.exists() else {}
        if not isinstance(state, dict):
            raise TypeError(f"{path} is not the note of a workshop")
        self.noted: dict[str, object] = state

    def note(self, **facts: object) -> None:
        """Put these facts on the note, on disk, all at once."""
        self.noted = {**self.noted, **facts}
        draft = self.directory / f".{STATE}"
        with draft.open("wb") as file:
            file.write(canonical_bytes(self.noted))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.directory / STATE)

    def is_done(self, step: str) -> bool:
        """Tell whether a step of the work is finished."""
        return self.noted.get(f"done_{step}") is True

    def finish(self, step: str, **facts: object) -> None:
        """Note that a step is finished, with what came of it."""
        self.note(**{f"done_{step}": True}, **facts)

    def write(self, path: str, content: bytes) -> None:
        """Make a member of these bytes."""
        with self.file(path, 0) as file:
            file.write(content)

    def write_all(self, members: Mapping[str, bytes]) -> None:
        """Make all of these members."""
        for path, content in members.items():
            self.write(path, content)

    @contextmanager
    def file(self, path: str, length: int) -> Iterator[BinaryIO]:
        """Open a member to write on after its first `length` bytes; what stands behind them is cut off."""
        if not MEMBER_PATTERN.match(path):
            raise ValueError(f"{path!r} can't name a member")
        place = self._parts / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("r+b" if place.exists() else "w+b") as file:
            file.truncate(length)
            file.seek(length)
            yield file
            file.flush()

    def members(self) -> Members:
        """Return the members as they are now."""
        paths = [path for path in sorted(self._parts.rglob("*")) if path.is_file() and path.stat().st_size]
        return Members(
            {path.relative_to(self._parts).as_posix(): (path.stat().st_size, functools.partial(open_binary, path)) for path in paths}
        )

    def assemble(self, output: Path) -> tuple[int, str]:
        """Write the archive of all members to `output`, whole or not at all; return its size and SHA-256."""
        draft = output.with_name(f".{output.name}.part")
        output.parent.mkdir(parents=True, exist_ok=True)
        members = self.members()
        with draft.open("wb") as target:
            measured = _Measured(target)
            writer = ArchiveWriter(measured)  # type: ignore[arg-type]
            for path in sorted(members):
                size, crc = _checksum(members, path)
                writer.add(path, size=size, crc=crc, chunks=_chunks(members, path))
            writer.close()
            target.flush()
            os.fsync(target.fileno())
        draft.replace(output)
        return measured.size, measured.digest.hexdigest()

    def clear(self) -> None:
        """Remove the workshop and everything in it."""
        rmtree(self.directory, ignore_errors=True)


class _Measured:
    """A file that counts and hashes what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.size += len(content)
        self.digest.update(content)
        return self._file.write(content)


def _chunks(members: Members, path: str) -> Iterator[bytes]:
    with members.open(path) as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _checksum(members: Members, path: str) -> tuple[int, int]:
    size = crc = 0
    for chunk in _chunks(members, path):
        size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return size, crc
