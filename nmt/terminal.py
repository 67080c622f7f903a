"""Width and colors of a terminal, texts that fit, and small charts."""

from __future__ import annotations

import math
import os
import sys
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Self, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEFAULT_WIDTH = 80
_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.:-=+*#"


class Color(IntEnum):
    """Colors, of 256, with a contrast of at least 3:1 on black and on white."""

    GRAY = 244
    GREEN = 28
    BLUE = 33
    ORANGE = 166
    RED = 160

    def __call__(self, text: str) -> str:
        """Return the text in this color."""
        return f"\x1b[38;5;{self.value}m{text}\x1b[0m"


def width(stream: TextIO) -> int:
    """Return the columns of a stream: $COLUMNS, the width of its terminal, or 80."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_WIDTH
    except (OSError, ValueError):  # The stream is not a terminal or is closed.
        return DEFAULT_WIDTH


def is_terminal(stream: TextIO) -> bool:
    return not stream.closed and stream.isatty()


def colored(stream: TextIO) -> bool:
    """Return whether to write colors to a stream.

    $NO_COLOR forbids and $CLICOLOR_FORCE demands colors; otherwise a terminal that is not dumb has
    colors.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return is_terminal(stream) and os.environ.get("TERM", "dumb") != "dumb"


def can_show(text: str, stream: TextIO) -> bool:
    """Return whether the encoding of a stream contains all characters."""
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class Look(NamedTuple):
    """How lines are drawn; the default is for a file."""

    columns: int | None = None
    """Columns that a line must fit."""
    color: bool = False
    blocks: bool = True
    """Whether there are block characters."""

    @classmethod
    def of(cls, stream: TextIO) -> Self:
        columns = width(stream) if is_terminal(stream) else None
        return cls(columns, colored(stream), can_show("▕█▏" + _BLOCKS, stream))

    def paint(self, color: Color, text: str) -> str:
        return color(text) if self.color and text else text


def display_width(text: str) -> int:
    """Return the columns of a text: 2 for a wide letter, 0 for a combining mark or a color."""
    import wcwidth

    return wcwidth.width(text)


def cut(text: str, columns: int, end: str = "…") -> str:
    """Return one line of at most `columns`, with `end` where it was cut."""
    import wcwidth

    if wcwidth.width(text) <= columns:
        return text
    return wcwidth.clip(text, 0, max(columns - wcwidth.width(end), 0)).rstrip() + end


def wrap(text: str, columns: int, indent: str = "") -> list[str]:
    """Return lines of at most `columns`, all but the first after `indent`; a text has one line."""
    import wcwidth

    lines = wcwidth.wrap(text, max(columns, 1), subsequent_indent=indent, break_on_hyphens=False)
    return lines or [""]


def fit(text: str, columns: int | None) -> str:
    """Return text whose lines fit the columns, if there is a limit.

    Long lines are broken between ` | ` or else between words.
    """
    if columns is None:
        return text
    return "\n".join(part for line in text.split("\n") for part in _fitting(line, columns))


def _fitting(line: str, columns: int) -> Iterator[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    fields = line.split(" | ")
    current = fields[0]
    for field in fields[1:]:
        if display_width(current) + 3 + display_width(field) > columns:
            yield from wrap(current, columns, indent)
            current = indent + field
        else:
            current += f" | {field}"
    yield from wrap(current, columns, indent)


def plain(text: str) -> str:
    """Return the text without colors."""
    import wcwidth

    return wcwidth.strip_sequences(text)


def sparkline(values: Sequence[float], columns: int = 40, blocks: bool | None = None) -> str:
    """Draw a series in at most `columns` characters, with a gap where a value is not finite.

    blocks: whether to draw blocks, not ASCII; None: if standard output can show blocks.
    """
    bars = _BLOCKS if (can_show(_BLOCKS, sys.stdout) if blocks is None else blocks) else _ASCII
    step = max(1.0, len(values) / columns)
    picked = [values[int(i * step)] for i in range(min(columns, len(values)))]
    finite = [value for value in picked if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    scale = (len(bars) - 1) / (high - low) if high > low else 0.0
    return "".join(
        bars[round((value - low) * scale)] if math.isfinite(value) else " " for value in picked
    )
