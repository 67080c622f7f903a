"""Text tables for the terminal."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterator, Sequence

from nmt import terminal


def table_lines(
    rows: Sequence[Sequence[str]],
    *,
    head: Sequence[str] | None = None,
    left: Container[int] = (0,),
) -> list[str]:
    """Return one line per row, below the titles in `head`.

    left: columns, from 0, that are aligned to the left, not to the right. On a terminal that is too
    narrow, each cell becomes a line.
    """
    table = [head, *rows] if head else rows
    widths = [max(map(terminal.display_width, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = []
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - terminal.display_width(cell))
            cells.append(cell + space if number in left else space + cell)
        lines.append("  ".join(cells).rstrip())
    widest = max(map(terminal.display_width, lines), default=0)
    if terminal.is_terminal(sys.stdout) and widest > terminal.width(sys.stdout):
        return [line for row in rows for line in _block(row, head)]
    return lines


def _block(row: Sequence[str], head: Sequence[str] | None) -> Iterator[str]:
    titles = head or [""] * len(row)
    width = max(map(len, titles[1:]), default=0)
    yield f"{titles[0].strip()} {row[0].strip()}".strip()
    for title, cell in zip(titles[1:], row[1:], strict=True):
        if cell.strip():
            yield f"  {title.ljust(width)}  {cell}" if head else cell
