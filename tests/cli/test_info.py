"""`nmt info` on a run folder that the tests write."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt import cli, storage
from nmt.config import Config
from nmt.config.writing import dump_config

CONFIG = {
    "data": {"train": {"source": "a\x1b[2J", "target": "b"}, "valid": {"builtin": "phrasebook"}},
    "model": {"d_model": 8, "heads": 2},
    "training": {"max_steps": 300},
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return the folder of a finished run of 300 steps."""
    (tmp_path / "config.yaml").write_text(dump_config(Config.model_validate(CONFIG)))
    records: list[dict[str, Any]] = []
    for step in range(10, 301, 10):
        place = {"step": step, "epoch": 1 + step // 100}
        records.append({"event": "train", **place, "nll": 7 - step / 100})
        scores = {"bleu": math.sin(step / 100) * 10, "chrf": 30.0, "perplexity": math.inf}
        records.append({"event": "valid", **place, "nll": 5 - step / 100, **scores})
    records.append({"event": "test", "step": 150, "bleu": 12.34, "signature": "nrefs:1|\x1b"})
    lines = "".join(f"{json.dumps(record)}\n" for record in records)
    (tmp_path / "metrics.jsonl").write_text(lines + '{"event": "train", "st')
    tensors = {
        "source_embedding.weight": torch.zeros(100, 8),
        "encoder_layers.0.norm.bias": torch.zeros(8),
        "encoder_norm.bias": torch.zeros(8),
        "decoder_layers.0.norm.bias": torch.zeros(8),
        "output_projection.weight": torch.zeros(100, 8),
    }
    storage.write_folder(tmp_path / "model", {"model.safetensors": tensors}, {"step": 150})
    return tmp_path


def info(run: Path, *options: str, monkeypatch: Any, capsys: Any) -> str:
    monkeypatch.setattr(sys, "argv", ["nmt", "info", str(run), *options])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 0
    output: str = capsys.readouterr().out
    return output


def test_info_describes_a_finished_run(run: Path, monkeypatch: Any, capsys: Any) -> None:
    text = info(run, monkeypatch=monkeypatch, capsys=capsys)
    assert f"{run}: finished, 300 steps" in text
    assert "d_model: 8" in text
    assert "encoder_layers" not in text  # Default values are not shown.
    for part, count in (("embedding", 800), ("encoder", 16), ("decoder", 8), ("total", 1624)):
        assert any(line.split()[:2] == [part, f"{count:,}"] for line in text.split("\n"))
    assert "6.90 to 4.00" in text
    assert sum("best" in line for line in text.split("\n")) == 1
    assert next(line for line in text.split("\n") if "best" in line).split()[0] == "160"
    assert "12.34" in text
    assert "\x1b" not in text


def test_json_output_is_valid_json(run: Path, monkeypatch: Any, capsys: Any) -> None:
    text = info(run, "--json", monkeypatch=monkeypatch, capsys=capsys)
    facts = json.loads(text, parse_constant=pytest.fail)
    assert facts["finished"]
    assert facts["parameters"]["total"] == 1624
    assert facts["valid"][0]["perplexity"] is None
    assert Config.model_validate(facts["config"]).training.max_steps == 300
    assert facts["bytes"]["total"] == sum(v for k, v in facts["bytes"].items() if k != "total")


def test_info_reports_a_damaged_model(run: Path, monkeypatch: Any, capsys: Any) -> None:
    weights = run / "model" / "model.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    text = info(run, monkeypatch=monkeypatch, capsys=capsys)
    assert "damaged: " in text
    assert "model.safetensors" in text


def test_info_describes_a_run_without_checkpoint(run: Path, monkeypatch: Any, capsys: Any) -> None:
    storage.remove(run / "model")
    (run / "metrics.jsonl").unlink()
    text = info(run, monkeypatch=monkeypatch, capsys=capsys)
    assert "no checkpoint yet" in text
    assert "damaged" not in text
