"""The models that the experiments change, and the page with their results."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from batches import unpadded

from nmt.evaluation.report import LengthRow
from nmt.model import attention
from nmt.model.transformer import Transformer

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "scripts" / "experiments"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXPERIMENTS))


def test_unscaled_removes_the_scale() -> None:
    import scaling

    query, key = torch.randn(1, 2, 3, 16), torch.randn(1, 2, 4, 16)
    mask = torch.tensor([True, True, True, False])
    scores = (query @ key.mT).masked_fill(~mask, -math.inf)
    before = attention.attention_weights(query, key, mask)
    with scaling.unscaled():
        weights = attention.attention_weights(query, key, mask)
    torch.testing.assert_close(weights, torch.softmax(scores, -1))
    assert torch.equal(attention.attention_weights(query, key, mask), before)


def test_no_causal_mask_shows_later_tokens() -> None:
    import causality

    model = Transformer(
        9, 9, d_model=8, heads=2, encoder_layers=1, decoder_layers=1, feedforward=8
    ).eval()
    memory = model.encode(unpadded(torch.tensor([[4, 5, 3]])))
    one, other = unpadded(torch.tensor([[2, 6, 7]])), unpadded(torch.tensor([[2, 6, 8]]))

    def first_is_the_same() -> bool:
        return torch.equal(model.decode(one, memory)[:, 0], model.decode(other, memory)[:, 0])

    assert first_is_the_same()
    with causality.no_causal_mask():
        assert not first_is_the_same()
    assert first_is_the_same()


def test_recorded_command_has_no_local_folders(tmp_path: Path) -> None:
    import common

    parser = common.arguments_for("scripts/experiments/x.py", "What it shows.\n\nMore.")
    given = ["--data", str(tmp_path / "pairs"), "--runs", str(tmp_path), "--docs", str(tmp_path)]
    settings = ["--set", "model.d_model=8", "--set", "model.heads=1"]
    arguments = common.parse(parser, [*given, *settings, "--threads", "2"])
    assert arguments.command == (
        "python scripts/experiments/x.py --data pairs "
        "--set model.d_model=8 --set model.heads=1 --threads 2"
    )
    relative = common.parse(parser, ["--data", "runs/pairs"])
    assert relative.command == "python scripts/experiments/x.py --data runs/pairs"


def test_results_are_written_into_the_page(tmp_path: Path) -> None:
    import common

    page = tmp_path / "why-attention.md"
    page.write_text("before\n<!-- x -->\nnot run\n<!-- end -->\nafter\n")
    arguments = argparse.Namespace(docs=tmp_path, threads=1, command="python x.py --steps 3")
    for _ in range(2):
        common.save("x", arguments, [common.table(("", "BLEU"), [("a", "1.0")])], more=1 / 3)
        text = page.read_text()
        assert text.startswith("before\n<!-- x -->\n|  | BLEU |\n| --- | ---: |\n| a | 1.0 |\n")
        assert "`python x.py --steps 3`" in text
        assert text.endswith("<!-- end -->\nafter\n")
    assert '"more":0.3333' in (tmp_path / "results" / "x.json").read_text()


def test_page_has_a_block_for_every_experiment() -> None:
    page = (ROOT / "docs" / "why-attention.md").read_text()
    names = {path.stem for path in EXPERIMENTS.glob("*.py") if "common.save(" in path.read_text()}
    assert len(names) == 9
    for name in names | {"length-long"}:
        _, found, rest = page.partition(f"<!-- {name} -->\n")
        assert found, name
        block = rest.partition("<!-- end -->")[0]
        result = ROOT / "docs" / "results" / f"{name}.json"
        assert result.exists() != ("not run yet" in block), name


TINY = [
    "model.d_model=16",
    "model.encoder_layers=1",
    "model.decoder_layers=1",
    "model.feedforward=16",
    "tokenizer.vocab_size=400",
    "tokenizer.type=bpe",
    "training.max_steps=4",
    "training.warmup_steps=1",
    "training.valid_every=2",
    "training.log_every=1",
    "decoding.max_length=10",
]


def test_experiment_reuses_its_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run reads the stored results and does not translate again."""
    import causality
    import common
    import long_lines

    few: Any = {"train": ("train", 60), "val": ("valid", 8), "test": ("test", 8)}
    monkeypatch.setattr(long_lines, "SPLITS", few)
    long_lines.write(tmp_path / "lines")
    page = tmp_path / "why-attention.md"
    page.write_text("<!-- causality -->\nnot run\n<!-- end -->\n")
    options = ["--data", tmp_path / "lines", "--runs", tmp_path / "runs", "--docs", tmp_path]
    settings = [word for setting in TINY for word in ("--set", setting)]
    causality.main([*map(str, options), *settings])
    result = json.loads((tmp_path / "results" / "causality.json").read_text())
    with_mask, without = result["variants"]
    assert [step for step, _, _ in with_mask["validation"]] == [2, 4]
    assert [step for step, _ in without["training"]] == [1, 2, 3, 4]
    assert with_mask["parameters"] == without["parameters"]
    assert with_mask["training"] != without["training"]

    def never(*_: object, **__: object) -> None:
        raise AssertionError("translated again")

    monkeypatch.setattr(common, "Translator", never)
    before = page.read_text()
    causality.main([*map(str, options), *settings])
    assert page.read_text() == before


def test_long_lines_have_expected_counts_and_distinct_splits(tmp_path: Path) -> None:
    import long_lines

    long_lines.write(tmp_path)
    lines = {path.name: path.read_text().splitlines() for path in tmp_path.iterdir()}
    assert {name: len(text) for name, text in lines.items()} == {
        f"{split}.{language}": count
        for split, (_, count) in long_lines.SPLITS.items()
        for language in ("en", "de")
    }
    assert not set(lines["test.en"]) & set(lines["train.en"])


def test_each_run_name_means_one_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run folders are shared by name, so a name must mean one model in all experiments."""
    import all as every
    import common

    seen: dict[tuple[str, str], tuple[tuple[str, ...], object]] = {}
    titles: list[str] = []

    def note(variant: common.Variant, arguments: argparse.Namespace) -> common.Outcome:
        key = (arguments.data.name, variant.name)
        assert seen.setdefault(key, (variant.overrides, variant.altered)) == (
            variant.overrides,
            variant.altered,
        )
        titles.append(variant.title)
        rows = [LengthRow(1, None, 1, [1.0])]
        records = [{"step": 1.0, "nll": 1.0, "loss": 1.0, "bleu": 1.0}]
        return common.Outcome(variant.title, 1, 1.0, 0.1, 1.0, rows, records, records)

    import locality

    (tmp_path / "pairs").mkdir()
    for split in ("train", "val", "test"):
        for language in ("en", "de"):
            (tmp_path / "pairs" / f"{split}.{language}").write_text("a\nb\n")
    monkeypatch.setattr(common, "measure", note)
    monkeypatch.setattr(common, "train", lambda *_: None)
    bias = {"encoder": [[0.0] * 25], "decoder": [[0.0] * 25]}
    monkeypatch.setattr(locality, "learned_bias", lambda run: bias)
    page = (ROOT / "docs" / "why-attention.md").read_text()
    (tmp_path / "why-attention.md").write_text(page)
    options = ["--data", tmp_path / "pairs", "--runs", tmp_path / "runs", "--docs", tmp_path]
    every.main(list(map(str, options)))
    assert len(titles) > len(seen) > 20
    written = {path.stem for path in (tmp_path / "results").iterdir()}
    names = {path.stem for path in EXPERIMENTS.glob("*.py") if "common.save(" in path.read_text()}
    assert written == names - {"speed", "cost"} | {"length-long"}
