"""The attention page in a browser: it shows the weights of the maps, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from test_drawing import some_maps

from nmt.inspection.attention import TITLES, AttentionMaps, Unit
from nmt.inspection.page import attention_page
from nmt.inspection.words import Groups


@pytest.fixture(scope="module")
def maps() -> dict[Unit, AttentionMaps]:
    pieces = some_maps(["▁a", "▁ho", "use", "</s>"], ["▁<b>", "▁Ha", "us", "</s>"])
    groups = Groups(["first", "second"], torch.tensor([[1.0, 0, 0], [0, 1, 1]]))
    return {"subword": pieces, "word": pieces.by_words(groups, groups)}


@pytest.fixture
def page(browser: Any, maps: dict[Unit, AttentionMaps], tmp_path: Path) -> Iterator[Any]:
    file = tmp_path / "page.html"
    file.write_text(attention_page(maps), encoding="utf-8")
    page = browser.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())
    yield page
    page.close()
    assert errors == []


def test_page_cells_equal_the_weights(page: Any, maps: dict[Unit, AttentionMaps]) -> None:
    for unit, of_unit in maps.items():
        page.check(f"[name=unit][value={unit}]")
        for kind in TITLES:
            page.check(f"[name=kind][value={kind}]")
            rows, columns = of_unit.labels(kind)
            for panel in [*of_unit.panels(kind), *of_unit.panels(kind, head="mean")]:
                head = 0 if panel.head == "mean" else panel.head
                page.check(f"[name=map][value='{panel.layer} {head}']", force=True)
                shown = page.locator("table tr").all_inner_texts()
                texts = [line.split("\t") for line in shown]
                assert texts[0][1:] == columns
                for q, (row, *cells) in enumerate(texts[1:]):
                    assert row == rows[q]
                    visible = q + 1 if kind == "decoder" else len(columns)
                    assert cells[visible:] == [""] * (len(columns) - visible)
                    expected = panel.weights[q, :visible].tolist()
                    assert [float(cell) for cell in cells[:visible]] == pytest.approx(
                        expected, abs=0.00052
                    )


def test_page_shows_the_weight_of_a_cell_by_mouse_and_keyboard(
    page: Any, maps: dict[Unit, AttentionMaps]
) -> None:
    weights = maps["subword"].cross[0].mean(0).tolist()

    def shown() -> tuple[str, float]:
        cell, weight = page.locator("#weight").text_content().split(": ")
        return cell, float(weight)

    page.hover("tbody tr:nth-child(2) td:nth-child(4)")
    assert shown() == ("\u2068▁Ha\u2069 → \u2068use\u2069", pytest.approx(weights[1][2], abs=6e-5))
    strongest = page.locator("#strongest").text_content().split(" · ")
    assert len(strongest) == 4
    assert float(strongest[0].split()[-1]) == pytest.approx(max(weights[1]), abs=0.00052)
    page.click("tbody tr:nth-child(2) td:nth-child(4)")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert shown() == ("\u2068us\u2069 → \u2068▁ho\u2069", pytest.approx(weights[2][1], abs=6e-5))
    page.focus("[name=map][value='1 0']")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.locator("#shown").text_content() == "Encoder-decoder attention, layer 2, head 1"
    assert page.locator("[name=map]:checked").get_attribute("value") == "2 1"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible_and_fits_the_window(page: Any, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    found = axe.run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []


def test_title_has_the_characters_of_bytes(maps: dict[Unit, AttentionMaps]) -> None:
    pieces = some_maps(["▁<0xC3>", "<0xA4>", "<0x3C>", "</s>"], ["▁Ha", "<0xFF>", "</s>"])
    page = attention_page({"subword": pieces, "word": maps["word"]})
    assert "<title>\u2068ä&lt;\u2069 → \u2068Ha\ufffd\u2069</title>" in page


def test_heat_map_and_choice_are_visible_in_high_contrast(page: Any) -> None:
    page.emulate_media(forced_colors="active", color_scheme="dark")
    style = (
        "node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).borderTopColor]"
    )
    weight = page.evaluate(style, page.query_selector("tbody td"))[0]
    assert weight.startswith("rgba(28, 118, 208, ")
    labels = page.query_selector_all("#heads label")
    borders = [page.evaluate(style, label)[1] for label in labels]
    assert borders[0] != borders[1] == "rgba(0, 0, 0, 0)"
