"""Charts in one style: SVG that is readable on light and on dark pages, drawn by matplotlib."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import re
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

from nmt.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Each color has a contrast of at least 3:1 on white and on #131416.
COLORS = ("#2f7fd6", "#d2601a", "#259457", "#a45fd0", "#d8437f", "#7d8088")
DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (7, 2, 1.5, 2)), (0, (11, 2)), (0, (1, 1)))
# `--chart-ink` lets a page with its own theme switch set the color of text and axes.
_INK = (
    "#{id}{{color:var(--chart-ink,#24272c)}}"
    "@media screen and (prefers-color-scheme:dark){{#{id}{{color:var(--chart-ink,#d6d9de)}}}}"
)
_FONT_SIZE = 9.0  # points; 12 px
_STYLE: Any = {
    "font.size": _FONT_SIZE,
    "axes.labelsize": _FONT_SIZE,
    "axes.titlesize": _FONT_SIZE,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.xmargin": 0.02,
    "grid.color": "black",
    "grid.alpha": 0.15,
    "grid.linewidth": 0.6,
    "xtick.labelsize": _FONT_SIZE,
    "ytick.labelsize": _FONT_SIZE,
    "text.parse_math": False,
}


def require_matplotlib(otherwise: str = "") -> None:
    """Raise UsageError if matplotlib is not installed. `otherwise` ends its hint."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(
            "drawing an image needs matplotlib, which is not installed",
            f"run python -m pip install 'nmt[plot]'{otherwise}",
        )


def figure(
    titles: Sequence[str], *, rows: int = 1, width: float = 700, height: float = 270
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `width` by `height` pixels and its panels, one per title, row by row.

    A title names the values of the y axis and their unit. Lines differ in color and in dash.
    """
    require_matplotlib()
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        made = Figure(figsize=(width / 96, height / 96), layout="constrained")
        axes: list[Axes] = list(made.subplots(rows, len(titles) // rows, squeeze=False).flat)
        for axis, title in zip(axes, titles, strict=True):
            axis.set_title(title)
            axis.set_prop_cycle(cycler(color=COLORS) + cycler(linestyle=DASHES))
    return made, axes


def log_scale(axis: Axes, which: Literal["x", "y"], ticks: Sequence[float] | None = None) -> None:
    """Make an axis logarithmic, with plain numbers at `ticks` or else at powers of 10.

    Without `ticks`, the values are drawn first: below three decades, 2 and 5 times 10^n are added.
    """
    from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

    axis.set(**{f"{which}scale": "log"})
    scale = axis.xaxis if which == "x" else axis.yaxis
    low, high = scale.get_view_interval()
    subs = (1, 2, 5) if high < 1000 * low else (1,)
    scale.set_major_locator(FixedLocator(ticks) if ticks else LogLocator(subs=subs))
    scale.set_minor_locator(NullLocator())
    scale.set_major_formatter(lambda value, _: f"{value:,g}")


def label_lines(axis: Axes) -> None:
    """Write the label of each line at its right end. Call this after everything is drawn."""
    drawn: Any = axis.figure
    drawn.draw_without_rendering()  # places the axes
    gap = 1.25 * _FONT_SIZE / 72 * drawn.dpi / axis.bbox.height
    ends: list[tuple[float, Line2D, Any]] = []
    for line in axis.lines:
        if not str(line.get_label()).startswith("_"):  # a line without a label
            points: Any = line.get_xydata()
            place = axis.transAxes.inverted().transform(axis.transData.transform(points[-1]))[1]
            ends.append((place, line, points[-1]))
    ends.sort(key=lambda end: end[0])
    # The closest places that are `gap` apart: lines whose labels would overlap share a mean.
    groups: list[list[float]] = []
    for number, (place, _, _) in enumerate(ends):
        groups.append([place - number * gap])
        while len(groups) > 1 and fmean(groups[-2]) >= fmean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    highest = 1 - (len(ends) - 1) * gap
    means = [min(max(fmean(group), 0.0), highest) for group in groups for _ in group]
    for number, (mean, (_, line, point)) in enumerate(zip(means, ends, strict=True)):
        axis.annotate(
            str(line.get_label()),
            point,
            (1.05, mean + number * gap),
            textcoords="axes fraction",
            fontsize=_FONT_SIZE,
            va="center",
            parse_math=False,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": line.get_color(),
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 3,
            },
        )


def svg(figure: Figure, title: str, description: str = "") -> str:
    """Return a figure as an <svg> element for a file or a page; equal figures give equal text.

    Black becomes the page's text color, the background is transparent, and text stays text.
    """
    import matplotlib as mpl

    file = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "nmt"}):
        figure.savefig(
            file, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    text = file.getvalue().decode()
    name = f"chart-{hashlib.sha256(f'{title}|{description}|{text}'.encode()).hexdigest()[:8]}"
    used = dict.fromkeys(re.findall(r'(?:href="|url\()#(\w+)', text))
    names = {old: f"{name}-{number}" for number, old in enumerate(used)}
    root = ElementTree.fromstring(text)
    for child in list(root)[:2]:  # the program's name and a style for all elements of the page
        root.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        old = element.attrib.pop("id", "")
        element.attrib = {
            key.rpartition("}")[2]: _plain(value, names)
            for key, value in element.items()
            if not value.startswith("rotate(-0 ")
        }
        if old in names:
            element.set("id", names[old])
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    root.attrib = {
        "xmlns": "http://www.w3.org/2000/svg",
        "id": name,
        "role": "img",
        "width": f"{width * 96 / 72:.0f}",
        "height": f"{height * 96 / 72:.0f}",
        "viewBox": root.attrib["viewBox"],
        "fill": "currentColor",
        "stroke-linejoin": "round",
        "font-family": "system-ui, sans-serif",
        "style": "max-width:100%;height:auto",
    }
    heads = {"title": title, "desc": description, "style": _INK.format(id=name)}
    for place, (tag, text) in enumerate((tag, text) for tag, text in heads.items() if text):
        head = ElementTree.Element(tag)
        head.text, head.tail = text, "\n "
        root.insert(place, head)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _plain(value: str, names: Mapping[str, str]) -> str:
    """Return an attribute with new ids, short numbers, and the page's font and text color."""
    value = re.sub(r"(?<=#)\w+", lambda match: names.get(match[0], match[0]), value)
    value = re.sub(r"-?\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}", value)
    return re.sub(r" font-family: [^;]+;", "", value).replace("#000000", "currentColor")
