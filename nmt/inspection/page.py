"""Attention maps as one self-contained HTML page, which makes no requests."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

from torch import Tensor

from nmt.inspection.attention import TITLES, AttentionMaps, Head, Kind


def attention_page(
    maps: AttentionMaps, kind: Kind = "cross", layer: int = 1, head: Head = "mean"
) -> str:
    """Return the page of all maps, which opens at the given kind, layer and head."""
    data: dict[str, Any] = {
        "start": {"kind": kind, "layer": layer, "head": head},
        "kinds": {
            name: {
                "title": TITLES[name],
                "explanation": maps.explanation(name),
                "rows": maps.labels(name)[0],
                "columns": maps.labels(name)[1],
                "heads": layers[0].shape[0],
                "layers": [_packed(weights) for weights in layers],
            }
            for name in TITLES
            if (layers := getattr(maps, name))
        },
    }
    space = " " if maps.unit == "word" else ""
    sides = (space.join(side[:-1]) for side in (maps.source_pieces, maps.target_pieces))
    title = " \u2192 ".join(side.replace("▁", " ").strip() for side in sides)
    # Escape "<", which could end the script element.
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    fields = {"@TITLE@": html.escape(title), "@DATA@": text}
    page = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    return re.sub("@TITLE@|@DATA@", lambda match: fields[match[0]], page)


def _packed(weights: Tensor) -> str:
    units = (weights.double().numpy() * 65535).round().astype("<u2")
    return base64.b64encode(units.tobytes()).decode()
