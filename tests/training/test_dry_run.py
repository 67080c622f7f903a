"""`dry_run`: the same updates as a training run, in a folder that is removed."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from tiny import text_config

from nmt.errors import ConfigError, DataError, Stopped
from nmt.runs import Run
from nmt.training import dry_run as module
from nmt.training.dry_run import DryRun, dry_run
from nmt.training.pipeline import run_training


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of temporary files, which must be empty after each test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def content(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_updates_equal_those_of_a_training_run(
    digits: Path, tmp_path: Path, temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = text_config(digits, log_every=1, max_steps=2, valid_every=2)
    real = run_training(config, tmp_path / "real")
    capsys.readouterr()
    found = dry_run(text_config(digits, log_every=7), tmp_path / "new")
    assert found is not None
    assert len(found.losses) == module.UPDATES - 1
    assert found.losses[:2] == [record["smoothed_loss"] for record in real.records("train")]
    assert found.steps == 10
    assert found.start.endswith("new is new")
    assert found.share == 1.0
    assert found.update_seconds > 0
    assert found.seconds > 10 * found.update_seconds
    assert found.available_memory > found.memory > 10_000_000
    assert found.disk > 100_000
    assert not found.problems
    assert found.warnings() == []
    assert list(temporary.glob("nmt-*")) == []
    assert not (tmp_path / "new").exists()
    printed = capsys.readouterr().err
    assert f"run folder {tmp_path / 'new'}" in printed
    assert str(temporary) not in printed


def test_existing_run_is_only_read(trained: Run, digits: Path, tmp_path: Path) -> None:
    shutil.copytree(trained.path, tmp_path / "copy")
    run = Run(tmp_path / "copy")
    config = text_config(digits)
    assert dry_run(config, run.path) is None
    shutil.rmtree(run.model_folder)
    shutil.rmtree(run.checkpoint(10))
    before = content(run.path)
    found = dry_run(config, run.path)
    assert found is not None
    assert found.start == f"{run.path} would continue after step 8"
    assert found.steps == 2
    with pytest.raises(ConfigError, match="was started with a different config"):
        dry_run(text_config(digits, learning_rate=0.5), run.path)
    assert content(run.path) == before


def test_restart_ignores_the_config_of_the_run(trained: Run, digits: Path) -> None:
    found = dry_run(text_config(digits, learning_rate=0.02, max_steps=3), trained.path, True)
    assert found is not None
    assert found.start.endswith("would be renamed, because of --restart")
    assert found.steps == 3
    assert trained.exists


@pytest.mark.parametrize("epoch_pairs", [None, 60])
def test_larger_data_is_sampled(
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    epoch_pairs: int | None,
) -> None:
    monkeypatch.setattr(module, "_TRAIN_PAIRS", 60)
    config = text_config(digits, max_steps=None, max_epochs=3, batch_tokens=100, warmup_steps=30)
    data = config.data.model_copy(update={"epoch_pairs": epoch_pairs})
    config = config.model_copy(update={"data": data})
    found = dry_run(config, tmp_path / "new")
    assert found is not None
    # Of an epoch of 60 pairs, the warm-up is longer than the training run.
    assert ("the learning rate rises until" in capsys.readouterr().err) == bool(epoch_pairs)
    assert found.share == 100 / 200
    monkeypatch.undo()
    complete = dry_run(config, tmp_path / "new")
    assert complete is not None
    assert found.steps == pytest.approx(complete.steps, rel=0.3)
    assert ("sample", "50.0% of the training pairs that were read") in found.rows()


def test_problems_of_the_data_are_reported(digits: Path, tmp_path: Path) -> None:
    lines = {side: (digits / f"train.{side}").read_text().split("\n") for side in ("en", "de")}
    for split in ("train", "valid", "test"):
        for side in lines:
            shutil.copy(digits / f"{split}.{side}", tmp_path)
    greek = ["η γάτα" if i % 5 == 0 else line for i, line in enumerate(lines["en"][:-1])]
    (tmp_path / "train.en").write_text("".join(f"{line}\n" for line in greek))
    found = dry_run(text_config(tmp_path, max_steps=1), tmp_path / "new")
    assert found is not None
    (problem,) = (text for text in found.problems if "in another language or script" in text)
    assert ("data", problem) in found.rows()
    (tmp_path / "train.de").write_text("eins\n")
    with pytest.raises(DataError, match=r"train\.en has 200 lines but"):
        dry_run(text_config(tmp_path), tmp_path / "new")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_dry_run_leaves_no_files(
    digits: Path,
    tmp_path: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    def stop(*_: Any) -> None:
        assert list(temporary.glob("nmt-*"))
        os.kill(os.getpid(), number)

    monkeypatch.setattr(module._Observer, "train", stop)
    # Processes of a background shell ignore SIGINT.
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(Stopped, match="the dry run left no files") as caught:
            dry_run(text_config(digits), tmp_path / "new")
    finally:
        signal.signal(number, before)
    assert caught.value.exit_code == 128 + number
    assert list(temporary.glob("nmt-*")) == []
    assert not (tmp_path / "new").exists()


def test_lack_of_memory_and_disk_is_reported() -> None:
    common: dict[str, Any] = {"machine": "cpu", "start": "new", "losses": [], "problems": []}
    common |= {"update_seconds": 1.0, "tokens_per_second": 10.0, "validation_seconds": 2.0}
    common |= {"steps": None, "seconds": 0.0, "share": 1.0}
    found = DryRun(
        memory=95, available_memory=100, disk=3_000_000_000, free_disk=2_000_000_000, **common
    )
    rows = dict(found.rows())
    assert rows["time"] == "until training.patience ends training"
    assert rows["disk"] == "about 3.0 GB, 2.0 GB free"
    assert rows["data"] == "no mismatched pairs found"
    assert [text.split(" (")[0] for text in found.warnings()] == [
        "nearly all memory is used",
        "the disk is too small",
    ]
