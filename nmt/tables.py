"""Text tables for the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence


def table_lines(
    rows: Sequence[Sequence[str]], *, head: Sequence[str] | None = None, right: bool = True
) -> list[str]:
    """Return one line per row, below the titles in `head`.

    The first column is aligned to the left, the others to the right or, without `right`, to the
    left. On a terminal that is too narrow, each cell becomes a line.
    """
    table = [head, *rows] if head else rows
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for first, *rest in table:
        cells = [first.ljust(widths[0])]
        for cell, width in zip(rest, widths[1:], strict=True):
            cells.append(cell.rjust(width) if right else cell.ljust(width))
        lines.append("  ".join(cells).rstrip())
    is_terminal = sys.stdout.isatty()
    if is_terminal and max(map(len, lines), default=0) > shutil.get_terminal_size().columns:
        return [line for row in rows for line in _block(row, head)]
    return lines


def _block(row: Sequence[str], head: Sequence[str] | None) -> Iterator[str]:
    titles = head or [""] * len(row)
    width = max(map(len, titles[1:]), default=0)
    yield f"{titles[0].strip()} {row[0].strip()}".strip()
    for title, cell in zip(titles[1:], row[1:], strict=True):
        if cell.strip():
            yield f"  {title.ljust(width)}  {cell}" if head else cell
