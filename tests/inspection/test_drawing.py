"""Images, pages and terminal text of attention maps."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from nmt.inspection.attention import AttentionMaps
from nmt.inspection.drawing import heat_maps
from nmt.inspection.page import attention_fragment, attention_page
from nmt.inspection.terminal import Style, text_map
from nmt.terminal import display_width

HOSTILE = ["</script>", "<b>&\"'", "$x_1$", "@DATA@", "\x1b[31m", "日本", "</s>"]


def some_maps(source: list[str], target: list[str]) -> AttentionMaps:
    torch.manual_seed(1)

    def random(rows: int, columns: int) -> list[torch.Tensor]:
        return [torch.rand(2, rows, columns).mul(3).softmax(-1) for _ in range(3)]

    s, t = len(source), len(target)
    decoder = [w.tril() / w.tril().sum(-1, keepdim=True) for w in random(t, t)]
    return AttentionMaps(source, target, random(s, s), decoder, random(t, s))


@pytest.fixture
def maps() -> AttentionMaps:
    return some_maps(HOSTILE, ["▁Ein", "▁Hund", "</s>"])


@pytest.mark.parametrize("one", [True, False])
def test_heat_maps_are_png_and_reproducible_svg(maps: AttentionMaps, one: bool) -> None:
    pytest.importorskip("matplotlib")
    panels = maps.panels("cross", *((1, 1) if one else (None, None)))
    png = heat_maps(panels, *maps.labels("cross"), "title $", "png", print)
    assert png.startswith(b"\x89PNG")
    svg = heat_maps(panels, *maps.labels("cross"), "title $", "svg", print)
    ElementTree.fromstring(svg)
    assert svg == heat_maps(panels, *maps.labels("cross"), "title $", "svg", print)


def test_characters_without_a_font_are_named(
    maps: AttentionMaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    font_manager = pytest.importorskip("matplotlib.font_manager")
    installed = font_manager.fontManager.ttflist
    own = [font for font in installed if font.name.startswith(("DejaVu", "Last Resort"))]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    said: list[str] = []
    heat_maps(maps.panels("cross", 1, 1), *maps.labels("cross"), "title", "svg", said.append)
    assert len(said) == 1
    assert "no installed font has 日本 " in said[0]


class Reader(HTMLParser):
    """Parser that collects the elements and the text of each script."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.in_script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self.in_script:
            self.scripts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self.in_script = False


def test_page_contains_all_weights_and_escapes_labels(maps: AttentionMaps) -> None:
    page = attention_page({"subword": maps}, "subword", "cross", 2, 1)
    reader = Reader()
    reader.feed(page)
    assert [tag for tag, _ in reader.tags].count("script") == 2
    assert not [tag for tag, _ in reader.tags if tag in ("b", "link", "img", "iframe")]
    data = json.loads(reader.scripts[0])
    assert list(data["units"]["subword"]) == ["encoder", "decoder", "cross"]
    assert data["start"] == {"unit": "subword", "kind": "cross", "layer": 2, "head": 1}
    assert data["units"]["subword"]["cross"]["columns"] == HOSTILE
    for kind in ("encoder", "decoder", "cross"):
        for packed, weights in zip(
            data["units"]["subword"][kind]["layers"],
            maps.layers(kind),  # type: ignore[arg-type]
            strict=True,
        ):
            units = np.frombuffer(base64.b64decode(packed), "<u2").reshape(weights.shape)
            np.testing.assert_allclose(units / 65535, weights.numpy(), atol=1e-5)
            assert ((units == 0) == (weights.numpy() < 0.5 / 65535)).all()


def test_page_loads_no_external_resources(maps: AttentionMaps) -> None:
    page = attention_page({"subword": maps})
    assert "default-src 'none'" in page
    page = re.sub(r'"[A-Za-z0-9+/=]{16,}"', "", page)  # without the packed weights
    assert "//" not in page
    assert not re.search(r"\b(src|href|import|fetch|XMLHttpRequest|eval|innerHTML)\b *[=(]", page)


def test_terminal_map_equals_expected_text() -> None:
    weights = torch.tensor([[0.9, 0.06, 0.04], [0.3, 0.5, 0.0]])
    assert text_map(["Ein", "Hund"], ["A", "dog", "</s>"], weights, Style()) == (
        "     A  dog </s>\nEin  ██ ░░  ··\nHund ▒▒ ▓▓"
    )
    ascii_map = text_map(["▁Ü", "Hund"], ["A", "dog", "</s>"], weights, Style(ascii_only=True))
    assert ascii_map == "     A  dog </s>\n_?   @@ --  ..\nHund ++ ##"


@pytest.mark.parametrize("width", [80, 40, 20])
@pytest.mark.parametrize("count", [1, 12, 30, 90])
def test_terminal_map_fits_the_width(width: int, count: int) -> None:
    columns = [f"▁word{i}" for i in range(count)]
    weights = torch.full((2, count), 0.5)
    text = text_map(["▁some", "▁exceptionally-long-label" * 3], columns, weights, Style(width))
    assert max(map(display_width, text.splitlines())) <= width
    assert text.count("▓") >= 2 * count


def test_vertical_labels_read_downwards() -> None:
    columns = ["abc", "de", "日本"] * 10
    lines = text_map(["x"], columns, torch.full((1, 30), 0.5), Style(70)).splitlines()
    assert [line[2:7] for line in lines[:3]] == ["a    ", "b d 日", "c e 本"]
    assert lines[3].startswith("x ▓ ▓ ▓ ")


def test_blocks_have_nearly_equal_widths() -> None:
    text = text_map(["row"], ["key"] * 19, torch.full((1, 19), 0.5), Style(40))
    assert [block.count("▓") for block in text.split("\n\n")] == [10, 9]


def test_color_is_optional_and_labels_are_escaped() -> None:
    weights = torch.tensor([[0.5, 0.5]])
    labels = ["\x1b[31mred", "\x07"]
    plain = text_map(["x"], labels, weights, Style())
    assert "\x1b" not in plain
    assert "\x07" not in plain
    colored = text_map(["x"], labels, weights, Style(color=True))
    assert re.sub(r"\x1b\[(38;5;\d+|0)m", "", colored) == plain


def test_legend_shows_the_thresholds() -> None:
    assert Style().legend() == "· <0.05  ░ 0.05+  ▒ 0.2+  ▓ 0.4+  █ 0.7+  (blank: masked)"
    assert Style(ascii_only=True).legend().isascii()


def test_fragment_shows_the_largest_weights_without_script_or_ids(maps: AttentionMaps) -> None:
    fragment = attention_fragment(maps)
    assert not re.search(r"<script|<style|\bid=|\x1b", fragment)
    titles = [node.text for node in ElementTree.fromstring(fragment).iter() if "title" in node.tag]
    mean = maps.cross[maps.sharpest("cross") - 1].mean(0)
    assert len(titles) == (mean >= 0.005).sum()
    assert f"▁Hund → <b>&\"': {mean[1, 1]:.3f}" in titles
