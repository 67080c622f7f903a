"""Attention maps as heat maps in image files, drawn by matplotlib."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from nmt.charts import require_matplotlib, svg
from nmt.inspection.attention import Panel
from nmt.text import replace_unprintable, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LARGEST = 40.0  # inches per side; larger images are scaled down to it
_BOXES = "Last Resort High-Efficiency"  # draws every character as a box


def heat_maps(
    panels: Sequence[Panel],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    file_type: Literal["png", "svg"],
    say: Callable[[str], None],
) -> bytes:
    """Return an image file of the panels as a grid, with one row of panels per layer.

    rows, columns: labels of queries and keys. `say` receives a line if no installed font has some
    of their characters. The bytes depend on the arguments and the fonts only.
    """
    require_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = [replace_unprintable(row) for row in rows]
    columns = [replace_unprintable(column) for column in columns]
    layers = sorted({panel.layer for panel in panels})
    across = len(panels) // len(layers)
    cell = 0.3 if len(panels) == 1 else 0.16
    label_room = 0.085 * max(map(len, [*rows, *columns])) * (1.0 if len(panels) == 1 else 0.7)
    width = across * (cell * max(len(columns), 6) + 0.3) + label_room + 0.8
    height = len(layers) * (cell * max(len(rows), 6) + 0.45) + label_room + 0.8
    shrink = min(1.0, _LARGEST / max(width, height))
    settings = mpl.rc_context(
        {
            "font.family": _fonts("".join([*rows, *columns]), say),
            "font.size": (10.0 if len(panels) == 1 else 6.5) * shrink,
            "text.parse_math": False,  # subwords may contain dollar signs
        }
    )
    with settings, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(width * shrink, height * shrink), layout="compressed")
        grid = figure.subplots(len(layers), across, squeeze=False)
        axes: list[Axes] = list(grid.flat)
        for i, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
            image = axis.imshow(panel.weights.numpy(), cmap="Blues", vmin=0.0, vmax=1.0)
            axis.set_title(panel.title, fontsize="medium")
            axis.set_xticks(range(len(columns)))
            axis.set_yticks(range(len(rows)))
            axis.set_xticklabels(columns if i // across == len(layers) - 1 else [], rotation=90)
            axis.set_yticklabels(rows if i % across == 0 else [])
            axis.tick_params(length=0)
        figure.suptitle(title, fontsize="large")
        figure.colorbar(image, ax=axes, shrink=0.6, label="attention weight")
        if file_type == "svg":
            return svg(figure, title).encode()
        file = io.BytesIO()
        # The version of matplotlib would make the file different at each update.
        figure.savefig(
            file,
            format="png",
            dpi=150,
            metadata={"Software": None},
            bbox_inches="tight",
            pad_inches=0.1,
        )
    return file.getvalue()


def _fonts(text: str, say: Callable[[str], None]) -> list[str]:
    """Return the names of installed fonts that have the characters of a text."""
    from matplotlib import font_manager

    names = ["DejaVu Sans"]  # comes with matplotlib
    missing = set(map(ord, text))
    for font in sorted(font_manager.fontManager.ttflist, key=lambda font: font.name not in names):
        if missing and font.name != _BOXES:
            face: Any = font_manager.get_font(font.fname)
            if face.scalable and (found := missing & face.get_charmap().keys()):
                names.append(font.name)
                missing -= found
    if missing:
        say(
            f"no installed font has {shorten(''.join(map(chr, sorted(missing))), 20)} "
            "(hint: install a font for this script, such as Noto Sans, or write an .html file)"
        )
    return names
