"""The program that writes docs/how-it-works.md, and the code on the page."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import untrained

from nmt.runs import Run

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "how-it-works.md"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))


def test_code_on_the_page_is_up_to_date() -> None:
    from lesson.markdown import code_of, listings

    found = listings(PAGE.read_text(encoding="utf-8"))
    assert len(found) > 20
    for path, name, code in found:
        assert code == code_of(path, name), f"{name} has changed; run scripts/write_lesson.py"
        assert len(code.splitlines()) <= 13


def test_every_code_block_is_checked() -> None:
    from lesson.markdown import listings

    page = PAGE.read_text(encoding="utf-8")
    assert page.count("```python") == len(listings(page))


@pytest.mark.parametrize(
    ("positions", "norm"),
    [("rotary", "pre"), ("sinusoidal", "post"), ("learned", "post"), ("relative", "pre")],
)
def test_page_describes_the_run(positions: str, norm: str, tmp_path: Path) -> None:
    import write_lesson
    from lesson.markdown import code_of, listings

    untrained.write_run(tmp_path / "run", positions=positions, norm=norm)
    with torch.no_grad():
        page = write_lesson.page(write_lesson.Lesson(Run(tmp_path / "run")))
    assert all(code == code_of(path, name) for path, name, code in listings(page))
    assert f"`norm: {norm}`" in page
    assert f"`{positions.capitalize()}Positions.forward`" in page


def test_page_and_images_are_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    import write_lesson

    untrained.write_run(tmp_path / "run", positions="rotary")
    write_lesson.write(Run(tmp_path / "run"), tmp_path)
    page = (tmp_path / "how-it-works.md").read_text(encoding="utf-8")
    images = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert images == ["lesson-attention.svg", "lesson-positions.svg"]
    assert all(f"](images/{name})" in page for name in images)


def test_wrong_step_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import write_lesson
    from lesson import by_hand

    untrained.write_run(tmp_path / "run")
    monkeypatch.setattr(by_hand, "sublayer_result", lambda add_norm, x, output: x)
    with pytest.raises(AssertionError, match="not close"):
        write_lesson.Lesson(Run(tmp_path / "run"))


def test_code_has_no_docstring_and_keeps_comments() -> None:
    from lesson.markdown import code_of

    code = code_of("nmt/model/transformer.py", "Transformer.embed")
    assert code.startswith("def embed(self")
    assert '"""' not in code
    assert "    # The residual connections" in code


def test_number_has_no_negative_zero() -> None:
    from lesson.markdown import number

    assert list(map(number, (-0.001, -0.1, -math.inf, 10.0))) == ["0.00", "-0.10", "-∞", "10.00"]
