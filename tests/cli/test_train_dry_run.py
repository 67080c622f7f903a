"""`nmt train --dry-run`: what it prints, and the errors of its arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt.cli.train import train
from nmt.errors import ConfigError, UsageError

CONFIG = """
data:
  train: {source: a.en, target: a.de}
  valid: {source: a.en, target: a.de}
tokenizer: {vocab_size: 28, byte_fallback: false}
model: {d_model: 16, heads: 2, encoder_layers: 1, decoder_layers: 1, feedforward: 16}
training: {max_steps: 20, precision: fp32, device: cpu, threads: 1}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a.en").write_text("a dog runs\nthe cat\n" * 20)
    (tmp_path / "a.de").write_text("ein hund rennt\ndie katze\n" * 20)
    (tmp_path / "my.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def test_dry_run_prints_a_forecast_and_keeps_no_files(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.iterdir())
    train(config=Path("my.yaml"), dry_run=True)
    shown = capsys.readouterr()
    rows = dict(line.split(None, 1) for line in shown.out.splitlines())
    assert rows["run"] == "runs/my is new"
    assert rows["device"] == "cpu, 1 thread, fp32"
    assert rows["time"].endswith("for 20 steps")
    assert rows["data"] == "no mismatched pairs found"
    assert rows.keys() == {"run", "device", "memory", "step", "validation", "time", "disk", "data"}
    assert shown.err.endswith("next: run the same command without --dry-run\n")
    assert sorted(folder.iterdir()) == before


def test_dry_run_of_data_files_needs_a_config(folder: Path) -> None:
    with pytest.raises(UsageError, match="a dry run needs a config") as caught:
        train(files=["a.en", "a.de"], dry_run=True)
    assert caught.value.hint == "run first: nmt init a.en a.de"
    assert not list(folder.glob("*-*"))


def test_dry_run_reports_errors_of_a_training_run(folder: Path) -> None:
    with pytest.raises(ConfigError, match="the largest possible size is"):
        train(config=Path("my.yaml"), overrides=["tokenizer.vocab_size=5000"], dry_run=True)
    assert not (folder / "runs").exists()
