"""Lines in and out of the commands that translate and score: bytes, split at \\n only."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from nmt.errors import DataError, StorageError

MAX_LINE_BYTES = 400_000
"""What follows in a longer line is not kept; no command takes lines as long as that."""
GROUP_LINES, GROUP_BYTES = 4096, 1 << 20
_CHUNK = 1 << 16


def line_groups(file: BinaryIO, scale: int = 1, wait: float = 0.05) -> Iterator[list[bytes]]:
    """The lines of an open file as they come, in groups that are worth sorting by length, of up to
    scale * GROUP_LINES.

    A group ends when it is large or, in a pipe, when nothing more has come for `wait` seconds:
    who writes slowly gets answers at once. Memory is bounded whatever the length of the lines.
    """
    descriptor = file.fileno()
    lines: list[bytes] = []
    size = 0
    rest = b""
    while chunk := os.read(descriptor, _CHUNK):
        *ended, rest = (rest + chunk).split(b"\n")
        rest = rest[: MAX_LINE_BYTES + 1]
        lines += ended
        size += sum(map(len, ended))
        full = len(lines) >= scale * GROUP_LINES or size >= scale * GROUP_BYTES
        if lines and (full or not select.select([descriptor], [], [], wait)[0]):
            yield lines
            lines, size = [], 0
    if rest:
        lines.append(rest)
    if lines:
        yield lines


def decode(line: bytes) -> tuple[str, str | None]:
    """The text of a line, and what was repaired: bytes that are not UTF-8 become U+FFFD."""
    try:
        return line.decode(), None
    except UnicodeDecodeError as error:
        return line.decode(errors="replace"), f"not valid UTF-8 at byte {error.start + 1}, repaired"


@contextmanager
def open_input(path: Path | None) -> Iterator[BinaryIO]:
    """A file, or standard input for None. Raises DataError if it cannot be read."""
    if path is None:
        yield sys.stdin.buffer
        return
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            raise DataError(f"{path} is a folder, not a text file")
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    with file:
        yield file


@contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """A file, or standard output for None.

    A file appears under its name when all has been written; after an error nothing has changed.
    Raises StorageError if it cannot be written.
    """
    if path is None:
        yield sys.stdout.buffer
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.exists() and not path.is_file():  # /dev/null, a FIFO
            with path.open("wb") as file:
                yield file
            return
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error


class Warnings:
    """Warnings about lines on standard error: the first ones one by one, the rest counted."""

    def __init__(self, shown: int = 20) -> None:
        self.shown = shown
        self.count = 0

    def __call__(self, where: str, message: str) -> None:
        """Say what was done to a line."""
        self.count += 1
        if self.count <= self.shown:
            print(f"warning: {where}: {message}", file=sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.count > self.shown:
            print(f"warning: {self.count - self.shown} more like these", file=sys.stderr)
