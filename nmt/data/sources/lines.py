"""The lines of data files, and the handling of lines and rows that cannot be read."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Literal

from nmt import reading
from nmt.errors import DataError

BAD_UTF8 = "invalid UTF-8"
BAD_ROW = "bad rows"


Dropped = Callable[[str, str, Sequence[str]], None]
"""Receives the reason, the location (file:line) and the texts of a dropped pair."""


class Faults:
    """Handler of the lines and rows of a source that cannot be read."""

    def __init__(
        self,
        bad_utf8: Literal["error", "drop", "replace"],
        bad_rows: Literal["error", "skip"],
        repaired: Counter[str],
        dropped: Dropped,
    ) -> None:
        self.repaired = repaired
        self.dropped = dropped
        self._bad_utf8 = bad_utf8
        self._bad_rows = bad_rows
        self._first: DataError | None = None
        self._count = 0

    def invalid_utf8(self, line: bytes, error: DataError) -> str | None:
        """Return the line with U+FFFD for wrong bytes, or None to drop it, or raise its error."""
        if self._bad_utf8 == "error":
            error.hint = "convert the file to UTF-8, or set data.bad_utf8 to skip"
            raise error
        if self._bad_utf8 == "drop":
            return None
        self.repaired[BAD_UTF8] += 1
        return line.decode(errors="replace")

    def bad_row(self, error: DataError, location: str) -> None:
        """Count a row as dropped, or raise its error."""
        if self._bad_rows == "error":
            skip = "set data.bad_rows to skip, which drops such rows"
            error.hint = f"{error.hint}, or {skip}" if error.hint else skip
            raise error
        self._first = self._first or error
        self._count += 1
        self.dropped(BAD_ROW, location, [error.message.removeprefix(f"{location}: ")])

    def check(self, good: int) -> None:
        """Raise the error of the first bad row if fewer than half of the rows are good."""
        if self._first and self._count > good:
            raise DataError(
                f"{self._first.message} ({self._count:,} of {self._count + good:,} rows are bad)",
                self._first.hint,
            )


def open_regular(path: str) -> AbstractContextManager[BinaryIO]:
    """Open a regular file, because data is read more than once. Raises DataError."""
    found = Path(os.path.expanduser(path))  # noqa: PTH111
    if path == "-" or (found.exists() and not found.is_file()):
        raise DataError(f"{path} is not a regular file")
    return reading.open_input(path)


def sha256(path: str) -> str:
    """Return the SHA-256 of a regular file, in hexadecimal. Raises DataError."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def read_lines(path: str, faults: Faults) -> Iterator[str | None]:
    """Yield the lines of a file without \\n; None is a line to drop. Raises DataError."""
    with open_regular(path) as file:
        yield from reading.read_lines(file, path, faults.invalid_utf8)
