"""Charts: colors, labels, and SVG that can be put into a page."""

from __future__ import annotations

import importlib.util
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from nmt import charts
from nmt.errors import UsageError

SVG = "{http://www.w3.org/2000/svg}"


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colors #rrggbb by WCAG 2.1, from 1 to 21."""

    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def example(last: float = 2.0, title: str = 'Loss & "BLEU" <1>') -> str:
    pytest.importorskip("matplotlib")
    made, (curves, bars) = charts.figure(["loss (nats)", "BLEU"])
    curves.plot([1, 10, 100], [3.0, 2.5, last], "o-", label="a $x$ & <b>")
    curves.plot([1, 10, 100], [3.0, 2.4, 2.0], label="second")
    curves.set(xlabel="steps")
    charts.log_scale(curves, "x")
    charts.label_lines(curves)
    bars.barh([0, 1], [3.0, 4.0], color=charts.COLORS[:2])
    return charts.svg(made, title, "Two plots")


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3, 40], ["5", "10", "20"]), ([2, 1e5], ["10", "100", "1,000", "10,000", "100,000"])],
)
def test_logarithmic_axis_has_few_labels(values: list[float], expected: list[str]) -> None:
    _, [axis] = charts.figure(["loss"])
    axis.plot([1, 2], values)
    charts.log_scale(axis, "y")
    low, high = axis.get_ylim()
    ticks = [tick for tick in axis.get_yticks() if low <= tick <= high]
    labels = axis.yaxis.get_major_formatter().format_ticks(ticks)
    assert labels == expected


@pytest.mark.parametrize("color", charts.COLORS)
def test_colors_are_visible_on_light_and_dark_pages(color: str) -> None:
    assert contrast(color, "#ffffff") >= 3
    assert contrast(color, "#131416") >= 3


def test_text_color_is_readable_on_both_pages() -> None:
    light, dark = re.findall(r"#[0-9a-f]{6}", charts._INK)
    assert contrast(light, "#ffffff") >= 7
    assert contrast(dark, "#131416") >= 7


def test_svg_has_title_description_and_labels_as_text() -> None:
    root = ElementTree.fromstring(example())
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == 'Loss & "BLEU" <1>'
    assert root.findtext(f"{SVG}desc") == "Two plots"
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"a $x$ & <b>", "second", "loss (nats)", "steps", "1", "10", "100"} <= set(texts)


def test_equal_figures_give_equal_bytes() -> None:
    assert example() == example()
    assert example() != example(1.9)


def test_svg_refers_only_to_itself() -> None:
    text = example()
    assert set(re.findall(r"\w+://[^\"' <]+", text)) == {"http://www.w3.org/2000/svg"}
    ids = re.findall(r'\bid="([^"]+)"', text)
    used = re.findall(r'(?:href="|url\()#([^")]+)', text)
    assert used
    assert set(used) < set(ids)
    assert len(set(ids)) == len(ids)


def test_charts_of_one_page_share_no_ids_and_leave_its_style_alone() -> None:
    one, other = example(), example(1.9)
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (one, other)]
    assert not ids[0] & ids[1]
    for style in ElementTree.fromstring(one).iter(f"{SVG}style"):
        selectors = re.findall(r"([^{}]+)\{color", style.text or "")
        assert len(selectors) == 2
        assert all(selector.startswith("#chart-") for selector in selectors)


def test_black_follows_the_page_and_the_background_is_transparent() -> None:
    text = example()
    assert "currentColor" in text
    assert not re.search(r"#0{3,6}\b|#f{3,6}\b|white|black", text)


def test_line_labels_do_not_overlap() -> None:
    text_class = pytest.importorskip("matplotlib.text").Text  # without the leading line
    made, (axis,) = charts.figure(["loss"])
    for number in range(5):
        axis.plot([0, 1], [0, 1 - number / 1000], label=f"line {number}")
    axis.plot([0, 1], [0, 0.1], label="low")
    axis.plot([0, 1], [0, 0.2])
    charts.label_lines(axis)
    made.draw_without_rendering()
    found = {text.get_text(): text_class.get_window_extent(text) for text in axis.texts}
    assert set(found) == {*(f"line {number}" for number in range(5)), "low"}
    boxes = sorted(found.values(), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))
    assert found["line 0"].y0 > found["line 4"].y0


def test_missing_matplotlib_error_has_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="matplotlib") as error:
        charts.figure(["loss"])
    assert "pip install 'nmt[plot]'" in (error.value.hint or "")
