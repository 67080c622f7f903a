"""The plots of the docs: drawn from their results."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULTS, IMAGES = ROOT / "docs" / "results", ROOT / "docs" / "images"
PAGES = ("benchmarks.md", "why-attention.md")
SHOWN = sorted(
    name
    for page in PAGES
    for name in re.findall(r"\(images/([\w-]+)\.svg\)", (ROOT / "docs" / page).read_text())
)


def test_each_plot_of_the_docs_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import draw_plots

    assert sorted(draw_plots.PLOTS) == SHOWN
    assert all((RESULTS / f"{name}.json").is_file() for name in SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_plot_equals_its_results(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import draw_plots

    hint = f"run python scripts/draw_plots.py {name}"
    drawn, kept = draw_plots.draw(name), (IMAGES / f"{name}.svg").read_text(encoding="utf-8")
    if f"matplotlib=={matplotlib.__version__}\n" in (ROOT / "constraints.txt").read_text():
        assert drawn == kept, hint
    else:  # another version may place things differently
        texts = [re.findall(r"<text[^>]*>([^<]*)", text) for text in (drawn, kept)]
        assert texts[0] == texts[1], hint
