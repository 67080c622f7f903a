"""Reading the text files of an evaluation without changes, so that any scorer agrees."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

from nmt.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


MAX_BYTES = 1 << 28
"""Limit for a text file, which is kept in memory. A device or a .gz file may have no end."""


def read_lines(path: Path) -> list[str]:
    r"""Return the lines of a UTF-8 or .gz file, split at \n only, without trailing whitespace.

    Nothing else is repaired or cleaned, so scores belong to the file. Raises DataError if the
    file cannot be read, with the line that is not UTF-8.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path} is a damaged .gz file: {error}") from error
    if len(content) > MAX_BYTES:
        raise DataError(f"{path} holds more than {MAX_BYTES >> 20:,} MiB, too much to be scored")
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()  # The text after the last newline is not a line.
    return [_decode(line, path, number) for number, line in enumerate(lines, 1)]


def check_parallel(texts: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Raise DataError unless all texts (name, lines) have the same number of lines, above zero."""
    (first, lines), *others = texts
    for name, other in others:
        if len(other) != len(lines):
            raise DataError(
                f"{first} has {_lines(len(lines))}, {name} has {len(other):,}",
                "line N of one must belong to line N of the other",
            )
    if not lines:
        raise DataError(f"{first} has no lines")


def _decode(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode().rstrip()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}:{number}: not valid UTF-8 at byte {error.start + 1} of the line",
            "convert the file to UTF-8",
        ) from error


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"
