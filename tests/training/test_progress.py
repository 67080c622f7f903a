"""What a training run prints on terminals of 80 and 40 columns and into a file."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path

import pytest
from tiny import NoBoard, text_config

from nmt import bars
from nmt.runs import Run
from nmt.terminal import display_width, plain
from nmt.training import pipeline, progress

Train = Callable[[], None]


@pytest.fixture
def train(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Return a function that trains the run `run`, with three validations and a test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bars, "SECONDS_PER_REFRESH", 0.0)
    monkeypatch.setattr(progress, "SECONDS_PER_LINE", 0.0)
    for name in ("COLUMNS", "NO_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def run() -> None:
        pipeline.run_training(text_config(digits), Path("run"), report=NoBoard)

    return run


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Train, int], str]]:
    """Return a function that calls another one on a pseudo-terminal, and returns its output."""

    def call(function: Train, columns: int) -> str:
        reader, writer = pty.openpty()
        ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        read: list[bytes] = []

        def collect() -> None:
            try:
                while data := os.read(reader, 65536):
                    read.append(data)
            except OSError:  # The other side is closed.
                pass

        thread = threading.Thread(target=collect)
        thread.start()
        with os.fdopen(writer, "w", encoding="utf-8") as stream:
            monkeypatch.setattr(sys, "stderr", stream)
            try:
                function()
            finally:
                monkeypatch.undo()
        thread.join()
        os.close(reader)
        return b"".join(read).decode()

    yield call


@pytest.mark.parametrize("columns", [80, 40])
def test_lines_fit_the_terminal_and_bars_vanish(
    train: Train, on_terminal: Callable[[Train, int], str], columns: int
) -> None:
    printed = on_terminal(train, columns)
    lines = re.split(r"[\r\n]+", plain(printed))
    assert [line for line in lines if display_width(line) > columns] == []
    assert any(line.startswith("step 8/10 ") for line in lines)
    assert any("█" in line and line.startswith("validation: nll") for line in lines)
    assert any(line.startswith("validation: translating") for line in lines)
    for words in ("before", "(step 4)", "now", "new best", "next:", '--model run "..."'):
        assert words in plain(printed)
    assert "\x1b[38;5;33m" in printed
    rows = shown_rows(plain(printed))
    assert [row for row in rows if "█" in row and "BLEU" not in row] == []
    assert sum(row.startswith("valid | step") for row in rows) == 3


def shown_rows(printed: str) -> list[str]:
    """Return what a terminal shows in the end: text after a carriage return replaces text."""
    rows = []
    for row in printed.replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in row.split("\r"):
            shown = part + shown[len(part) :]
        rows.append(shown.rstrip())
    return rows


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_environment_turns_colors_off(
    train: Train,
    on_terminal: Callable[[Train, int], str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
) -> None:
    monkeypatch.setenv(name, value)
    assert "\x1b" not in on_terminal(train, 80)


def test_file_has_fixed_lines_once_each(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    monkeypatch.setattr(sys, "stderr", stream)
    train()
    stream.seek(0)
    printed = stream.read()
    assert "\r" not in printed
    assert "\x1b" not in printed
    for text in (printed, re.sub(r"(?m)^.{20}", "", Run(Path("run")).log_file.read_text())):
        lines = [line for line in text.splitlines() if not line.startswith("  ")]
        assert [line for line in lines if lines.count(line) > 1] == []
    steps = re.findall(
        r"(?m)^step (\d+)/10 \| epoch \d+ \| nll [\d.]+ \| [\d,]+ tok/s \| lr ", printed
    )
    assert steps == ["2", "4", "6", "8", "10"]
    assert printed.rstrip().endswith("nmt info run")


def test_file_has_a_line_of_steps_every_few_seconds(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_PER_LINE", 1000.0)
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    monkeypatch.setattr(sys, "stderr", stream)
    train()
    stream.seek(0)
    assert re.findall(r"(?m)^step \d+", stream.read()) == ["step 2"]


def test_ascii_terminal_shows_no_blocks(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", "backslashreplace", write_through=True)
    monkeypatch.setattr(sys, "stderr", stream)
    train()
    stream.seek(0)
    printed = stream.read()
    assert re.search(r"BLEU \d+\.\d+ [_#]{2} ", printed)
    assert "\\u25" not in printed  # No block character was replaced.


def test_training_and_validation_record_the_same_nll(trained: Run) -> None:
    """Both are the negative log-likelihood per token; the smoothed loss of training is greater."""
    train_records, valid = trained.records("train"), trained.records("valid")
    assert all(record["smoothed_loss"] != record["nll"] for record in train_records)
    assert train_records[-1]["nll"] == pytest.approx(valid[-1]["nll"], rel=0.2)
    assert all("loss" not in record for record in [*train_records, *valid])


def test_records_of_earlier_versions_have_the_keys_of_this_version(tmp_path: Path) -> None:
    records = [
        {"event": "train", "step": 1, "loss": 3.0, "nll": 2.0},
        {"event": "valid", "step": 1, "loss": 2.5},
    ]
    run = Run(tmp_path)
    run.metrics_file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    assert run.records("train") == [{"event": "train", "step": 1, "smoothed_loss": 3.0, "nll": 2.0}]
    assert run.records("valid") == [{"event": "valid", "step": 1, "nll": 2.5}]
