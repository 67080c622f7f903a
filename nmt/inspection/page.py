"""Attention maps as one self-contained HTML page, which makes no requests."""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from torch import Tensor

from nmt.inspection.attention import TITLES, AttentionMaps, Head, Kind, Unit
from nmt.terminal import cut, display_width
from nmt.text import replace_unprintable

_CELL = 16
_COLUMN = 7.3  # pixels of a character at 12 pixels in a monospaced font


def attention_page(
    maps: Mapping[Unit, AttentionMaps],
    unit: Unit = "subword",
    kind: Kind = "cross",
    layer: int = 1,
    head: Head = "mean",
) -> str:
    """Return the page of all maps of a translation, which opens at the given one."""
    start = {"unit": unit, "kind": kind, "layer": layer, "head": 0 if head == "mean" else head}
    data = {"start": start, "units": {name: _kinds(of_unit) for name, of_unit in maps.items()}}
    pieces = maps["subword"]
    sides = ("".join(side[:-1]) for side in (pieces.source_pieces, pieces.target_pieces))
    texts = (_decoded(side.replace("▁", " ").strip()) for side in sides)
    title = " \u2192 ".join(f"\u2068{text}\u2069" for text in texts)  # Each has its direction.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    page: str = environment.get_template("page.html").render(
        title=title, data=data, scaled=bool(pieces.encoder)
    )
    return page


def _decoded(text: str) -> str:
    """Return a text of subwords with characters instead of their bytes, such as `<0xC3><0xA4>`."""

    def characters(run: re.Match[str]) -> str:
        found = re.findall("<0x(..)>", run[0])
        return bytes.fromhex("".join(found)).decode(errors="replace")

    return re.sub(r"(?:<0x[0-9A-F]{2}>)+", characters, text)


def _kinds(maps: AttentionMaps) -> dict[str, Any]:
    note = " The mark ▁ is the space before a word." if maps.unit == "subword" else ""
    return {
        kind: {
            "title": TITLES[kind],
            "explanation": maps.explanation(kind) + note,
            "causal": kind == "decoder",
            "rows": maps.labels(kind)[0],
            "columns": maps.labels(kind)[1],
            "heads": layers[0].shape[0],
            "layers": [_packed(weights) for weights in layers],
        }
        for kind in TITLES
        if (layers := getattr(maps, kind))
    }


def _packed(weights: Tensor) -> str:
    units = (weights.double().numpy() * 65535).round().astype("<u2")
    return base64.b64encode(units.tobytes()).decode()


def attention_fragment(maps: AttentionMaps) -> str:
    """Return an SVG element with the encoder-decoder attention of the most concentrated layer.

    It has no script, no ids and no style element: text has the color of its context, cells that of
    the CSS variable --accent. Raises UsageError if the model has no such attention.
    """
    [panel] = maps.panels("cross", maps.sharpest("cross"), "mean")
    rows, columns = (
        [cut(replace_unprintable(label), 24) for label in labels] for labels in maps.labels("cross")
    )
    left, top = (8 + math.ceil(_COLUMN * max(map(display_width, x))) for x in (rows, columns))
    width, height = len(columns) * _CELL, len(rows) * _CELL
    parts = [
        f'<svg role="img" aria-label="{TITLES["cross"]}, {panel.title}" fill="currentColor" '
        f'width="{left + width + 1}" height="{top + height + 1}" '
        'xmlns="http://www.w3.org/2000/svg" style="font: 12px ui-monospace, monospace">',
        *(
            f'<text x="{left - 6}" y="{top + y * _CELL + 12}" text-anchor="end">{_text(row)}</text>'
            for y, row in enumerate(rows)
        ),
        *(
            f'<text transform="translate({left + x * _CELL + 12} {top - 6}) rotate(-90)">'
            f"{_text(column)}</text>"
            for x, column in enumerate(columns)
        ),
        f'<g transform="translate({left} {top})" style="fill: var(--accent, #1c76d0)">',
        f'<path d="M0 0h{width}v{height}h-{width}z" fill="none" stroke="currentColor" '
        'stroke-opacity=".3"/>',
    ]
    for y, weights in enumerate(panel.weights.tolist()):
        for x, weight in enumerate(weights):
            if weight >= 0.005:
                name = f"{rows[y]} \u2192 {columns[x]}: {weight:.3f}"
                parts.append(
                    f'<rect x="{x * _CELL}" y="{y * _CELL}" width="{_CELL}" height="{_CELL}" '
                    f'fill-opacity="{weight:.2f}"><title>{_text(name)}</title></rect>'
                )
    return "".join([*parts, "</g></svg>"])


def _text(label: str) -> str:
    return html.escape(label, quote=False)
