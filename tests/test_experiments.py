"""The models that the experiments alter on purpose, and their page."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import pytest
import torch

from nmt.model import attention
from nmt.model.transformer import Transformer

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "scripts" / "experiments"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXPERIMENTS))


def test_without_the_scale() -> None:
    import scaling

    query, key = torch.randn(1, 2, 3, 16), torch.randn(1, 2, 4, 16)
    mask = torch.tensor([True, True, True, False])
    scores = (query @ key.mT).masked_fill(~mask, -math.inf)
    before = attention.attention_weights(query, key, mask)
    with scaling.unscaled():
        weights = attention.attention_weights(query, key, mask)
    torch.testing.assert_close(weights, torch.softmax(scores, -1))
    assert torch.equal(attention.attention_weights(query, key, mask), before)


def test_without_the_causal_mask() -> None:
    import causality

    model = Transformer(
        9, 9, d_model=8, heads=2, encoder_layers=1, decoder_layers=1, feedforward=8
    ).eval()
    source = torch.tensor([[4, 5, 3]])
    memory = model.encode(source, torch.ones_like(source, dtype=torch.bool))
    one, other = torch.tensor([[2, 6, 7]]), torch.tensor([[2, 6, 8]])

    def first_is_the_same() -> bool:
        return torch.equal(model.decode(one, memory)[:, 0], model.decode(other, memory)[:, 0])

    assert first_is_the_same()
    with causality.no_causal_mask():
        assert not first_is_the_same()
    assert first_is_the_same()


def test_results_are_written_into_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import common

    page = tmp_path / "why-attention.md"
    page.write_text("before\n<!-- x -->\nnot run\n<!-- end -->\nafter\n")
    monkeypatch.setattr(sys, "argv", ["x.py", "--steps", "3"])
    arguments = argparse.Namespace(docs=tmp_path, threads=1)
    for _ in range(2):
        common.save("x", arguments, [common.table(("", "BLEU"), [("a", "1.0")])], more=1 / 3)
        text = page.read_text()
        assert text.startswith("before\n<!-- x -->\n|  | BLEU |\n| --- | ---: |\n| a | 1.0 |\n")
        assert "`python scripts/experiments/x.py --steps 3`" in text
        assert text.endswith("<!-- end -->\nafter\n")
    assert '"more":0.3333' in (tmp_path / "results" / "x.json").read_text()


def test_the_page_has_a_place_for_every_experiment() -> None:
    page = (ROOT / "docs" / "why-attention.md").read_text()
    names = {path.stem for path in EXPERIMENTS.glob("*.py") if "common.save(" in path.read_text()}
    assert len(names) == 9
    for name in names | {"length-long"}:
        _, found, rest = page.partition(f"<!-- {name} -->\n")
        assert found, name
        block = rest.partition("<!-- end -->")[0]
        result = ROOT / "docs" / "results" / f"{name}.json"
        assert result.exists() != ("not run yet" in block), name
