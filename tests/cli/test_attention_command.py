"""`nmt attention` and `nmt align` on a tiny run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from nmt import storage
from nmt.cli.align import align
from nmt.cli.attention import attention
from nmt.config import Config
from nmt.config.writing import dump_config
from nmt.errors import NmtError
from nmt.loading import build_model
from nmt.runs import Run, tokenizer_digest
from nmt.tokenizer.training import train_tokenizer

LINES = ["the dog runs .", "the cat sees the old house .", "a tree"]

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    run = Run(runs / "tiny")
    text = {"source": "none", "target": "none"}
    config = Config.model_validate(
        {
            "data": {"train": text, "valid": text, "max_tokens": 30},
            "tokenizer": {"type": "bpe", "vocab_size": 300},
            "model": {"d_model": 8, "heads": 2, "encoder_layers": 1, "decoder_layers": 2,
                      "feedforward": 8},
            "training": {"max_steps": 1},
            "decoding": {"max_length": 10},
        }
    )  # fmt: skip
    run.path.mkdir()
    run.config_file.write_text(dump_config(config), encoding="utf-8")
    tokenizer = train_tokenizer(
        lambda: iter([(line, line) for line in LINES] * 20),
        config.tokenizer,
        run.tokenizer_folder,
    )
    torch.manual_seed(1)
    model = build_model(config.model, len(tokenizer.source), len(tokenizer.source), True)
    storage.write_folder(
        run.model_folder,
        {"model.safetensors": {name: p.detach() for name, p in model.named_parameters()}},
        {"tokenizer": tokenizer_digest(run.tokenizer_folder)},
    )
    return runs


@pytest.fixture
def nmt(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("NMT_RUNS", str(runs))
    monkeypatch.setenv("COLUMNS", "80")
    app = typer.Typer()
    app.command()(attention)
    app.command()(align)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


def failure(result: Result) -> str:
    assert isinstance(result.exception, NmtError)
    assert result.exception.exit_code == 2
    return f"{result.exception.message}; {result.exception.hint}"


def test_terminal_map_shows_mean_of_most_concentrated_layer(nmt: Command) -> None:
    result = nmt("attention", "the dog runs .", "--target", "a tree")
    assert result.exit_code == 0, result.exception
    assert re.match(r"encoder-decoder attention, layer [12], mean of heads\n\n", result.stdout)
    assert "</s>" in result.stdout
    meaning = "each column is a source subword that it looks at. Each row adds up to 1."
    assert meaning in result.stdout.replace("\n", " ")
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "model:" in result.stderr


def test_terminal_map_follows_kind_layer_and_head_options(nmt: Command) -> None:
    result = nmt("attention", "a tree", "--kind", "encoder", "--layer", 1, "--head", 2, "--ascii")
    assert result.stdout.startswith("encoder self-attention, layer 1, head 2\n")
    assert result.stdout.isascii()
    every_layer = nmt("attention", "a tree", "--head", "mean")
    assert every_layer.stdout.count("mean of heads") == 2
    assert nmt("attention", "a tree", "--head", 1).stdout.count("head 1") == 2


def test_json_output_has_every_head_and_rows_sum_to_one(nmt: Command, tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    assert nmt("attention", "a tree", "-t", "the dog", "-o", path).exit_code == 0
    data = json.loads(path.read_text(encoding="utf-8"))
    assert [(m["layer"], m["head"]) for m in data["maps"]] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert data["queries"] == data["target"]
    assert data["keys"] == data["source"]
    for one in data["maps"]:
        assert len(one["weights"]) == len(data["queries"])
        for row in one["weights"]:
            assert len(row) == len(data["keys"])
            assert sum(row) == pytest.approx(1.0, abs=1e-5)


def test_words_merge_subwords(nmt: Command, tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    result = nmt("attention", "a housetree.", "-t", "the dog", "--words", "-o", path)
    assert result.exit_code == 0, result.exception
    assert "of a word are averaged, their columns are summed" in result.stderr
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data["source"] == ["a", "housetree", ".", "</s>"]
    assert data["unit"] == "word"
    for one in data["maps"]:
        for row in one["weights"]:
            assert sum(row) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("suffix", [".html", ".svg", ".png"])
def test_output_format_follows_file_suffix(nmt: Command, tmp_path: Path, suffix: str) -> None:
    if suffix != ".html":
        pytest.importorskip("matplotlib")
    path = tmp_path / f"map{suffix}"
    result = nmt("attention", "a tree", "-t", "the dog", "--kind", "decoder", "-o", path)
    assert result.exit_code == 0, result.exception
    assert result.stdout == ""
    assert path.read_bytes()[:5] in (b"<!doc", b"<svg ", b"\x89PNG\r")


def test_invalid_arguments_raise_usage_error(nmt: Command) -> None:
    assert "use one of .png" in failure(nmt("attention", "a tree", "-o", "map.pdf"))
    assert "neither a number" in failure(nmt("attention", "a tree", "--head", "0"))
    assert "use a layer from 1 to 2" in failure(nmt("attention", "a tree", "--layer", 3))
    assert "the sentence is empty" in failure(nmt("attention", "  "))


def test_align_prints_one_line_per_pair(nmt: Command, tmp_path: Path) -> None:
    source, target = tmp_path / "s", tmp_path / "t"
    source.write_text("the dog runs .\n\na tree\n" + "tree " * 40 + "\n", encoding="utf-8")
    target.write_text("the cat .\nhouse\na house\na\n", encoding="utf-8")
    result = nmt("align", "-s", source, "-t", target)
    assert result.exit_code == 0, result.exception
    assert "aligning by layer 2, mean of heads, of the state that predicts" in result.stderr
    assert "line 4: no links: a side has no words or more than 30 tokens" in result.stderr
    lines = result.stdout.split("\n")
    assert [len(line) > 0 for line in lines[:1]] + lines[3:] == [True, "", ""]
    assert lines[1] == ""
    for line, source_words, target_words in ((lines[0], 4, 3), (lines[2], 2, 2)):
        for link in line.split():
            s, t = map(int, link.split("-"))
            assert s < source_words
            assert t < target_words
    given = nmt(
        "align", "-s", source, "-t", target, "--layer", 2, "--head", 1, "--state", "predicts"
    )
    assert "aligning by layer 2, head 1, of the state that predicts" in given.stderr


def test_align_rejects_unequal_line_counts(nmt: Command, tmp_path: Path) -> None:
    source, target = tmp_path / "s", tmp_path / "t"
    source.write_text("a\nb\n", encoding="utf-8")
    target.write_text("a\n", encoding="utf-8")
    result = nmt("align", "-s", source, "-t", target)
    assert isinstance(result.exception, NmtError)
    assert f"{target} ends after line 1" in result.exception.message
