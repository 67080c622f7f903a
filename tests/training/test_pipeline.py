"""`run_training` on real files: results, rejected input, damaged files and restarts."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import text_config, write_digits

from nmt import storage
from nmt.config import Config
from nmt.config.loading import load_config
from nmt.config.writing import dump_config
from nmt.data.statistics import Statistics
from nmt.decoding.engine import formats
from nmt.decoding.translator import Translator
from nmt.errors import ConfigError, DataError, DivergedError, StorageError, UsageError
from nmt.loading import load_model
from nmt.manage.overview import overview
from nmt.runs import Run, find_run, locked
from nmt.training import loop, pipeline, progress
from nmt.training.averaging import average_run
from nmt.training.objective import TrainingObjective
from nmt.training.pipeline import run_training
from nmt.version import CONFIG_VERSION


@pytest.fixture
def copy(trained: Run, tmp_path: Path) -> Run:
    """Return a copy of a finished run in another folder."""
    shutil.copytree(trained.path, tmp_path / "copy")
    return Run(tmp_path / "copy")


def unfinish(run: Run, *steps: int) -> None:
    """Delete the final model and the checkpoints of the given steps, as if the run was killed."""
    shutil.rmtree(run.model_folder)
    for step in steps:
        shutil.rmtree(run.checkpoints_folder / f"step-{step:08d}")


def weights_of(run: Run) -> str:
    checksum: str = storage.verify(run.model_folder)["files"]["model.safetensors"]["sha256"]
    return checksum


def records(run: Run) -> list[dict[str, Any]]:
    lines = run.metrics_file.read_text().splitlines()
    timeless = [json.loads(line) for line in lines]
    for record in timeless:
        for name in ("seconds", "validation_seconds", "tokens_per_second"):
            record.pop(name, None)
    return timeless


def flip_a_bit(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)


def test_finished_run_contains_all_files(trained: Run) -> None:
    assert trained.finished
    names = {path.name for path in trained.path.iterdir()}
    files = {"config.yaml", "tokenizer", "statistics", "model", "metrics.jsonl", "train.log"}
    assert files <= names
    assert [path.name for path in trained.checkpoints()] == [
        "step-00000010",
        "step-00000008",
        "step-00000004",
    ]
    events = [record["event"] for record in records(trained)]
    assert events.count("valid") == 3
    assert events[-1] == "test"
    assert list(trained.tensorboard_folder.glob("events.*"))
    assert "valid | step 4" in trained.log_file.read_text()


def test_run_keeps_lengths_and_words_of_its_training_sources(trained: Run) -> None:
    found = Statistics(trained.statistics_folder)
    assert found.usual_length > 0
    assert found.unknown_words("One TWO elephant") == ["elephant"]


def test_validation_never_splits_lines_into_sentences(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    translate = Translator.translate

    def recorded(self: Translator, *arguments: Any, **options: Any) -> Any:
        modes.append(self.decoding.split_sentences)
        return translate(self, *arguments, **options)

    monkeypatch.setattr(Translator, "translate", recorded)
    run_training(text_config(digits), tmp_path / "run")
    *validations, test = modes
    assert set(validations) == {"never"}
    assert test == "auto"


def test_moved_run_translates_without_training_files(copy: Run, digits: Path) -> None:
    expected = Translator.load(copy, "cpu").translate(["one two", "three"])
    moved = copy.path.rename(copy.path.with_name("moved"))
    for unneeded in ("checkpoints", "data", "metrics.jsonl", "lock", "fingerprints.json"):
        path = moved / unneeded
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
    assert Translator.load(Run(moved), "cpu").translate(["one two", "three"]) == expected


def test_finished_run_with_the_same_config_is_not_changed(copy: Run, digits: Path) -> None:
    before = weights_of(copy), copy.metrics_file.read_bytes()
    run_training(text_config(digits), copy.path)
    assert (weights_of(copy), copy.metrics_file.read_bytes()) == before


def test_saved_config_has_resolved_precision_and_threads(trained: Run, tmp_path: Path) -> None:
    kept = load_config(trained.config_file)
    assert kept == trained.config
    assert kept.training.precision == "fp32"
    assert kept.training.threads == 1


def test_resumed_run_keeps_its_number_of_threads(copy: Run, digits: Path) -> None:
    config = text_config(digits, precision="auto", threads=None)
    unfinish(copy, 10)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    run_training(config, copy.path)
    torch.set_num_threads(before)
    assert Run(copy.path).config.training.threads == 1


def test_unfinished_run_resumes_to_the_same_end(
    copy: Run, trained: Run, digits: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    unfinish(copy, 10)
    run_training(text_config(digits), copy.path)
    assert weights_of(copy) == weights_of(trained)
    assert records(copy) == records(trained)
    assert (
        "resuming from step 8 (checkpoint step-00000008, checksums verified)"
        in capfd.readouterr().err
    )


def test_sampled_subwords_are_the_same_in_another_process(
    trained: Run, digits: Path, tmp_path: Path
) -> None:
    """The other process has another hash seed and a newly loaded SentencePiece."""
    config = text_config(digits, sampling=0.3)
    through = run_training(config, tmp_path / "through")
    assert weights_of(through) != weights_of(trained)
    shutil.copytree(through.path, tmp_path / "resumed")
    resumed = Run(tmp_path / "resumed")
    unfinish(resumed, 8, 10)
    file = tmp_path / "digits.yaml"
    file.write_text(dump_config(config), encoding="utf-8")
    program = [sys.executable, "-c", "from nmt.cli import main; main()"]
    subprocess.run(
        [*program, "train", "--config", str(file), "--run-dir", str(resumed.path)],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        check=True,
        capture_output=True,
    )
    assert weights_of(resumed) == weights_of(through)
    assert records(resumed) == records(through)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"]
)
def test_damaged_checkpoint_is_skipped_with_warning(
    copy: Run, trained: Run, digits: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    unfinish(copy)
    flip_a_bit(copy.checkpoints_folder / "step-00000010" / name)
    run_training(text_config(digits), copy.path)
    assert weights_of(copy) == weights_of(trained)
    assert records(copy) == records(trained)
    printed = capfd.readouterr().err
    assert "warning: skipping checkpoint step-00000010: " in printed
    assert f"step-00000010/{name}" in printed
    assert "resuming from step 8" in printed


def test_damaged_metrics_file_is_restored(
    copy: Run, trained: Run, digits: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    unfinish(copy, 10)
    flip_a_bit(copy.metrics_file)
    run_training(text_config(digits), copy.path)
    assert records(copy) == records(trained)
    assert "metrics.jsonl is damaged" in capfd.readouterr().err


def test_missing_test_score_is_computed(copy: Run, trained: Run, digits: Path) -> None:
    """Remove the last record, as if the run was killed after it wrote the final model."""
    lines = copy.metrics_file.read_text().splitlines(keepends=True)
    copy.metrics_file.write_text("".join(lines[:-1]))
    run_training(text_config(digits), copy.path)
    assert records(copy) == records(trained)


def test_different_config_raises_error_with_the_differences(copy: Run, digits: Path) -> None:
    config = text_config(digits, learning_rate=0.5, seed=7)
    with pytest.raises(ConfigError) as error:
        run_training(config, copy.path)
    assert error.value.exit_code == 2
    assert "training.learning_rate: 0.01 -> 0.5" in error.value.message
    assert "training.seed: 1 -> 7" in error.value.message
    assert "max_steps" not in error.value.message


def test_run_without_checkpoint_accepts_another_config(tmp_path: Path, digits: Path) -> None:
    """After a data error, --restart is not needed, and the vocabulary follows the new config."""
    run = Run(tmp_path / "run")
    changed = tmp_path / "digits"
    shutil.copytree(digits, changed)
    (changed / "valid.en").write_bytes(b"\xff\n")
    with pytest.raises(DataError, match=r"valid\.en:1: not valid UTF-8"):
        run_training(text_config(changed), run.path)
    shutil.copytree(digits, changed, dirs_exist_ok=True)
    larger = text_config(changed, max_steps=1)
    larger = larger.model_copy(
        update={"tokenizer": larger.tokenizer.model_copy(update={"vocab_size": 60})}
    )
    with pytest.raises(ConfigError, match="largest possible"):
        run_training(larger, run.path)
    run_training(text_config(changed, max_steps=1, seed=3), run.path)
    assert Run(run.path).config.training.seed == 3
    assert len(Run(run.path).tokenizer.source) == 40


def test_run_that_was_too_large_accepts_a_smaller_model(tmp_path: Path, digits: Path) -> None:
    config = text_config(digits, max_steps=1)
    large = config.model.model_copy(update={"feedforward": 1_000_000, "encoder_layers": 256})
    with pytest.raises(ConfigError, match="training needs at least"):
        run_training(config.model_copy(update={"model": large}), tmp_path / "run")
    run_training(config, tmp_path / "run")
    assert Run(tmp_path / "run").config.model == config.model


def test_damaged_fingerprints_are_restored_or_raise_storage_error(
    copy: Run, trained: Run, digits: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Only the copy of the fingerprints in a checkpoint has a checksum, so nmt trusts that copy."""
    intact = copy.fingerprints_file.read_bytes()
    unfinish(copy, 10)
    for damaged in (intact.replace(b"1", b"2"), intact[:20], b"[]"):
        copy.fingerprints_file.write_bytes(damaged)
        again = Run(copy.path.with_name("again"))
        shutil.copytree(copy.path, again.path)
        run_training(text_config(digits), again.path)
        assert weights_of(again) == weights_of(trained)
        assert again.fingerprints_file.read_bytes() == intact
        shutil.rmtree(again.path)
    shutil.rmtree(copy.checkpoints_folder)
    for damaged in (b"[]", intact[:20], b"[" * 100_000):
        copy.fingerprints_file.write_bytes(damaged)
        with pytest.raises(StorageError, match=r"fingerprints\.json"):
            run_training(text_config(digits), copy.path)


def test_another_version_of_torch_prints_warning(
    copy: Run,
    digits: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    unfinish(copy, 10)
    monkeypatch.setattr(torch, "__version__", "99.0.0")
    run_training(text_config(digits), copy.path)
    warning = f"was started with torch {trained_with(copy)} and resumes with 99.0.0"
    assert warning in capfd.readouterr().err


def trained_with(run: Run) -> str:
    version: str = storage.read_manifest(run.checkpoints()[-1])["torch"]
    return version


def test_model_trains_on_the_current_device(
    tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `device: cuda:1`, CUDA graphs and events would otherwise belong to another GPU."""
    current, seen = list[torch.device](), list[torch.device]()

    @contextmanager
    def made_current(device: torch.device) -> Iterator[None]:
        current.append(device)
        yield
        current.pop()

    forward = TrainingObjective.forward

    def seeing(objective: TrainingObjective, batch: Any) -> Any:
        seen.extend(current if objective.training else ())
        return forward(objective, batch)

    monkeypatch.setattr(pipeline, "made_current", made_current)
    monkeypatch.setattr(TrainingObjective, "forward", seeing)
    run_training(text_config(digits, max_steps=2), tmp_path / "run")
    assert seen == [torch.device("cpu")] * 3  # The first batch is only a trial.


def test_low_disk_space_prints_warning_before_the_first_step(
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    run_training(text_config(digits, max_steps=1, log_every=1), tmp_path / "run")
    printed = capfd.readouterr().err
    assert "warning: low disk space: checkpoints in" in printed
    assert printed.index("low disk space") < printed.index("step 1/1")


def test_non_finite_weights_are_not_saved(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An infinite learning rate makes the weights infinite in one step, after a finite loss."""
    rate = loop.learning_rate

    def explosive(step: int, config: Any) -> float:
        return math.inf if step == 7 else rate(step, config)

    monkeypatch.setattr(loop, "learning_rate", explosive)
    run = Run(tmp_path / "run")
    with pytest.raises(DivergedError) as error:
        run_training(text_config(digits), run.path)
    assert error.value.exit_code == 3
    assert "the last good checkpoint is step 4" in error.value.message
    assert overview(run).state == "diverged"
    assert "learning_rate" in (error.value.hint or "")
    assert [path.name for path in run.checkpoints()] == ["step-00000004"]
    for tensor in storage.read_tensors(run.checkpoints()[0] / "model.safetensors").values():
        assert tensor.isfinite().all()


def test_decoding_precision_without_device_support_raises_error_before_training(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "can_pack", lambda device, number_format: False)
    config = text_config(digits)
    decoding = config.decoding.model_copy(update={"precision": "int8"})
    with pytest.raises(ConfigError, match=r"decoding\.precision int8 does not run on cpu"):
        run_training(config.model_copy(update={"decoding": decoding}), tmp_path / "run")
    assert not Run(tmp_path / "run").data_folder.exists()


def test_higher_max_steps_continues_the_run(copy: Run, digits: Path) -> None:
    run_training(text_config(digits, max_steps=12), copy.path)
    assert copy.checkpoints()[0].name == "step-00000012"
    assert copy.config.training.max_steps == 12
    assert storage.verify(copy.model_folder)["step"] == 12


def test_higher_max_steps_with_cosine_schedule_raises_config_error(
    tmp_path: Path, digits: Path
) -> None:
    path = tmp_path / "run"
    run_training(text_config(digits, schedule="cosine", max_steps=4), path)
    with pytest.raises(ConfigError, match="max_steps: 4 -> 5"):
        run_training(text_config(digits, schedule="cosine", max_steps=5), path)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_changed_data_raises_data_error(digits: Path, tmp_path: Path, split: str) -> None:
    changed = tmp_path / "digits"
    shutil.copytree(digits, changed)
    config = text_config(changed)
    run = run_training(config, tmp_path / "run")
    unfinish(run, 10)
    for side in ("en", "de"):
        path = changed / f"{split}.{side}"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(DataError, match=f"the {split} data changed") as error:
        run_training(config, run.path)
    assert error.value.exit_code == 4
    pairs = 200 if split == "train" else 12
    assert f"pairs: {pairs} -> {pairs - 1}" in error.value.message


def test_damaged_model_or_tokenizer_raises_storage_error(copy: Run) -> None:
    flip_a_bit(copy.tokenizer_folder / "shared.model")
    with pytest.raises(StorageError, match="tokenizer"):
        load_model(copy, torch.device("cpu"))
    flip_a_bit(copy.tokenizer_folder / "shared.model")
    flip_a_bit(copy.model_folder / "model.safetensors")
    with pytest.raises(StorageError, match=r"model\.safetensors is damaged"):
        load_model(Run(copy.path), torch.device("cpu"))


def test_training_with_damaged_tokenizer_raises_storage_error(copy: Run, digits: Path) -> None:
    unfinish(copy, 10)
    flip_a_bit(copy.tokenizer_folder / "shared.model")
    with pytest.raises(StorageError, match="tokenizer is damaged"):
        run_training(text_config(digits), copy.path)


def test_unfinished_run_loads_best_checkpoint(copy: Run) -> None:
    unfinish(copy)
    state = json.loads((copy.checkpoints()[0] / "state.json").read_text())
    assert copy.weights().parent.name == f"step-{state['best_step']:08d}"
    load_model(copy, torch.device("cpu"))


def test_run_without_weights_raises_storage_error(copy: Run) -> None:
    unfinish(copy, 4, 8, 10)
    with pytest.raises(StorageError, match="no model yet"):
        load_model(copy, torch.device("cpu"))


@pytest.mark.parametrize(
    "change",
    [
        {"d_model": 10**6},
        {"feedforward": 10**6},
        {"encoder_layers": 256},
        {"d_model": 18},
        {"positions": "learned", "max_positions": 10**6},
    ],
    ids=lambda change: next(iter(change)),
)
def test_config_of_another_model_raises_storage_error_within_2_s(
    copy: Run, change: dict[str, Any]
) -> None:
    config = copy.config.model_dump()
    config["model"].update(change)
    strange = type(copy.config).model_validate(config)
    copy.config_file.write_bytes(dump_config(strange).encode())
    start = time.monotonic()
    with pytest.raises(StorageError, match="does not contain the model"):
        load_model(Run(copy.path), torch.device("cpu"))
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("suffix", ["pt", "bin", "pkl", "ckpt", "safetensors"])
def test_model_file_in_place_of_a_run_raises_storage_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(StorageError, match="safetensors only"):
        find_run(path)


def test_find_run_returns_the_newest_or_the_given_run(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NMT_RUNS", raising=False)
    with pytest.raises(UsageError, match="no finished run"):
        find_run(None)
    for number, name in enumerate(("older", "newer")):
        shutil.copytree(trained.path, tmp_path / "runs" / name)
        manifest = tmp_path / "runs" / name / "model" / "manifest.json"
        os.utime(manifest, (number, number))
    (tmp_path / "runs" / "unfinished").mkdir()
    (tmp_path / "runs" / "latest").symlink_to("older")
    assert find_run(None).path == Path("runs/newer")
    assert find_run("older").path == Path("runs/older")
    Path("older").mkdir()  # for example a folder of data
    assert find_run("older").path == Path("runs/older")
    assert find_run(tmp_path / "runs" / "older").finished
    with pytest.raises(UsageError, match="no run oldest") as error:
        find_run("oldest")
    assert "older" in (error.value.hint or "")
    monkeypatch.setenv("NMT_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir("/")
    assert find_run(None).path == tmp_path / "runs" / "newer"


def test_latest_link_points_to_the_last_run(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NMT_RUNS", str(tmp_path / "runs"))
    for name in ("a", "b"):
        run_training(text_config(digits, max_steps=1), tmp_path / "runs" / name)
    assert (tmp_path / "runs" / "latest").readlink() == Path("b")
    run_training(text_config(digits, max_steps=1), tmp_path / "elsewhere" / "c")
    assert not (tmp_path / "elsewhere" / "latest").exists()


def test_restart_renames_the_old_run(copy: Run, trained: Run, digits: Path) -> None:
    (copy.path / "my notes.txt").write_text("mine")
    run_training(text_config(digits), copy.path, restart=True)
    run_training(text_config(digits, seed=9), copy.path, restart=True)
    assert (copy.path.with_name("copy.old-1") / "my notes.txt").read_text() == "mine"
    assert weights_of(Run(copy.path.with_name("copy.old-2"))) == weights_of(trained)
    assert weights_of(copy) != weights_of(trained)


def test_restart_prints_the_new_name_of_the_old_run(
    copy: Run, digits: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_training(text_config(digits, max_steps=1), copy.path, restart=True)
    assert f"the old run is now {copy.path}.old-1" in capfd.readouterr().err


def test_linked_run_folder_stays_a_link_after_restart(
    copy: Run, trained: Run, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old run is renamed on the disk of the target, and the new run is created there."""
    monkeypatch.setenv("NMT_RUNS", str(tmp_path / "runs"))
    disk = tmp_path / "disk"
    disk.mkdir()
    copy.path.rename(disk / "target")
    link = Run(tmp_path / "runs" / "linked")
    link.path.parent.mkdir()
    link.path.symlink_to(disk / "target")
    for number in (1, 2):
        run_training(text_config(digits, seed=9, max_steps=4), link.path, restart=True)
        assert link.path.readlink() == disk / "target"
        assert {path.name for path in disk.iterdir()} == {
            "target",
            *(f"target.old-{n}" for n in range(1, number + 1)),
        }
    assert weights_of(Run(disk / "target.old-1")) == weights_of(trained)
    assert weights_of(link) != weights_of(trained)
    run_training(text_config(digits, seed=9, max_steps=6), link.path)
    assert storage.verify(link.model_folder)["step"] == 6
    assert find_run(None).path == link.path
    assert len(Translator.load(find_run(link.path), "cpu").translate(["one two"])) == 1


def test_link_without_target_makes_the_target_or_raises_error_with_it(
    digits: Path, tmp_path: Path
) -> None:
    """If the parent folder of the target is missing, its disk may not be mounted."""
    link = tmp_path / "run"
    link.symlink_to(tmp_path / "disk" / "target")
    for restart in (False, True):
        with pytest.raises(StorageError, match="No such file") as error:
            run_training(text_config(digits, max_steps=1), link, restart)
        assert f"{link} (a link to {tmp_path / 'disk' / 'target'})" in error.value.message
    assert not (tmp_path / "disk").exists()
    (tmp_path / "disk").mkdir()
    assert run_training(text_config(digits, max_steps=1), link).finished
    assert (tmp_path / "disk" / "target" / "model").is_dir()


def test_link_whose_target_cannot_be_renamed_raises_error_with_it(
    copy: Run, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target may be the mount point of a disk, which cannot be renamed."""
    link = tmp_path / "run"
    link.symlink_to(copy.path)

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    with monkeypatch.context() as patches:
        patches.setattr(Path, "rename", busy)
        with pytest.raises(StorageError, match="busy") as error:
            run_training(text_config(digits), link, restart=True)
    assert f"cannot rename {link} (a link to {copy.path})" in error.value.message
    assert Run(link).finished


@pytest.mark.parametrize("restart", [False, True])
def test_folder_with_other_files_raises_storage_error(
    tmp_path: Path, digits: Path, restart: bool
) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(StorageError, match=r"not a run folder: it contains thesis\.tex"):
        run_training(text_config(digits), tmp_path, restart)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_second_training_process_raises_storage_error(copy: Run, digits: Path) -> None:
    script = "import sys; from nmt.runs import *; c = locked(Run(Path(sys.argv[1])));"
    script += "c.__enter__(); print('locked', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(copy.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"locked\n"
    for restart in (False, True):
        start = time.monotonic()
        with pytest.raises(StorageError, match=f"in use by another nmt .process {holder.pid}"):
            run_training(text_config(digits), copy.path, restart)
        assert time.monotonic() - start < 2
    holder.kill()
    holder.communicate()
    with locked(copy):
        pass


def test_file_system_without_locks_raises_storage_error(
    copy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(StorageError, match=r"cannot lock .*: No locks available"), locked(copy):
        pass


def test_unwritable_log_prints_one_warning(
    digits: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    for name in ("train.log", "metrics.jsonl", "tensorboard"):
        (path / name).mkdir(parents=True)
    (path / "tensorboard").rmdir()
    (path / "tensorboard").write_text("a file in place of the folder")
    run = run_training(text_config(digits, max_steps=2), path)
    assert run.finished
    printed = capfd.readouterr().err
    for name in ("train.log", "metrics.jsonl", "tensorboard"):
        assert printed.count(f"cannot write {name}") == 1


def test_log_on_full_disk_prints_one_warning(
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The disk is full after the logs are open; TensorBoard writes from a separate thread."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(RecordWriter, "write", full)
    monkeypatch.setattr(progress, "_append", full)
    hook = threading.excepthook
    run = run_training(text_config(digits, log_every=1), tmp_path / "run")
    assert run.finished
    printed = capfd.readouterr().err
    for name in ("train.log", "metrics.jsonl", "tensorboard"):
        assert printed.count(f"warning: cannot write {name}: [Errno 28] No space left") == 1
    assert "Traceback" not in printed
    assert threading.excepthook is hook


def write_old_manifests(run: Run) -> None:
    """Rewrite the manifests of all checkpoints in the format of config version 1."""
    for folder in run.checkpoints():
        facts = storage.read_manifest(folder)
        contents = {name: (folder / name).read_bytes() for name in facts["files"]}
        skipped = ("name", "files", "config", "config_version")
        own = {key: value for key, value in facts.items() if key not in skipped}
        storage.write_folder(folder, contents, own)


def test_rdrop_run_of_an_earlier_version_translates_but_does_not_resume(
    digits: Path, tmp_path: Path
) -> None:
    """In config version 1, training.rdrop was half of the current value for the same loss."""
    config = text_config(digits, rdrop=1.5, max_steps=4)
    run = run_training(config, tmp_path / "run")
    write_old_manifests(run)
    run_training(config, run.path)  # The run is finished, so nothing is resumed.
    longer = text_config(digits, rdrop=1.5, max_steps=6)
    before = run.config_file.read_text()
    with pytest.raises(ConfigError, match=r"rdrop: 1\.5 meant what 3 means now") as error:
        run_training(longer, run.path)
    assert "training.rdrop: 3" in (error.value.hint or "")
    assert Run(run.path).finished
    assert run.config_file.read_text() == before
    shutil.rmtree(run.model_folder)
    with pytest.raises(ConfigError, match=r"rdrop: 1\.5"):
        run_training(config, run.path)
    assert len(Translator.load(Run(run.path), "cpu").translate(["one two"])) == 1


def test_run_of_an_earlier_version_without_rdrop_resumes(
    copy: Run, trained: Run, digits: Path
) -> None:
    write_old_manifests(copy)
    unfinish(copy, 10)
    run_training(text_config(digits), copy.path)
    assert weights_of(copy) == weights_of(trained)
    newest = storage.read_manifest(copy.checkpoints()[0])
    assert newest["config_version"] == CONFIG_VERSION


def test_last_checkpoints_are_averaged(digits: Path, tmp_path: Path) -> None:
    config = text_config(digits, average="last", average_checkpoints=2, keep_checkpoints=1)
    run = run_training(config, tmp_path / "run")
    averaged = [r["averaged_steps"] for r in records(run) if r["event"] == "average"]
    assert averaged == [[8, 10]]


def test_final_model_has_the_ema_weights_of_the_best_checkpoint(
    digits: Path, tmp_path: Path
) -> None:
    run = run_training(text_config(digits, ema=0.9, average_checkpoints=1), tmp_path / "run")
    state = json.loads((run.checkpoints()[0] / "state.json").read_text())
    best = run.checkpoints_folder / f"step-{state['best_step']:08d}"
    ema = storage.read_tensors(best / "ema.safetensors")
    final = storage.read_tensors(run.model_folder / "model.safetensors")
    assert ema.keys() == final.keys()
    assert all(torch.equal(ema[name], final[name]) for name in ema)


def test_average_run_writes_the_mean_of_the_checkpoints(copy: Run, tmp_path: Path) -> None:
    output = tmp_path / "mean"
    assert average_run(copy, output, last=2) == [8, 10]
    parts = [
        storage.read_tensors(copy.checkpoints_folder / f"step-{step:08d}" / "model.safetensors")
        for step in (8, 10)
    ]
    mean = storage.read_tensors(output / "model" / "model.safetensors")
    for name in mean:
        torch.testing.assert_close(mean[name], (parts[0][name] + parts[1][name]) / 2)
    assert len(Translator.load(Run(output), "cpu").translate(["one two"])) == 1
    assert Statistics(Run(output).statistics_folder).unknown_words("one") == []
    with pytest.raises(UsageError, match="exists"):
        average_run(copy, output)
    with pytest.raises(UsageError, match="only 3 of the 5 checkpoints"):
        average_run(copy, tmp_path / "other", best=5)


def test_long_validation_lines_and_sampling_stay_within_learned_positions(tmp_path: Path) -> None:
    write_digits(tmp_path)
    for side in ("en", "de"):
        for split in ("valid", "test"):
            with (tmp_path / f"{split}.{side}").open("a") as file:
                file.write("one two three " * 6000 + "\n")
    values = text_config(tmp_path, sampling=0.9).model_dump()
    values["model"] |= {"positions": "learned", "max_positions": 13}
    values["data"]["max_tokens"] = 12
    run = run_training(Config.model_validate(values), tmp_path / "run")
    losses = [record["nll"] for record in records(run) if record["event"] == "valid"]
    assert len(losses) > 2
    assert all(map(math.isfinite, losses))
    report = json.loads((run.data_folder / "cache.json").read_text())["cache"]["report"]
    assert report["splits"]["valid"]["noticed"]["too long"] >= 1
