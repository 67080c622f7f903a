"""The texts of an evaluation."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from nmt import reading
from nmt.errors import DataError
from nmt.text import INVISIBLE, counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_BYTES = 1 << 28
"""Limit for a text file, which is kept in memory. A device or a compressed file may have no end."""
_INVISIBLE = dict.fromkeys(map(ord, INVISIBLE))


def read_lines(path: Path) -> list[str]:
    r"""Return the lines of a text file, split at \n only, without trailing whitespace.

    Raises DataError if the file cannot be read or a line is not UTF-8.
    """
    lines, size = [], 0
    name = reading.name_of(path)
    with reading.open_input(path) as file:
        for line in reading.read_lines(file, name, reading.reject):
            size += len(line)
            if size > MAX_BYTES:
                limit = f"{MAX_BYTES >> 20:,} MiB"
                raise DataError(f"{name} holds more than {limit}, too much to be scored")
            lines.append(line.rstrip())
    return lines


def normalized(lines: Sequence[str]) -> list[str]:
    """Return lines in Unicode's NFC, without characters that are invisible in every language."""
    return [unicodedata.normalize("NFC", line.translate(_INVISIBLE)) for line in lines]


def check_parallel(texts: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Raise DataError unless all texts (name, lines) have the same number of lines, above zero."""
    (first, lines), *others = texts
    for name, other in others:
        if len(other) != len(lines):
            raise DataError(
                f"{first} has {counted(len(lines), 'line')}, {name} has {len(other):,}",
                "line N of one must belong to line N of the other",
            )
    if not lines:
        raise DataError(f"{first} has no lines")
