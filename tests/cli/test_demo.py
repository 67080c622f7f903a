"""`nmt demo`: the commands it runs, its exit codes, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from nmt.cli import app
from nmt.cli.train import train
from nmt.config.loading import SHIPPED, load_config
from nmt.errors import ConfigError
from nmt.phrasebook import DEMO
from nmt.runs import Run, runs_folder


class RecordedCommand:
    """Stands for the process of a command, and records its arguments."""

    codes: ClassVar[dict[str, int]] = {}
    started: ClassVar[list[list[str]]] = []

    def __init__(self, arguments: list[str]) -> None:
        assert arguments[:3] == [sys.executable, "-m", "nmt"]
        self.started.append(arguments[3:])
        self.code = self.codes.get(arguments[3], 0)

    def __enter__(self) -> RecordedCommand:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self) -> int:
        return self.code


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> type[RecordedCommand]:
    monkeypatch.setattr(subprocess, "Popen", RecordedCommand)
    monkeypatch.setattr(RecordedCommand, "codes", {})
    monkeypatch.setattr(RecordedCommand, "started", [])
    return RecordedCommand


def test_demo_trains_evaluates_and_translates(commands: type[RecordedCommand]) -> None:
    result = CliRunner().invoke(app, ["demo", "--run-dir", "somewhere"])
    assert result.exit_code == 0
    assert commands.started == [
        ["train", "--config", "demo", "--run-dir", "somewhere"],
        ["evaluate", "--model", "somewhere"],
        ["translate", "--model", "somewhere", *DEMO],
    ]
    assert "$ nmt train --config demo --run-dir somewhere" in result.stderr
    assert f'$ nmt translate --model somewhere "{DEMO[0]}"' in result.stderr


@pytest.mark.parametrize(("code", "expected"), [(5, 5), (130, 130), (-signal.SIGKILL, 137)])
def test_demo_ends_with_the_code_of_a_failed_command(
    commands: type[RecordedCommand], code: int, expected: int
) -> None:
    commands.codes["train"] = code
    assert CliRunner().invoke(app, ["demo"]).exit_code == expected
    assert len(commands.started) == 1


TINY = """
data:
  train: {source: words, target: words}
  valid: {source: words, target: words}
tokenizer: {vocab_size: 280}
model: {d_model: 8, heads: 1, encoder_layers: 1, decoder_layers: 1, feedforward: 8}
training: {max_steps: 1000000, batch_tokens: 100, log_every: 1, device: cpu, threads: 1}
"""


def test_ctrl_c_reaches_the_training_run_which_saves_its_state(tmp_path: Path) -> None:
    """The file `demo` in the working directory replaces the config of that name."""
    (tmp_path / "words").write_text("the dog runs .\nthe cat sees the old house .\n" * 20)
    (tmp_path / "demo").write_text(TINY)
    process = subprocess.Popen(
        [sys.executable, "-m", "nmt", "demo", "--run-dir", "run"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr
    for line in process.stderr:
        if line.startswith("step "):
            break
    os.killpg(process.pid, signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert "stopped" in rest
    assert "run the same command again to resume" in rest


def test_shipped_config_is_found_by_name_in_a_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text((SHIPPED / "demo.yaml").read_text(encoding="utf-8"))
    Run(Path()).lock_file.touch()
    folders: list[Path] = []
    monkeypatch.setattr(
        "nmt.training.pipeline.run_training", lambda _, folder, __: folders.append(folder)
    )
    train(Path("demo"))
    train(Path("config.yaml"))
    assert folders == [runs_folder() / "demo", Path()]


def test_shipped_config_is_found_by_name_unless_a_file_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (SHIPPED / "demo.yaml").read_text(encoding="utf-8")
    assert load_config(Path("demo")) == load_config(SHIPPED / "demo.yaml")
    changed = text.replace("d_model: 128", "d_model: 64")
    assert changed != text
    Path("demo").write_text(changed, encoding="utf-8")
    assert load_config(Path("demo")).model.d_model == 64
    Path("demo").unlink()
    Path("demo").mkdir()
    assert load_config(Path("demo")) == load_config(SHIPPED / "demo.yaml")
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(SHIPPED / "demo")
