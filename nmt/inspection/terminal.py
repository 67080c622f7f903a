"""Attention maps as text, with a shaded block for each weight."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self, TextIO

from nmt.inspection.attention import TITLES
from nmt.terminal import Color, can_show, colored, cut, display_width, fit, width, wrap
from nmt.text import replace_unprintable

if TYPE_CHECKING:
    from torch import Tensor

    from nmt.inspection.attention import AttentionMaps, Head, Kind

BOUNDS = (0.05, 0.2, 0.4, 0.7)
"""The smallest weights of all marks except the lightest."""


class Style(NamedTuple):
    """The width, characters and colors that a terminal supports."""

    width: int = 80
    ascii_only: bool = False
    color: bool = False

    @classmethod
    def of(cls, stream: TextIO, ascii_only: bool = False) -> Self:
        ascii_only = ascii_only or not can_show(cls().marks, stream)
        return cls(width(stream), ascii_only, colored(stream))

    def mark(self, weight: float, width: int) -> str:
        """Return the cell of a weight; zero, a masked weight, is blank."""
        if weight == 0.0:
            return " " * width
        level = sum(weight >= bound for bound in BOUNDS)
        mark = self.marks[level] * min(width, 2)
        fill = " " * (width - len(mark))
        return (SHADES[level](mark) if self.color else mark) + fill

    @property
    def marks(self) -> str:
        """From light to dark."""
        return ".-+#@" if self.ascii_only else "·░▒▓█"

    def label(self, piece: str) -> str:
        piece = replace_unprintable(piece)
        if self.ascii_only:
            piece = piece.replace("▁", "_").encode("ascii", "replace").decode()
        return piece

    def legend(self) -> str:
        parts = [f"{self.marks[0]} <{BOUNDS[0]:g}"]
        parts += [f"{m} {b:g}+" for m, b in zip(self.marks[1:], BOUNDS, strict=True)]
        return "  ".join([*parts, "(blank: masked)"])


SHADES = (Color.GRAY, *[Color.BLUE] * 4)
"""Colors from light to dark. The marks tell the levels apart on any background."""


def maps_text(
    maps: AttentionMaps, kind: Kind, layer: int | None, head: Head | None, style: Style
) -> str:
    """Return maps, an explanation of their rows and columns, and the legend.

    Without layer and head, there is one map: the mean of heads of the layer with the most
    concentrated attention. Raises UsageError as `AttentionMaps.panels` does.
    """
    if head is None:
        layer = layer or maps.sharpest(kind)
    parts = []
    for panel in maps.panels(kind, layer, head or "mean"):
        parts.append(fit(f"{TITLES[kind]}, {panel.title}", style.width))
        parts.append(text_map(*maps.labels(kind), panel.weights, style))
    parts.append("\n".join(wrap(maps.explanation(kind), style.width)))
    parts.append(fit(style.legend(), style.width))
    return "\n\n".join(parts)


def text_map(rows: Sequence[str], columns: Sequence[str], weights: Tensor, style: Style) -> str:
    """Return lines that show weights (rows, columns) with their labels.

    Column labels that do not fit are vertical. Columns that still do not fit form blocks below.
    """
    rows, columns = [style.label(row) for row in rows], [style.label(c) for c in columns]
    margin = min(max(map(display_width, rows)), max(8, style.width // 4))
    room = max(style.width - margin - 1, 4)
    cells = [max(display_width(column), 2) for column in columns]
    if lying := sum(cells) + len(cells) <= room:
        blocks = [range(len(columns))]
    else:
        cells = [1] * len(columns)
        # Use as few blocks as possible, with about equal numbers of columns.
        per_block = math.ceil(len(columns) / math.ceil(len(columns) / (room // 2)))
        starts = range(0, len(columns), per_block)
        blocks = [range(start, min(start + per_block, len(columns))) for start in starts]
    table = weights.tolist()
    texts = []
    for block in blocks:
        labels = [columns[i] for i in block]
        heads = [labels] if lying else _standing(labels)
        lines = [_line("", head, [cells[i] for i in block], margin) for head in heads]
        for row, values in zip(rows, table, strict=True):
            marks = [style.mark(values[i], cells[i]) for i in block]
            lines.append(f"{_fitted(row, margin)} {' '.join(marks)}".rstrip())
        texts.append("\n".join(lines))
    return "\n\n".join(texts)


def _line(label: str, fields: Sequence[str], widths: Sequence[int], margin: int) -> str:
    # A wide letter of a vertical label also fills the gap after its column.
    shown = (_fitted(f, w + 1) for f, w in zip(fields, widths, strict=True))
    return f"{_fitted(label, margin)} {''.join(shown)}".rstrip()


def _standing(labels: Sequence[str]) -> Iterator[list[str]]:
    height = max(map(len, labels))
    return (list(line) for line in zip(*(label.rjust(height) for label in labels), strict=True))


def _fitted(text: str, width: int) -> str:
    """Return the text padded, or truncated with a tilde, to a display width."""
    text = cut(text, width, end="~")
    return text + " " * (width - display_width(text))
